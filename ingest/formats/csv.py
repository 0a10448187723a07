"""Comma-separated text with a header line."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ...schema import quoting
from . import Told, columns

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    told: Told,
    *,
    delimiter: str = ",",
) -> duckdb.DuckDBPyRelation:
    """Read the file as text throughout: what a cell means is decided later, for all formats alike.

    Raises DataError where the header line has no use or a line has another number of cells.
    """
    names = _header(path, delimiter)
    # Everything is said, so that DuckDB guesses nothing: a column of 0 and 1 is no boolean here.
    table = con.read_csv(
        quoting.one_file(path),
        header=True,
        sep=delimiter,
        quotechar='"',
        escapechar='"',
        all_varchar=True,
        auto_detect=False,
        columns=dict.fromkeys(names, "VARCHAR"),
        # A folder called label=7 above the file is no column.
        hive_partitioning=False,
    )
    return columns.select(con, table, str(path), told.columns)


def _header(path: Path, delimiter: str) -> list[str]:
    try:
        # A byte order mark is what spreadsheets write; DuckDB skips it as well. What is read ahead
        # of the other lines is no matter here: DuckDB names the line that is no UTF-8.
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names = next(csv.reader(file, delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"{path}: the header line cannot be read: {error}") from None
    if any("\N{REPLACEMENT CHARACTER}" in name for name in names):
        raise DataError(f"{path}: the header line is no UTF-8 text")
    if not names:
        raise DataError(f"{path}: the first line is empty; it must be the header line")
    # pandas writes its index under an empty name, which DuckDB takes for no name at all.
    names = [name or "unnamed" for name in names]
    columns.require_distinct(names, str(path))
    return names
