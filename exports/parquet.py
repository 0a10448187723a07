"""Parquet with zstd compression: one file, or a folder of files by the values of a column.

The notice is in the file's key-value metadata.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import DataError
from ..schema import quoting
from . import lines
from .registry import Export

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import duckdb

    Failing = Callable[[], AbstractContextManager[None]]

_BATCH = 100_000


def write(export: Export) -> int:
    """Write the rows; return their number.

    The option partition_by is the name of a column. The folder then has
    `COLUMN=VALUE/data_0.parquet` for each value (Hive's layout). The column is in the names only.
    """
    column = export.options.get("partition_by")
    partition_by = ""
    if column is not None:
        if column not in export.asked.columns:
            raise DataError(
                f"`partition_by` is {column!r}, but there is no such column",
                column=column,
                value=column,
                parameter="partition_by",
                remedy=f"The columns are {', '.join(export.asked.columns)}",
            )
        partition_by = f", partition_by ({quoting.identifier(column)})"
    ((rows,),) = export.con.execute(
        f"""
        copy (from exported) to {quoting.literal(quoting.file_name(export.path))}
        (format parquet, compression zstd, kv_metadata $notice{partition_by})
        """,
        {"notice": dict(export.notice)},
    ).fetchall()
    return int(rows)


def write_stream(rows: duckdb.DuckDBPyRelation, file: BinaryIO, failing: Failing) -> None:
    """Stream rows to an open file, without a notice.

    `failing` is entered after the first rows arrive, and before anything is written.
    """
    import pyarrow.parquet as pq

    # Use a reader: the connection may not be allowed to write files.
    reader = rows.to_arrow_reader(_BATCH)
    batches = lines.arrow_batches(reader)
    batch = next(batches, None)
    with failing(), pq.ParquetWriter(file, reader.schema, compression="zstd") as writer:
        while batch is not None:
            writer.write_batch(batch)
            batch = next(batches, None)


def count_in(file: BinaryIO) -> int:
    """Count the rows of an open file."""
    import pyarrow.parquet as pq

    file.seek(0)
    return int(pq.read_metadata(file).num_rows)


def count(path: Path) -> int:
    """Count the rows of the file, or of the folder's files, at `path`."""
    import pyarrow.parquet as pq

    files = path.rglob("*.parquet") if path.is_dir() else [path]
    return sum(pq.read_metadata(file).num_rows for file in files)
