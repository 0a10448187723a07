from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq

import realdb
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


def test_the_file_says_what_it_is(export: Callable[..., Path], synthetic_store: Store) -> None:
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


def test_partitions(export: Callable[..., Path], synthetic_store: Store) -> None:
    folder = export("rated", "parts", format="parquet", partition_by="label_count")
    found = ds.dataset(folder, partitioning="hive").to_table()
    con = synthetic_store.connect()
    rows = con.execute("select image_id from images where is_rated").fetchall()
    assert sorted(found["image_id"].to_pylist()) == sorted(image for (image,) in rows)
    assert {path.name for path in folder.iterdir()} == {
        "_realdb.json",
        *(f"label_count={count}" for count in set(found["label_count"].to_pylist())),
    }
    assert json.loads((folder / "_realdb.json").read_text())["realdb_query"]


def test_a_column_to_partition_by_that_is_not_there(export: Callable[..., Path]) -> None:
    with refused(DataError, "image_id,", parameter="partition_by", column="nope", value="nope"):
        export("rated", "parts", format="parquet", partition_by="nope")
