"""Tables of the user's own, to be joined in a query: csv, json and Parquet files, and frames."""

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
    """Have the table `name` on `con` show a file or a frame.

    Returns the files that it goes on reading: a text file is read at once, a Parquet file when it
    is queried. A frame is an Arrow table, a
    pandas or Polars frame, or anything else with the Arrow C stream interface.
    Raises DataError where a file cannot be read, UsageError where `source` is neither.
    """
    import duckdb

    if hasattr(source, "__arrow_c_stream__"):
        con.register(name, source)
        return []
    if not isinstance(source, str | Path):
        raise UsageError(
            f"the table {name!r} is a {type(source).__name__}, and must be a file or a frame",
            parameter="tables",
            value=type(source).__name__,
        )
    path = user_path(source)
    if not path.is_file():
        raise DataError(f"{path} does not exist, or is no file", file=path, parameter="tables")
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
        f"{path} is not a csv, json or Parquet file by its name",
        file=path,
        parameter="tables",
        remedy=f"Its suffix is one of {', '.join((*_TEXT, *_JSON, *_PARQUET))}",
    )


def _suffix(path: Path) -> str:
    packed = path.suffix.lower() in _PACKED
    return (Path(path.stem) if packed else path).suffix.lower()
