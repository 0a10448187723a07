"""Rows as lines of text, which DuckDB makes and Python only passes on.

A connection that may write no file (see api/session.py) still gives its rows, and a pipe takes the
first of them before the last is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

# So many lines go from DuckDB to Python at a time.
_BATCH = 10_000


def batches(rows: duckdb.DuckDBPyRelation, line: str) -> Iterator[list[str]]:
    """Yield the lines that the SQL expression `line` makes of the rows, a list at a time.

    `line` names the columns by their places: #1, #2, … Names may be repeated.
    """
    lines = rows.project(line)
    few = lines.limit(_BATCH + 1).fetchall()
    if len(few) <= _BATCH:  # without pyarrow, whose import takes longer than most answers
        yield [text for (text,) in few]
        return
    for batch in lines.to_arrow_reader(_BATCH):
        yield batch.column(0).to_pylist()
