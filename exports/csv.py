"""Text, comma-separated, with a header line: NULL is an empty cell, an empty text is "" in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import Export

if TYPE_CHECKING:
    import duckdb


def write(export: Export) -> int:
    """Write the rows as UTF-8; return how many."""
    return write_rows(export.asked, export.path)


def write_rows(rows: duckdb.DuckDBPyRelation, path: Path, *, delimiter: str = ",") -> int:
    """Write rows with `delimiter` between the cells; return how many."""
    rows.write_csv(str(path), sep=delimiter, header=True)
    ((count,),) = rows.count("*").fetchall()
    return int(count)
