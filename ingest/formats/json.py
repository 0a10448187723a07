"""Read JSON; see `realdb.ingest.json_shapes` for the supported shapes."""

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
    """Read the predictions in the file. Raises DataError if it is not JSON or has none."""
    value = json_text.load(path)
    return arrow.select(con, json_shapes.table(value, str(path), options), str(path), options)
