"""JSON, an object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError
from ..options import ReadOptions
from . import arrow, json

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read the records. Raises DataError, with the line, where one is no JSON."""
    try:
        table = json.from_records(_records(path), str(path))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no UTF-8 text: {error}", file=path, remedy="Save the file as UTF-8"
        ) from None
    return arrow.select(con, table, str(path), options)


def _records(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield json.parse(line)
                except (ValueError, RecursionError) as error:
                    raise DataError(
                        f"{path}: line {number} is no JSON: {error}", file=path, row=number
                    ) from None
