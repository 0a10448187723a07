"""Rows as lines of text. DuckDB formats them, and Python writes them.

This also works with a connection that cannot write files (see api/session.py). The rows are
streamed: a pipe receives the first row before the last is computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# Characters that a terminal interprets instead of showing: control characters, direction marks,
# other line ends, and surrogates.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# The number of lines in a batch from DuckDB to Python.
_BATCH = 10_000


def visible(text: str) -> str:
    r"""Return text that is safe on a terminal: ESC becomes \x1b. Keep tabs and newlines."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def visible_cell(text: str) -> str:
    r"""Return text as one line that is safe to print: a newline becomes \n, a tab \t."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def batches(rows: duckdb.DuckDBPyRelation, line: str) -> Iterator[list[str]]:
    """Yield lists of lines: the values of the SQL expression `line` for the rows.

    `line` refers to columns by position (#1, #2, …), because names may be repeated.
    """
    lines = rows.project(line)
    few = lines.limit(_BATCH + 1).fetchall()
    if len(few) <= _BATCH:  # without pyarrow: its import takes longer than most queries
        yield [text for (text,) in few]
        return
    for batch in arrow_batches(lines.to_arrow_reader(_BATCH)):
        yield batch.column(0).to_pylist()


def arrow_batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a result; duckdb.Error if the query fails while it runs.

    pyarrow raises an OSError in this case.
    """
    import duckdb

    try:
        yield from reader
    except OSError as error:
        raise duckdb.Error(str(error)) from None
