"""Read Parquet."""

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
    """Read the predictions in the file. Raises DataError if it is damaged."""
    return select(con, quoting.one_file(path), path, str(path), options)


def select(
    con: duckdb.DuckDBPyConnection,
    pattern: str,
    file: Path | IO[bytes],
    where: str,
    options: ReadOptions,
) -> duckdb.DuckDBPyRelation:
    """Return the columns of ROLES from the Parquet `file`; `pattern` is its path for DuckDB."""
    import duckdb

    try:
        # A parent folder such as model=x must not become a column.
        table = con.read_parquet(pattern, hive_partitioning=False)
    except duckdb.Error as error:
        raise DataError(f"{where} is damaged: {str(error).splitlines()[0]}", file=where) from None
    # DuckDB renames a second `label` to label_1. pyarrow knows the real names, but its import takes
    # more time than everything else, so it is used only if there is such a name.
    names = {"", *(name.lower() for name in table.columns)}
    if any(re.sub(r"_\d+$", "", name) in names - {name} for name in names):
        import pyarrow.parquet as pq

        columns.require_distinct(pq.read_schema(file).names, where)
    return columns.select(con, table, where, options)
