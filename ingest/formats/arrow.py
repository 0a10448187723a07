"""Read Arrow IPC: files (including Feather) and streams."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from .. import columns
from ..options import ReadOptions

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read the predictions in the file. Raises DataError if it is damaged."""
    return select(con, load(path), str(path), options)


def load(path: Path) -> pa.Table:
    """Return the table in the file. Raises DataError if it is damaged."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            is_file = source.read(6) == b"ARROW1"
            source.seek(0)
            if is_file:
                table = pa.ipc.open_file(source).read_all()
            else:
                table = pa.ipc.open_stream(source).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is damaged: {str(error).splitlines()[0]}", file=path) from None
    return table


def select(
    con: duckdb.DuckDBPyConnection, table: pa.Table, where: str, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Return the columns of ROLES from an Arrow table."""
    columns.require_distinct(table.column_names, where)
    return columns.select(con, con.from_arrow(table), where, options)
