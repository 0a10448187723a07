"""Rows as lines of text, which DuckDB makes and Python only passes on.

A connection that may write no file (see api/session.py) still gives its rows, and a pipe takes the
first of them before the last is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# What a terminal obeys instead of showing it, or what turns the text around it: control characters,
# marks of direction, other line ends, and halves of characters.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# So many lines go from DuckDB to Python at a time.
_BATCH = 10_000


def visible(text: str) -> str:
    r"""Return text as a terminal may show it: ESC becomes \x1b. Tabs and newlines stay."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def visible_cell(text: str) -> str:
    r"""Return text as one line that a terminal may show: a newline becomes \n, a tab \t."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def batches(rows: duckdb.DuckDBPyRelation, line: str) -> Iterator[list[str]]:
    """Yield the lines that the SQL expression `line` makes of the rows, a list at a time.

    `line` names the columns by their places: #1, #2, … Names may be repeated.
    """
    lines = rows.project(line)
    few = lines.limit(_BATCH + 1).fetchall()
    if len(few) <= _BATCH:  # without pyarrow, whose import takes longer than most answers
        yield [text for (text,) in few]
        return
    for batch in arrow_batches(lines.to_arrow_reader(_BATCH)):
        yield batch.column(0).to_pylist()


def arrow_batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an answer; duckdb.Error where the query fails while it runs.

    pyarrow makes an OSError of that.
    """
    import duckdb

    try:
        yield from reader
    except OSError as error:
        raise duckdb.Error(str(error)) from None
