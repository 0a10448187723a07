from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import realdb
from needs import needs
from realdb.errors import DataError
from realdb.store.store import Store
from refusals import refused

Awkward = tuple[str, list[str], list[tuple[Any, ...]]]


def test_rows_come_back(export: Callable[..., Path], awkward: Awkward) -> None:
    query, columns, rows = awkward
    found = pq.read_table(export(query, "o u't.parquet"))
    assert found.column_names == columns
    assert list(zip(*found.to_pydict().values(), strict=True)) == rows


def test_a_table_comes_back_with_its_types(
    export: Callable[..., Path], synthetic_store: Store
) -> None:
    found = pq.read_table(export("labels", "out.parquet"))
    rows = synthetic_store.connect().execute("from labels order by image_id, label").fetchall()
    assert list(zip(*found.to_pydict().values(), strict=True)) == rows
    assert [str(kind) for kind in found.schema.types] == ["int32", "int16", "int16"]


def test_the_file_has_its_description(export: Callable[..., Path], synthetic_store: Store) -> None:
    path = export("labels", "out.parquet", where="label < 9", columns=["label"])
    said = pq.read_schema(path).metadata
    assert said[b"realdb_version"].decode() == realdb.__version__
    assert said[b"realdb_build"].decode() == synthetic_store.build_id
    sums = synthetic_store.connect().execute("select file_name, sha256 from sources").fetchall()
    assert json.loads(said[b"realdb_sources"]) == dict(sums)
    query = {"what": "labels", "where": "label < 9", "columns": ["label"]}
    assert json.loads(said[b"realdb_query"]) == query
    assert b"Apache-2.0" in said[b"license"]
    assert b"2006.07159" in said[b"citation"]


@pytest.mark.parametrize("options", [{}, {"format": "parquet"}])
@pytest.mark.parametrize("name", ["parts", "parts.parquet"])
def test_partitions(
    name: str, options: dict[str, str], export: Callable[..., Path], synthetic_store: Store
) -> None:
    """The folder holds Parquet files only, for readers such as Polars that read all of it."""
    folder = export("rated", name, partition_by="label_count", **options)
    found = ds.dataset(folder, partitioning="hive").to_table()
    con = synthetic_store.connect()
    rows = con.execute("select image_id from images where is_rated").fetchall()
    assert sorted(found["image_id"].to_pylist()) == sorted(image for (image,) in rows)
    counts = set(found["label_count"].to_pylist())
    assert {path.name for path in folder.iterdir()} == {f"label_count={count}" for count in counts}
    for file in folder.rglob("*.parquet"):
        assert pq.read_schema(file).metadata[b"realdb_query"]


def test_polars_reads_the_partitions(export: Callable[..., Path]) -> None:
    pl = needs("polars")
    folder = export("rated", "parts", partition_by="label_count")
    found = pl.read_parquet(folder)
    whole = pq.read_table(export("rated", "whole.parquet"))
    assert sorted(found["image_id"].to_list()) == sorted(whole["image_id"].to_pylist())
    assert sum(found["label_count"].to_list()) == sum(whole["label_count"].to_pylist())
    assert pl.scan_parquet(folder).select(pl.len()).collect().item() == whole.num_rows


def test_partitions_are_replaced_with_force(export: Callable[..., Path]) -> None:
    folder = export("rated", "parts", partition_by="label_count")
    with refused(DataError, parameter="force", file=folder):
        export("rated", "parts", partition_by="label_count")
    # Written by an older realdb.
    (folder / "_realdb.json").write_text("{}")
    export("rated", "parts", partition_by="label_count", force=True)
    assert not (folder / "_realdb.json").exists()
    export("rated", "parts", partition_by="label_count", where="label_count = 1", force=True)
    assert [path.name for path in folder.iterdir()] == ["label_count=1"]
    # A foreign file is not removed.
    (folder / "notes.txt").write_text("mine")
    with refused(DataError, file=folder, parameter="out"):
        export("rated", "parts", partition_by="label_count", force=True)
    (folder / "notes.txt").rename(folder / "notes.parquet")
    with refused(DataError, file=folder, parameter="out"):
        export("rated", "parts", partition_by="label_count", force=True)
    assert (folder / "notes.parquet").read_text() == "mine"


def test_an_empty_result_gives_no_partitions(export: Callable[..., Path]) -> None:
    options = {"partition_by": "label_count", "where": "image_id < 0"}
    folder = export("rated", "parts", **options)
    assert [path.name for path in folder.iterdir()] == ["_realdb.json"]
    export("rated", "parts", **options, force=True)


def test_a_missing_partition_column_is_refused(export: Callable[..., Path]) -> None:
    with refused(DataError, "image_id,", parameter="partition_by", column="nope", value="nope"):
        export("rated", "parts", format="parquet", partition_by="nope")
