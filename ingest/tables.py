"""The user's own tables for a query: csv, json and Parquet files, and frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, UsageError
from ..schema import quoting
from ..store.files import user_path

if TYPE_CHECKING:
    import duckdb

_PARQUET = (".parquet", ".pq")
_JSON = (".json", ".jsonl", ".ndjson")
_TEXT = (".csv", ".tsv", ".txt")
_PACKED = (".gz", ".zst")


def show(con: duckdb.DuckDBPyConnection, name: str, source: object) -> list[Path]:
    """Create the table `name` on `con` from a file or a frame.

    Returns the files that queries will read: a Parquet file is read when it is queried, a text file
    is read now. A frame is an Arrow table, a pandas or Polars frame, or another object with the
    Arrow C stream interface. Raises DataError if a file cannot be read, and UsageError if `source`
    is neither a file nor a frame.
    """
    import duckdb

    if hasattr(source, "__arrow_c_stream__"):
        con.register(name, source)
        return []
    if not isinstance(source, str | Path):
        raise UsageError(
            f"the table {name!r} is a {type(source).__name__}, but must be a file or a frame",
            parameter="tables",
            value=type(source).__name__,
        )
    path = user_path(source)
    if not path.is_file():
        raise DataError(f"{path} does not exist, or is not a file", file=path, parameter="tables")
    try:
        if _suffix(path) in _PARQUET:
            con.read_parquet(quoting.one_file(path), hive_partitioning=False).create_view(name)
            return [path]
        _reader(con, path)(quoting.one_file(path)).create(name)
    except duckdb.Error as error:
        raise DataError(
            f"{path} cannot be read: {str(error).splitlines()[0]}", file=path, parameter="tables"
        ) from None
    return []


def _reader(con: duckdb.DuckDBPyConnection, path: Path) -> Callable[[str], duckdb.DuckDBPyRelation]:
    if _suffix(path) in _JSON:
        return con.read_json
    if _suffix(path) in _TEXT:
        return con.read_csv
    raise DataError(
        f"{path} does not have the suffix of a csv, json or Parquet file",
        file=path,
        parameter="tables",
        remedy=f"Supported suffixes are {', '.join((*_TEXT, *_JSON, *_PARQUET))}",
    )


def _suffix(path: Path) -> str:
    packed = path.suffix.lower() in _PACKED
    return (Path(path.stem) if packed else path).suffix.lower()
