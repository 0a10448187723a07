"""Read tab-separated text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..options import ReadOptions
from . import csv

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read the file like `csv`; the separator is a tab if the user chose the format."""
    return csv.read(con, path, options, delimiter="\t")
