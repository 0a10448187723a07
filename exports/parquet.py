"""Parquet, compressed with zstd: one file, or a folder of them by the values of a column.

The notice is the file's key-value metadata, which every reader of Parquet shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from ..schema import quoting
from . import Export

if TYPE_CHECKING:
    import duckdb

_BATCH = 100_000


def write(export: Export) -> int:
    """Write the rows; return how many.

    With the option partition_by, a column, the folder has `COLUMN=VALUE/data_0.parquet` for each
    value (Hive's layout): the column stands in the names only.
    """
    column = export.options.get("partition_by")
    partition_by = ""
    if column is not None:
        if column not in export.asked.columns:
            raise DataError(
                f"there is no column {column!r} to partition by",
                column=column,
                value=column,
                parameter="partition_by",
                remedy=f"The columns are {', '.join(export.asked.columns)}",
            )
        partition_by = f", partition_by ({quoting.identifier(column)})"
    ((rows,),) = export.con.execute(
        f"""
        copy (from exported) to {quoting.literal(str(export.path))}
        (format parquet, compression zstd, kv_metadata $notice{partition_by})
        """,
        {"notice": dict(export.notice)},
    ).fetchall()
    return int(rows)


def write_rows(rows: duckdb.DuckDBPyRelation, path: Path) -> None:
    """Write rows to one file, without a notice."""
    import pyarrow.parquet as pq

    # A connection that may write no file gives its rows all the same.
    reader = rows.to_arrow_reader(_BATCH)
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def count(path: Path) -> int:
    """Count the rows of the file, or of the folder's files, at `path`."""
    import pyarrow.parquet as pq

    files = path.rglob("*.parquet") if path.is_dir() else [path]
    return sum(pq.read_metadata(file).num_rows for file in files)
