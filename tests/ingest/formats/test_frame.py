from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from needs import late
from realdb.errors import DataError, UsageError
from realdb.ingest import predictions

pd, pl = late("pandas"), late("polars")

NAMES = [f"ILSVRC2012_val_{image:08d}.JPEG" for image in (293, 2138, 7)]
COLUMNS = {"file_name": NAMES, "label": [394, 0, 999], "prob": [0.5, 0.25, 1.0]}
TAKEN = [(293, 1, 394, 0.5), (2138, 1, 0, 0.25), (7, 1, 999, 1.0)]


def rows(con: duckdb.DuckDBPyConnection) -> list[Any]:
    return con.execute("select image_id, rank, label, confidence from predictions").fetchall()


# The remedy for a repeated prediction.
REPEATED = {"parameter": "drop_repeats"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: pa.table(COLUMNS),
        lambda: pa.table(COLUMNS).to_batches()[0],
        lambda: pd.DataFrame(COLUMNS),
        lambda: pd.DataFrame(COLUMNS).astype({"file_name": "category", "label": "uint16"}),
        lambda: pd.DataFrame(COLUMNS).set_index("file_name"),
        lambda: pl.DataFrame(COLUMNS),
    ],
    ids=["Arrow", "Arrow batch", "pandas", "pandas, other types", "pandas' index", "Polars"],
)
def test_the_same_rows_as_the_csv(
    make: Callable[[], Any], tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    assert predictions.add(predictions_table, make()) == ["predictions"]
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *zip(*COLUMNS.values(), strict=True)])
    assert predictions.add(predictions_table, tmp_path / "a.csv") == ["a"]
    assert rows(predictions_table) == TAKEN * 2


def test_a_stream_of_batches(predictions_table: duckdb.DuckDBPyConnection) -> None:
    """A stream can be read only once."""
    predictions.add(predictions_table, pa.table(COLUMNS).to_reader())
    assert rows(predictions_table) == TAKEN


@pytest.mark.parametrize(
    "source",
    [
        dict(zip(NAMES, [394, 0, 999], strict=True)),
        dict(zip(map(Path, NAMES), ["394", "0", "999"], strict=True)),
        {293: 394, 2138: 0, 7: 999},
        {np.int64(293): np.int16(394), np.int64(2138): np.float32(0), np.int64(7): 999.0},
    ],
    ids=["names", "paths", "numbers", "NumPy's numbers"],
)
def test_a_dict(source: dict[Any, Any], predictions_table: duckdb.DuckDBPyConnection) -> None:
    assert predictions.add(predictions_table, source, model="mine") == ["mine"]
    assert rows(predictions_table) == [(*row[:3], None) for row in TAKEN]


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        ({}, {"count": 0}),
        ({1: 3, 2: None}, {"row": 2, "column": "label", "value": "None", "count": 1}),
        ({1: 3, 2: True}, {"row": 2, "column": "label", "value": "True", "count": 1}),
        ({0: 3, 1: 3}, {"row": 1, "column": "image", "value": "0", "count": 1}),
        ({1: 3, "1": 3}, {"row": 1, "column": "image", "value": "1", "count": 1, **REPEATED}),
        (lambda: pd.Series([1, 2]), {"parameter": "predictions"}),
        (
            lambda: pd.DataFrame([[1, 2, 3]], columns=["image", "label", "label"]),
            {"parameter": "predictions"},
        ),
        (
            lambda: pl.DataFrame({"image": [1], "label": [2], "Label": [3]}),
            {"column": "label", "count": 2},
        ),
        (
            pa.table({"image": [1, 2], "label": [1, None]}),
            {"row": 2, "column": "label", "count": 1},
        ),
    ],
    ids=["empty", "None", "bool", "from 0", "twice", "a series", "pandas", "Polars", "Arrow"],
)
def test_refused(source: Any, fields: dict[str, object], refuse: Callable[..., DataError]) -> None:
    error = refuse(source() if callable(source) else source)
    for name in ("file", "row", "column", "value", "count", "parameter"):
        assert getattr(error, name) == fields.get(name)


@pytest.mark.parametrize(
    "source",
    [None, [1, 2], 394, np.float64(1), lambda: pl.LazyFrame(COLUMNS)],
    ids=["None", "list", "int", "float64", "LazyFrame"],
)
def test_other_objects_are_refused(
    source: Any, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    source = source() if callable(source) else source
    with pytest.raises(UsageError) as caught:
        predictions.add(predictions_table, source)
    assert (caught.value.parameter, caught.value.value) == ("predictions", type(source).__name__)


def test_the_table_is_only_read(predictions_table: duckdb.DuckDBPyConnection) -> None:
    frame = pd.DataFrame(COLUMNS)
    predictions.add(predictions_table, frame)
    assert frame.equals(pd.DataFrame(COLUMNS))
