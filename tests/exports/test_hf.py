from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from needs import needs
from realdb.errors import QueryError
from realdb.store.store import Store
from refusals import refused

Export = Callable[..., Path]
FILE = "data/validation-00000-of-00001.parquet"


def test_holds_every_label(export: Export, synthetic: Path, synthetic_store: Store) -> None:
    table = pq.read_table(export("hf", "hf") / FILE)
    assert table["real_labels"].to_pylist() == json.loads((synthetic / "real.json").read_bytes())
    with synthetic_store.connect() as con:
        images = con.execute(
            "select image_id, file_name, original_label, is_rated from images order by image_id"
        ).fetchall()
    assert images == list(zip(*(column.to_pylist() for column in table.columns[:4]), strict=True))


def test_columns_match_their_features(export: Export, synthetic_store: Store) -> None:
    # `datasets` accepts a feature only if the column has its type; NULL is allowed.
    path = export("hf", "hf")
    schema = pq.read_schema(path / FILE)
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    assert all(field.nullable for field in schema)
    assert schema.field("original_label").type == pa.int64()
    assert schema.field("real_labels").type == pa.list_(pa.int64())
    with synthetic_store.connect() as con:
        ids = [
            one
            for (one,) in con.execute("select wordnet_id from classes order by label").fetchall()
        ]
    label = {"names": ids, "_type": "ClassLabel"}
    assert features["original_label"] == label
    assert features["real_labels"] == {"feature": label, "_type": "Sequence"}


def test_the_card_names_file_and_licence(export: Export) -> None:
    path = export("hf", "hf")
    card = (path / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n")
    head = card.split("---\n")[1].splitlines()
    assert "license: apache-2.0" in head
    assert f"    path: {FILE}" in head
    assert "arXiv 2006.07159" in card


def test_missing_classes_are_refused(export: Export, bare_store: Store) -> None:
    with refused(QueryError, "realdb ingest FOLDER", value="classes"):
        export("hf", "hf", store=bare_store)


def test_datasets_loads_it(
    export: Export, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = needs("datasets")
    path = export("hf", "hf")
    found = datasets.load_dataset(str(path), split="validation", cache_dir=str(tmp_path / "cache"))
    lists = json.loads((synthetic / "real.json").read_bytes())
    assert found["real_labels"][:] == lists
    original, real = found.features["original_label"], found.features["real_labels"].feature
    assert isinstance(original, datasets.ClassLabel)
    assert isinstance(real, datasets.ClassLabel)
    assert original.num_classes == real.num_classes == 1000
    assert real.int2str(0).startswith("n")


def test_real_data(export: Export, real_store: Store, upstream: Path) -> None:
    table = pq.read_table(export("hf", "hf", store=real_store) / FILE)
    assert table["real_labels"].to_pylist() == json.loads((upstream / "real.json").read_bytes())
