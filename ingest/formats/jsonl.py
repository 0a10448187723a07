"""Read JSON with a value in each line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import json_shapes, json_text
from ..options import ReadOptions
from . import arrow

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read the predictions. Raises DataError, with the line, if a line is not JSON."""
    values = json_text.load_lines(path)
    return arrow.select(con, json_shapes.table(values, str(path), options), str(path), options)
