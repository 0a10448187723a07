"""A table or view in another DuckDB database file: FILE::TABLE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ...schema import quoting
from . import ReadOptions, columns

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read the only table of the file, or TABLE; the file is opened to be read only.

    Raises DataError where there is no such table, or several where none is named.
    """
    import duckdb

    file, _, name = str(path).partition("::")
    try:
        other = duckdb.connect(file, read_only=True)
    except duckdb.Error as error:
        raise DataError(
            f"{file} cannot be opened: {str(error).splitlines()[0]}",
            file=file,
        ) from None
    with other:
        tables = [
            table
            for (table,) in other.execute(
                "select table_name from information_schema.tables order by all"
            ).fetchall()
        ]
        if name not in tables and (name or len(tables) != 1):
            raise DataError(
                f"{file} has {f'no table {name!r}' if name else f'{len(tables)} tables'}",
                file=file,
                remedy=f"Name one of its tables: {file}::TABLE, with "
                f"{', '.join(tables) or '(none)'}",
            )
        try:
            given = other.sql(f"from {quoting.identifier(name or tables[0])}")
            # Copied into memory, so that nothing of the file stays open.
            held = columns.select(other, given, str(path), options.columns).to_arrow_table()
        except duckdb.Error as error:
            raise DataError(
                f"{path} cannot be read: {str(error).splitlines()[0]}",
                file=path,
            ) from None
    return con.from_arrow(held)
