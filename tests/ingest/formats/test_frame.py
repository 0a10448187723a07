from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from realdb.errors import UsageError
from realdb.ingest import predictions

NAMES = [f"ILSVRC2012_val_{image:08d}.JPEG" for image in (293, 2138, 7)]
COLUMNS = {"file_name": NAMES, "label": [394, 0, 999], "prob": [0.5, 0.25, 1.0]}
TAKEN = [(293, 1, 394, 0.5), (2138, 1, 0, 0.25), (7, 1, 999, 1.0)]


def rows(con: duckdb.DuckDBPyConnection) -> list[Any]:
    return con.execute("select image_id, rank, label, confidence from predictions").fetchall()


@pytest.mark.parametrize(
    "table",
    [
        pa.table(COLUMNS),
        pa.table(COLUMNS).to_batches()[0],
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS).astype({"file_name": "category", "label": "uint16"}),
        pd.DataFrame(COLUMNS).set_index("file_name"),
        pl.DataFrame(COLUMNS),
    ],
    ids=["Arrow", "Arrow batch", "pandas", "pandas, other types", "pandas' index", "Polars"],
)
def test_the_same_rows_as_the_csv(
    table: Any, tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    assert predictions.add(predictions_table, table) == ["predictions"]
    pd.DataFrame(COLUMNS).to_csv(tmp_path / "a.csv", index=False)
    assert predictions.add(predictions_table, tmp_path / "a.csv") == ["a"]
    assert rows(predictions_table) == TAKEN * 2


def test_a_stream_of_batches(predictions_table: duckdb.DuckDBPyConnection) -> None:
    """It can be read only once."""
    predictions.add(predictions_table, pa.table(COLUMNS).to_reader())
    assert rows(predictions_table) == TAKEN


@pytest.mark.parametrize(
    "given",
    [
        dict(zip(NAMES, [394, 0, 999], strict=True)),
        dict(zip(map(Path, NAMES), ["394", "0", "999"], strict=True)),
        {293: 394, 2138: 0, 7: 999},
        {np.int64(293): np.int16(394), np.int64(2138): np.float32(0), np.int64(7): 999.0},
    ],
    ids=["names", "paths", "numbers", "NumPy's numbers"],
)
def test_a_dict(given: dict[Any, Any], predictions_table: duckdb.DuckDBPyConnection) -> None:
    assert predictions.add(predictions_table, given, model="mine") == ["mine"]
    assert rows(predictions_table) == [(*row[:3], None) for row in TAKEN]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "the dict has no rows"),
        ({1: 3, 2: None}, "the dict: 1 of 2 rows have no usable label: 'None' in row 2"),
        ({1: 3, 2: True}, "'True' in row 2"),
        ({0: 3, 1: 3}, "no usable image: '0' in row 1"),
        ({1: 3, "1": 3}, "1 images stand more than once"),
        (pd.Series([1, 2]), "the table cannot be read"),
        (pd.DataFrame([[1, 2, 3]], columns=["image", "label", "label"]), "the table cannot be"),
        (pl.DataFrame({"image": [1], "label": [2], "Label": [3]}), "columns of the same name"),
        (pa.table({"image": [1, 2], "label": [1, None]}), "no usable label: nothing in row 2"),
    ],
    ids=["empty", "None", "bool", "from 0", "twice", "a series", "pandas", "Polars", "Arrow"],
)
def test_refused(given: Any, said: str, refuse: Callable[..., str]) -> None:
    assert said in refuse(given)


@pytest.mark.parametrize(
    "given",
    [None, [1, 2], 394, np.float64(1), pl.LazyFrame(COLUMNS)],
    ids=lambda given: type(given).__name__,
)
def test_what_predictions_cannot_be(
    given: Any, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(UsageError, match=f"cannot be a {type(given).__name__}: give a path, an A"):
        predictions.add(predictions_table, given)


def test_the_table_is_only_read(predictions_table: duckdb.DuckDBPyConnection) -> None:
    frame = pd.DataFrame(COLUMNS)
    predictions.add(predictions_table, frame)
    assert frame.equals(pd.DataFrame(COLUMNS))
