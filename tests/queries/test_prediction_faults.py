"""The faults of predictions that another engine reads in place."""

from __future__ import annotations

import duckdb
import pytest

from realdb.queries import dialects

SOUND = [("a", 1, 1, 7, 0.5), ("a", 1, 2, 8, None), ("a", 2, 1, 7, 0.5), ("a", 50_000, 1, 0, 1.0)]
NAN = float("nan")


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    # Without the checks of realdb's own table.
    con.execute(
        "create table predictions (model varchar, image_id integer, rank integer, label integer, "
        "confidence double)"
    )
    return con


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], (0, 0, 0)),
        ([("a", 0, 1, 7, 0.5)], (0, 1, 0)),
        ([("a", -5, 1, 7, 0.5)], (0, 1, 0)),
        ([("a", 50_001, 1, 7, 0.5), ("a", 50_001, 1, 7, 0.5)], (0, 2, 0)),
        ([("a", None, 1, 7, 0.5)], (1, 0, 0)),
        ([("a", 3, None, 7, 0.5), ("a", 4, 1, None, 0.5)], (2, 0, 0)),
        ([("a", 3, 0, 7, 0.5), ("a", 3, 1, 1000, 0.5), ("a", 4, 1, -1, 0.5)], (0, 3, 0)),
        ([("a", 3, 1, 7, NAN)], (0, 1, 0)),
        ([("a", 2, 1, 9, 0.5)], (0, 0, 1)),
        ([("a", 1, 2, 9, 0.5), ("a", 31, 2, 9, 0.5)], (0, 0, 1)),
        ([("a", 50_000, 1, 9, 0.5)] * 3, (0, 0, 3)),
    ],
)
def test_each_fault_is_counted_once(
    rows: list[tuple[object, ...]], expected: tuple[int, int, int], con: duckdb.DuckDBPyConnection
) -> None:
    con.executemany("insert into predictions values ($1, $2, $3, $4, $5)", SOUND + rows)
    ((model, *faults, ranks),) = con.execute(dialects.prediction_faults()).fetchall()
    assert (model, tuple(faults), ranks) == ("a", expected, 2)
