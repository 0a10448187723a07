"""Parquet, one row a prediction."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

from ...errors import DataError
from ...schema import quoting
from . import Told, columns

if TYPE_CHECKING:
    import duckdb


def read(con: duckdb.DuckDBPyConnection, path: Path, told: Told) -> duckdb.DuckDBPyRelation:
    """Read the file's columns as they are. Raises DataError where it is damaged."""
    return select(con, quoting.one_file(path), path, str(path), told)


def select(
    con: duckdb.DuckDBPyConnection, pattern: str, file: Path | IO[bytes], where: str, told: Told
) -> duckdb.DuckDBPyRelation:
    """Return the columns of GIVEN out of the Parquet `file`, which is `pattern` to DuckDB."""
    import duckdb
    import pyarrow.parquet as pq

    try:
        # A folder called model=x above the file is no column.
        table = con.read_parquet(pattern, hive_partitioning=False)
    except duckdb.Error as error:
        raise DataError(f"{where} is damaged: {str(error).splitlines()[0]}") from None
    columns.require_distinct(pq.read_schema(file).names, where)
    return columns.select(con, table, where, told.columns)
