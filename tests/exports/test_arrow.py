from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from realdb.store.store import Store

Awkward = tuple[str, list[str], list[tuple[Any, ...]]]


def read(path: Path) -> pa.Table:
    opener = pa.ipc.open_stream if path.suffix == ".arrows" else pa.ipc.open_file
    with pa.OSFile(str(path)) as file:
        return opener(file).read_all()


@pytest.mark.parametrize("name", ["o u't.arrow", "out.arrows", "out.feather"])
def test_rows_come_back(export: Callable[..., Path], awkward: Awkward, name: str) -> None:
    query, columns, rows = awkward
    found = read(export(query, name))
    assert found.column_names == columns
    assert list(zip(*found.to_pydict().values(), strict=True)) == rows


def test_a_view_keeps_its_descriptions(export: Callable[..., Path], synthetic_store: Store) -> None:
    found = read(export("rated", "out.arrow"))
    rows = synthetic_store.connect().execute("select image_id from images where is_rated")
    assert found["image_id"].to_pylist() == sorted(image for (image,) in rows.fetchall())
    assert found.schema.field("image_id").metadata == {b"description": b"the image"}
    assert found.schema.metadata[b"realdb_build"].decode() == synthetic_store.build_id


def test_an_empty_result_keeps_its_schema(export: Callable[..., Path]) -> None:
    found = read(export("labels", "out.arrow", where="false"))
    assert found.num_rows == 0
    assert found.column_names == ["image_id", "label", "position"]
