"""JSON, an object a line. NaN and the infinities, which JSON has no word for, become null."""

from __future__ import annotations

from pathlib import Path

from ..schema import quoting
from . import Export


def write(export: Export) -> int:
    """Write the rows as UTF-8; return how many."""
    import duckdb

    columns = [duckdb.ColumnExpression(name) for name in export.asked.columns]
    kinds = map(str, export.asked.types)
    finite = [
        duckdb.CaseExpression(duckdb.FunctionExpression("isfinite", column), column).alias(name)
        if kind in ("FLOAT", "DOUBLE")
        else column
        for name, column, kind in zip(export.asked.columns, columns, kinds, strict=True)
    ]
    export.asked.select(*finite).create_view("finite")
    ((rows,),) = export.con.execute(
        f"copy (from finite) to {quoting.literal(str(export.path))} (format json)"
    ).fetchall()
    return int(rows)


def count(path: Path) -> int:
    """Count the lines of the file at `path`."""
    with path.open("rb") as file:
        return sum(1 for _ in file)
