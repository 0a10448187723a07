from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from connections import empty_connection
from hypothesis import given
from hypothesis import strategies as st

from realdb.api import choices
from realdb.errors import DataError, RealdbWarning, UsageError
from realdb.ingest import predictions
from realdb.ingest.options import RANKS
from realdb.ingest.ranks import ORDERS
from realdb.schema.tables import create_table

Row = tuple[int, int, int, float | None]


def read(con: duckdb.DuckDBPyConnection, table: Any, **options: Any) -> list[Row]:
    predictions.add(con, table, **options)
    return con.execute(
        "select image_id, rank, label, confidence from predictions order by image_id, rank"
    ).fetchall()


def lists(*images: tuple[list[int], list[float] | None]) -> pa.Table:
    """Return images 1, 2, … with their labels and confidences in cells."""
    held: dict[str, Any] = {"image": list(range(1, len(images) + 1))}
    held["label"] = [labels for labels, _ in images]
    if images[0][1] is not None:
        held["score"] = [scores for _, scores in images]
    return pa.table(held)


def test_confidence_that_rises_with_rank(refuse: Callable[..., DataError]) -> None:
    error = refuse(lists(([7, 8, 9], [0.6, 0.3, 0.1]), ([7, 8, 9], [0.2, 0.5, 0.3])))
    assert (error.column, error.count, error.value) == ("rank", 1, "2")
    assert error.parameter == "ranks"
    assert "by-confidence" in str(error)
    assert "1 of 2 images" in str(error)


def test_a_rise_by_rounding_is_ignored(predictions_table: duckdb.DuckDBPyConnection) -> None:
    below = np.nextafter(np.float32(0.3), np.float32(0)).item()
    assert len(read(predictions_table, lists(([7, 8], [below, 0.3])))) == 2


@pytest.mark.parametrize("ranks", ["by-confidence", "reversed"])
def test_ranks_are_corrected(ranks: str, predictions_table: duckdb.DuckDBPyConnection) -> None:
    found = read(
        predictions_table, lists(([7, 8, 9], [0.1, 0.3, 0.6]), ([1, 2], [0.2, 0.5])), ranks=ranks
    )
    assert [row[:3] for row in found] == [(1, 1, 9), (1, 2, 8), (1, 3, 7), (2, 1, 2), (2, 2, 1)]


def test_ranks_as_written(predictions_table: duckdb.DuckDBPyConnection) -> None:
    """A distance is lower if the model is more certain."""
    found = read(predictions_table, lists(([7, 8], [0.1, 0.3])), ranks="as-written")
    assert [row[:3] for row in found] == [(1, 1, 7), (1, 2, 8)]


def test_equal_confidences_keep_their_order(predictions_table: duckdb.DuckDBPyConnection) -> None:
    found = read(predictions_table, lists(([7, 8, 9], [0.1, 0.5, 0.5])), ranks="by-confidence")
    assert [label for _, _, label, _ in found] == [8, 9, 7]


def test_ranks_by_confidences_that_are_missing(refuse: Callable[..., DataError]) -> None:
    error = refuse(lists(([7, 8], None)), ranks="by-confidence")
    assert (error.column, error.count, error.parameter) == ("confidence", 2, "ranks")


def test_command_line_and_library_have_the_same_choices() -> None:
    assert get_args(choices.Ranks) == RANKS
    assert {"as-written", *ORDERS} == {*RANKS}


def test_an_unknown_ranks_option_is_refused(predictions_table: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError) as caught:
        predictions.add(predictions_table, {1: 2}, ranks="best")
    assert (caught.value.parameter, caught.value.value) == ("ranks", "best")


def test_a_row_per_rank_without_ranks(
    predictions_table: duckdb.DuckDBPyConnection, refuse: Callable[..., DataError]
) -> None:
    table = pa.table({"image": [1, 1, 2, 2], "label": [5, 6, 7, 8], "score": [0.2, 0.7, 0.6, 0.1]})
    error = refuse(table)
    assert (error.parameter, error.count, error.row) == ("ranks", 2, 1)
    found = read(predictions_table, table, ranks="by-confidence")
    assert [row[:3] for row in found] == [(1, 1, 6), (1, 2, 5), (2, 1, 7), (2, 2, 8)]


