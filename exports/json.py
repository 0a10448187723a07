"""JSON: one array with an object a row. NaN and the infinities, unknown to JSON, become null."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from . import Export

if TYPE_CHECKING:
    import duckdb

_ROWS = 10_000


def write(export: Export) -> int:
    """Write the rows as UTF-8; return how many."""
    return write_rows(export.asked, export.path)


def write_rows(rows: duckdb.DuckDBPyRelation, path: Path) -> int:
    """Write rows as one array, an object a line; return how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for text in objects(rows):
            file.write(f",\n{text}" if count else f"\n{text}")
            count += 1
        file.write("\n]\n")
    return count


def count(path: Path) -> int:
    """Count the objects of the file at `path`."""
    import json

    return len(json.loads(path.read_text(encoding="utf-8")))


def objects(rows: duckdb.DuckDBPyRelation) -> Iterator[str]:
    """Yield each row as the text of an object, on one line."""
    import duckdb

    columns = [duckdb.ColumnExpression(name) for name in rows.columns]
    finite = [
        duckdb.CaseExpression(duckdb.FunctionExpression("isfinite", column), column).alias(name)
        if str(kind) in ("FLOAT", "DOUBLE")
        else column
        for name, column, kind in zip(rows.columns, columns, rows.types, strict=True)
    ]
    # A column of this name would hide the row.
    row = "whole_row"
    while row in map(str.lower, rows.columns):
        row += "_"
    texts = rows.select(*finite).set_alias(row).project(f"to_json({row})")
    few = texts.limit(_ROWS + 1).fetchall()
    if len(few) <= _ROWS:  # without pyarrow, whose import takes longer than most answers
        yield from (text for (text,) in few)
        return
    for batch in texts.to_arrow_reader(_ROWS):
        yield from batch.column(0).to_pylist()
