"""Read a folder written by save_to_disk of Hugging Face's datasets, without that package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ..options import ReadOptions
from . import arrow

if TYPE_CHECKING:
    import duckdb


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read the Arrow files that state.json lists, in that order.

    Raises DataError if one of them is missing or damaged.
    """
    import pyarrow as pa

    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        names = [entry["filename"] for entry in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: state.json does not have the form that save_to_disk writes: {error!r}",
            file=path,
        ) from None
    root = path.resolve()
    outside = [
        name
        for name in names
        if not isinstance(name, str) or not (root / name).resolve().is_relative_to(root)
    ]
    if outside:
        raise DataError(
            f"{path}: state.json lists {len(outside):,} files outside of the folder (first: "
            f"{outside[0]!r})",
            file=path,
            value=outside[0],
            count=len(outside),
        )
    if not names:
        raise DataError(f"{path} has no rows, and therefore no predictions", file=path, count=0)
    try:
        table = pa.concat_tables([arrow.load(path / name) for name in names])
    except pa.ArrowException as error:
        raise DataError(f"the files of {path} have different columns: {error}", file=path) from None
    return arrow.select(con, table, str(path), options)