def test_repeats_are_left_out(
    predictions_table: duckdb.DuckDBPyConnection, refuse: Callable[..., DataError]
) -> None:
    """A distributed sampler repeats the first images, to give each process as many."""
    table = pa.table({"image": [3, 1, 2, 3, 1], "label": [5, 6, 7, 5, 6]})
    error = refuse(table)
    assert (error.parameter, error.count, error.row) == ("drop_repeats", 2, 2)
    assert "2 rows" in str(error)
    with pytest.warns(RealdbWarning, match="2 rows"):
        found = read(predictions_table, table, drop_repeats=True)
    assert [row[:3] for row in found] == [(1, 1, 6), (2, 1, 7), (3, 1, 5)]


def test_repeats_with_other_labels_are_still_refused(refuse: Callable[..., DataError]) -> None:
    table = pa.table({"image": [9, 1, 1, 2, 2], "label": [4, 6, 6, 7, 8]})
    error = refuse(table)
    assert (error.parameter, error.count) == (None, 2)
    error = refuse(table, drop_repeats=True)
    assert (error.count, error.value, error.row) == (1, "2", 4), "row 3 was dropped, and counts"


def test_a_later_rank_that_is_right_more_often(
    predictions_table: duckdb.DuckDBPyConnection,
) -> None:
    predictions_table.execute(
        """
        create table images as
        select
            cast(range as integer) as image_id,
            cast(range % 900 as smallint) as original_label,
            true as is_rated
        from range(1, 1001)
        """
    )
    truth = [image % 900 for image in range(1, 1001)]
    labels = [[(t + 1) % 1000, t] if i % 2 else [t, (t + 1) % 1000] for i, t in enumerate(truth)]
    table = {"image": list(range(1, 1001)), "label": labels}
    assert predictions.add(predictions_table, pa.table(table), model="as often") == ["as often"]
    table["label"] = [[(t + 1) % 1000, t] for t in truth]
    with pytest.warns(RealdbWarning, match=r"rank 2 .*100\.0%.*rank 1 .*0\.0%"):
        predictions.add(predictions_table, pa.table(table), model="reversed")
    table["label"] = [labels[::-1] for labels in table["label"]]
    predictions.add(predictions_table, pa.table(table), model="sound")
    table["score"] = [[0.1, 0.9]] * 1000
    with pytest.raises(DataError, match=r"100\.0%.*0\.0%") as caught:
        predictions.add(predictions_table, pa.table(table), model="a distance")
    assert "as-written" in str(caught.value), "by confidence it would be wrong"
    assert "by-confidence" not in str(caught.value)


def test_files_of_one_model(predictions_table: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    parts = []
    for part in range(3):
        parts.append(tmp_path / f"preds_rank{part}.csv")
        parts[-1].write_text(f"image,label\n{part + 1},{part + 5}\n9,4\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        predictions.add(predictions_table, tuple(parts), model="m")
    assert (caught.value.parameter, caught.value.count) == ("drop_repeats", 1)
    with pytest.warns(RealdbWarning, match="2 rows"):
        predictions.add(predictions_table, tuple(parts), model="m", drop_repeats=True)
    found = predictions_table.execute("select image_id, label from predictions order by all")
    assert found.fetchall() == [(1, 5), (2, 6), (3, 7), (9, 4)]
    parts[0].write_text("image,label\n9,5\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        predictions.add(predictions_table, tuple(parts), model="other")
    assert caught.value.parameter == "model"


_CHOICES = st.lists(
    st.tuples(st.integers(0, 999), st.floats(-10, 10, width=32)),
    min_size=1,
    max_size=6,
    unique_by=lambda choice: choice[0],
)


@given(images=st.lists(_CHOICES, min_size=1, max_size=5))
def test_sorted_or_refused(images: list[list[tuple[int, float]]]) -> None:
    """Ranks are accepted only if confidence falls. By confidence they match Python's sort."""
    table = lists(
        *(([label for label, _ in image], [score for _, score in image]) for image in images)
    )
    is_falling = all(
        one[1] >= other[1] - 1e-6 * max(abs(one[1]), abs(other[1]))
        for image in images
        for one, other in itertools.pairwise(image)
    )
    with empty_connection() as con:
        create_table(con, "predictions")
        try:
            found = read(con, table)
        except DataError as error:
            assert not is_falling
            assert error.parameter == "ranks"
            found = read(con, table, ranks="by-confidence")
            expected = [sorted(image, key=lambda choice: -choice[1]) for image in images]
        else:
            assert is_falling
            expected = images
    assert [(image, label) for image, _, label, _ in found] == [
        (number, label) for number, image in enumerate(expected, 1) for label, _ in image
    ]
