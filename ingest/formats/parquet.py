"""Parquet, one row a prediction."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ...errors import DataError
from ...schema import quoting
from .. import columns
from ..options import ReadOptions

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read the file's columns as they are. Raises DataError if it is damaged."""
    return select(con, quoting.one_file(path), path, str(path), options)


def select(
    con: duckdb.DuckDBPyConnection,
    pattern: str,
    file: Path | IO[bytes],
    where: str,
    options: ReadOptions,
) -> duckdb.DuckDBPyRelation:
    """Return the columns of ROLES out of the Parquet `file`, which is `pattern` to DuckDB."""
    import duckdb

    try:
        # A folder called model=x above the file is no column.
        table = con.read_parquet(pattern, hive_partitioning=False)
    except duckdb.Error as error:
        raise DataError(f"{where} is damaged: {str(error).splitlines()[0]}", file=where) from None
    # DuckDB calls a second `label` label_1. Only beside such a name is it worth the time to import
    # pyarrow, which is longer than all the rest takes, and to ask it for the names in the file.
    names = {"", *(name.lower() for name in table.columns)}
    if any(re.sub(r"_\d+$", "", name) in names - {name} for name in names):
        import pyarrow.parquet as pq

        columns.require_distinct(pq.read_schema(file).names, where)
    return columns.select(con, table, where, options)
