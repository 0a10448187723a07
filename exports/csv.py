"""CSV with a header line. NULL is an empty cell, and an empty text is ""."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..schema import quoting
from . import lines

if TYPE_CHECKING:
    import duckdb

    from .registry import Export

# Types whose text is never empty, and has no delimiter or quotes.
_BARE = {
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "DATE", "TIMESTAMP"),
}


def write(export: Export, *, delimiter: str = ",") -> int:
    """Write the rows as UTF-8, with `delimiter` between the cells; return their number."""
    rows = -1  # the header
    with export.path.open("w", encoding="utf-8", newline="\n") as file:
        for batch in batches(export.asked, delimiter):
            file.write("".join(f"{line}\n" for line in batch))
            rows += len(batch)
    return rows


def batches(rows: duckdb.DuckDBPyRelation, delimiter: str = ",") -> Iterator[list[str]]:
    """Yield lists of lines: the header, then the rows."""
    header = delimiter.join(_cell(name, delimiter) for name in rows.columns)
    special = quoting.literal(f'[{delimiter}"\n\r]')
    cells = [
        # These types need no quotes. This is three times as fast for results of few rows.
        f"coalesce(#{place}::varchar, '')"
        if str(kind) in _BARE
        else f"""
        case
            when #{place} is null then ''
            when #{place}::varchar = '' or regexp_matches(#{place}::varchar, {special})
                then '"' || replace(#{place}::varchar, '"', '""') || '"'
            else #{place}::varchar
        end
        """
        for place, kind in enumerate(rows.types, 1)
    ]
    # The header comes with the first rows, so a query that fails earlier prints nothing.
    start = [header]
    for batch in lines.batches(
        rows, f"concat_ws({quoting.literal(delimiter)}, {', '.join(cells)})"
    ):
        yield start + batch
        start = []


def _cell(text: str, delimiter: str) -> str:
    needs_quotes = not text or any(mark in text for mark in (delimiter, '"', "\n", "\r"))
    return '"' + text.replace('"', '""') + '"' if needs_quotes else text
