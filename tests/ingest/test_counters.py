"""Running numbers of the rows under the names of labels and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from realdb.errors import DataError
from realdb.ingest import predictions

ROWS = 60


@pytest.fixture
def con(predictions_table: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a connection with original labels."""
    predictions_table.execute(
        "create table images as select i::integer as image_id, (i * 7 % 1000)::smallint as "
        "original_label, true as is_rated from range(1, 50001) as images (i)"
    )
    return predictions_table


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("rows", [ROWS, 2000])
def test_labels_that_count(start: int, rows: int, refuse: Callable[..., DataError]) -> None:
    images = np.random.default_rng(1).permutation(np.arange(1, 50_001))[:rows]
    error = refuse(pa.table({"image": images, "label": np.arange(rows) + start}))
    assert (error.column, error.value, error.count) == ("label", str(start), rows)
    assert error.parameter == "columns"


def table(labels: Any, image: str = "image_id", images: Any = None) -> pa.Table:
    numbers = np.arange(1, ROWS + 1) if images is None else images
    return pa.table({image: numbers, "label": labels})


def test_images_that_count(con: duckdb.DuckDBPyConnection) -> None:
    numbers = np.arange(1, ROWS + 1)
    right = numbers * 7 % 1000
    with pytest.raises(DataError) as caught:
        predictions.add(con, table(right[::-1]), model="shuffled")
    error = caught.value
    assert (error.column, error.value, error.count) == ("image", "image_id", ROWS)
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in numbers]
    mostly = np.where(numbers % 3 == 0, 5, right)
    assert predictions.add(con, table(mostly), model="in order") == ["in order"]
    assert predictions.add(con, table(right[::-1], images=names), model="names") == ["names"]
    chosen = {"image": "image_id"}
    assert predictions.add(con, table(right[::-1]), model="a", columns=chosen) == ["a"]


def test_few_rows_may_count(predictions_table: duckdb.DuckDBPyConnection) -> None:
    few = pa.table({"image": [1, 2, 3], "label": [0, 1, 2]})
    assert predictions.add(predictions_table, few, model="few") == ["few"]
