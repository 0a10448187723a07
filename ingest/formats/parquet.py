"""Parquet, one row a prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ...schema import quoting
from . import Told, columns

if TYPE_CHECKING:
    import duckdb


def read(con: duckdb.DuckDBPyConnection, path: Path, told: Told) -> duckdb.DuckDBPyRelation:
    """Read the file's columns as they are. Raises DataError where it is damaged."""
    import duckdb

    try:
        # A folder called model=x above the file is no column.
        table = con.read_parquet(quoting.one_file(path), hive_partitioning=False)
    except duckdb.Error as error:
        raise DataError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    import pyarrow.parquet as pq

    columns.require_distinct(pq.read_schema(path).names, str(path))
    return columns.select(con, table, str(path), told.columns)
