"""Text, comma-separated, with a header line: NULL is an empty cell, an empty text is "" in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import Export

if TYPE_CHECKING:
    import duckdb


def write(export: Export, *, delimiter: str = ",") -> int:
    """Write the rows as UTF-8, with `delimiter` between the cells; return how many."""
    write_rows(export.asked, export.path, delimiter=delimiter)
    ((rows,),) = export.asked.count("*").fetchall()
    return int(rows)


def write_rows(rows: duckdb.DuckDBPyRelation, path: Path, *, delimiter: str = ",") -> None:
    """Write rows to `path`."""
    rows.write_csv(str(path), sep=delimiter, header=True)
