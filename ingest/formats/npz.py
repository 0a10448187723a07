"""A NumPy archive with one array of predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ..options import ReadOptions
from . import npy

if TYPE_CHECKING:
    import duckdb

NAMES = ("labels", "predictions", "logits")


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read the only array in the file, or the one called as in NAMES; see `npy.from_rows`.

    Raises DataError, naming them, where several could be meant.
    """
    import zipfile

    npy.require_no_columns(options, str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist()]
            name = the_one(members, str(path))
            # Unpacked as it is read, a block at a time.
            with archive.open(f"{name}.npy") as file:
                rows = npy.rows_of(file)
                if rows is None:
                    raise DataError(
                        f"{path}: the array {name} is stored column by column",
                        file=path,
                        value=name,
                        remedy="Save it with numpy.ascontiguousarray",
                    )
                return npy.from_rows(con, rows, options, f"{path}: {name}")
    except DataError:
        raise
    except Exception as error:  # of many kinds, for a damaged archive
        raise npy.unreadable(str(path), error) from None


def the_one(members: list[str], where: str) -> str:
    """Return the array that is meant; DataError, naming them, where that is not clear."""
    found = members if len(members) == 1 else [name for name in members if name in NAMES]
    if len(found) != 1:
        raise DataError(
            f"{where} contains {len(members)} arrays ({', '.join(members[:8])}), and {len(found)} "
            "of them could be the predictions",
            value=members[0] if members else None,
            count=len(members),
            remedy=f"Save the one array, or call it one of {', '.join(NAMES)}",
        )
    return found[0]
