from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from realdb.errors import DataError
from realdb.exports import croissant
from realdb.schema.tables import header_of
from realdb.store.store import Store
from refusals import refused

Export = Callable[..., Path]
TYPES = {
    "sc:Boolean": pa.types.is_boolean,
    "sc:Integer": pa.types.is_integer,
    "sc:Float": pa.types.is_floating,
    "sc:Text": pa.types.is_string,
    "sc:DateTime": pa.types.is_timestamp,
}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / "croissant.json").read_text(encoding="utf-8"))
    return found


def test_describes_the_files_beside_it(export: Export, synthetic_store: Store) -> None:
    path = export("croissant", "croissant")
    found = read(path)
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert "LICENSE-2.0" in found["license"]
    tables = set(synthetic_store.tables) - {"build"}
    assert {file["@id"] for file in found["distribution"]} == {f"{t}.parquet" for t in tables}
    for file in found["distribution"]:
        content = (path / file["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert file["contentSize"] == f"{len(content)} B"
    for records in found["recordSet"]:
        table = records["name"]
        schema = pq.read_schema(path / "tables" / f"{table}.parquet")
        assert [field["name"] for field in records["field"]] == schema.names
        about = header_of(table)
        assert [key["@id"] for key in records["key"]] == [f"{table}/{key}" for key in about.key]
        for field in records["field"]:
            assert field["@id"] == f"{table}/{field['name']}"
            assert field["description"] == about.columns[field["name"]]
            assert TYPES[field["dataType"]](schema.field(field["name"]).type)
            assert field["source"]["fileObject"]["@id"] == f"{table}.parquet"
            assert field["source"]["extract"] == {"column": field["name"]}


def test_a_file_that_changed_is_refused(export: Export) -> None:
    path = export("croissant", "croissant")
    assert croissant.count(path) > 0
    with (path / "tables" / "classes.parquet").open("ab") as file:
        file.write(b"x")
    with refused(DataError, file="tables/classes.parquet"):
        croissant.count(path)


def test_tables_match_the_store(export: Export, synthetic_store: Store) -> None:
    files = list((export("croissant", "croissant") / "tables").iterdir())
    assert {file.stem for file in files} == set(synthetic_store.tables) - {"build"}
    with synthetic_store.connect() as con:
        for file in files:
            con.register("mine", mine := pq.read_table(file))
            rows = con.table(file.stem)
            assert mine.column_names == rows.columns
            assert mine.num_rows == len(rows)
            assert not con.sql(f"from mine except all from {file.stem}").fetchall()


def test_labels_at_another_threshold(export: Export) -> None:
    whole = pq.read_table(export("croissant", "published") / "tables" / "labels.parquet")
    other = pq.read_table(export("croissant", "other", threshold=0.2) / "tables" / "labels.parquet")
    assert other.num_rows != whole.num_rows


def test_a_store_of_labels_alone(export: Export, bare_store: Store) -> None:
    found = read(export("croissant", "bare", store=bare_store))
    assert [records["name"] for records in found["recordSet"]] == ["images", "labels", "sources"]


# mlcroissant 1.1 uses deprecated functions of rdflib and pandas.
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning")
def test_mlcroissant_reads_it(export: Export, synthetic_store: Store) -> None:
    """Runs only if mlcroissant is installed. Last run with mlcroissant 1.1.1.

    It is not in the development extra: the pandas-stubs that it brings change what mypy sees.
    """
    mlcroissant = pytest.importorskip(
        "mlcroissant", reason="mlcroissant is not installed: pip install mlcroissant"
    )
    found = mlcroissant.Dataset(str(export("croissant", "croissant") / "croissant.json"))
    issues = found.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings
    for records in found.metadata.record_sets:
        rows = list(found.records(records.id))
        assert len(rows) == synthetic_store.tables[records.id]
        assert list(rows[0]) == [field.id for field in records.fields]


@pytest.mark.filterwarnings("ignore")  # warnings of the libraries about each other
def test_tfds_reads_it_through_mlcroissant(
    export: Export, synthetic_store: Store, tmp_path: Path
) -> None:
    """Runs only with tensorflow-datasets, tensorflow and apache-beam, which are too large for CI.

    Last run with tensorflow-datasets 4.9.10, mlcroissant 1.1.1 and apache-beam 2.77.0.
    """
    for name in ("tensorflow", "apache_beam", "array_record"):
        pytest.importorskip(name, reason=f"{name} is not installed, which TFDS needs for Croissant")
    tfds = pytest.importorskip(
        "tensorflow_datasets", reason="tensorflow-datasets is not installed: it is heavy"
    )
    path = export("croissant", "croissant") / "croissant.json"
    builder = tfds.core.dataset_builders.CroissantBuilder(
        jsonld=str(path), record_set_ids=["labels"], file_format="array_record", data_dir=tmp_path
    )
    builder.download_and_prepare()
    rows = builder.as_data_source(split="default")
    found = sorted((int(row["image_id"]), int(row["label"]), int(row["position"])) for row in rows)
    with synthetic_store.connect() as con:
        assert found == con.execute("from labels order by image_id, label").fetchall()


def test_real_data(export: Export, real_store: Store) -> None:
    path = export("croissant", "croissant", store=real_store)
    for table in ("images", "labels", "votes", "scores"):
        file = path / "tables" / f"{table}.parquet"
        assert pq.read_metadata(file).num_rows == real_store.tables[table]
