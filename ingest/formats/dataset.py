"""A folder that Hugging Face's datasets wrote with save_to_disk; datasets is not needed."""

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
            f"{path}: state.json is not what save_to_disk writes: {error!r}", file=path
        ) from None
    root = path.resolve()
    outside = [
        name
        for name in names
        if not isinstance(name, str) or not (root / name).resolve().is_relative_to(root)
    ]
    if outside:
        raise DataError(
            f"{path}: state.json names {outside[0]!r}, which is not inside the folder",
            file=path,
            value=outside[0],
            count=len(outside),
        )
    if not names:
        raise DataError(f"{path} has no rows and so no predictions", file=path, count=0)
    try:
        table = pa.concat_tables([arrow.load(path / name) for name in names])
    except pa.ArrowException as error:
        raise DataError(f"the files of {path} do not fit together: {error}", file=path) from None
    return arrow.select(con, table, str(path), options)
