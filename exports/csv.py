"""Text, comma-separated, with a header line: NULL is an empty cell, an empty text is "" in it."""

from __future__ import annotations

from ..schema import quoting
from . import Export


def write(export: Export) -> int:
    """Write the rows as UTF-8; return how many."""
    return separated(export, ",")


def separated(export: Export, delimiter: str) -> int:
    """Write the rows with `delimiter` between the cells; return how many."""
    ((rows,),) = export.con.execute(
        f"""
        copy (from exported) to {quoting.literal(str(export.path))}
        (format csv, header, delimiter {quoting.literal(delimiter)})
        """
    ).fetchall()
    return int(rows)
