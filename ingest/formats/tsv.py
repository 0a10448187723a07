"""Tab-separated text with a header line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from . import csv

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection, path: Path, choices: Mapping[str, str]
) -> duckdb.DuckDBPyRelation:
    """Read the file as `csv` does, with tabs."""
    return csv.read(con, path, choices, delimiter="\t")
