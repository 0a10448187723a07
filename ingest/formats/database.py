"""Read a table in another DuckDB database file: FILE::TABLE.

Only base tables are read, and external access is disabled: a view in an untrusted file would run
its SQL here, and could read other files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ...schema import quoting
from ...store import store
from .. import columns
from ..options import ReadOptions

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read TABLE, or the only table of the file, which is opened read-only.

    Raises DataError if there is no such table, or several tables and no TABLE.
    """
    import duckdb

    file, _, name = str(path).partition("::")
    with duckdb.connect() as other:
        try:
            # Attached instead of opened, so that macros of the file cannot replace functions.
            other.execute(f"attach {quoting.literal(file)} as theirs (type duckdb, read_only)")
        except duckdb.Error as error:
            raise DataError(
                f"{file} cannot be opened: {str(error).splitlines()[0]}", file=path
            ) from None
        store.lock(other, [])
        tables = _names(other, "select table_name from duckdb_tables()")
        if name in _names(other, "select view_name from duckdb_views()"):
            raise DataError(
                f"{name!r} is a view in {file}, but realdb reads only base tables",
                file=path,
                value=name,
                remedy="Save its rows as a table first: create table NAME as from VIEW",
            )
        if name not in tables and (name or len(tables) != 1):
            raise DataError(
                f"{file} has {f'no table {name!r}' if name else f'{len(tables)} tables'}",
                file=path,
                value=name or None,
                count=len(tables),
                remedy=f"Pass {file}::TABLE with one of its tables: "
                f"{', '.join(tables) or '(none)'}",
            )
        try:
            rows = other.sql(f"from theirs.main.{quoting.identifier(name or tables[0])}")
            # Copied into memory, so that the file can be closed.
            held = columns.select(other, rows, str(path), options).to_arrow_table()
        except duckdb.Error as error:
            raise DataError(
                f"{path} cannot be read: {str(error).splitlines()[0]}", file=path
            ) from None
    return con.from_arrow(held)


def _names(other: duckdb.DuckDBPyConnection, select: str) -> list[str]:
    where = "where database_name = 'theirs' and schema_name = 'main' and not internal"
    return [name for (name,) in other.execute(f"{select} {where} order by all").fetchall()]
