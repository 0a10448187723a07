"""Read a NumPy archive with one array of predictions."""

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
    """Read the only array in the file, or the one with a name in NAMES; see `npy.from_rows`.

    Raises DataError, with the names, if several arrays are possible.
    """
    import zipfile

    npy.require_no_columns(options, str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist()]
            name = the_one(members, str(path))
            # The member is unpacked block by block.
            with archive.open(f"{name}.npy") as file:
                rows = npy.rows_of(file)
                if rows is None:
                    raise DataError(
                        f"{path}: the array {name} is in Fortran order (column by column)",
                        file=path,
                        value=name,
                        remedy="Save it with numpy.ascontiguousarray",
                    )
                return npy.from_rows(con, rows, options, f"{path}: {name}")
    except DataError:
        raise
    except Exception as error:  # a damaged archive raises many kinds of errors
        raise npy.unreadable(str(path), error) from None


def the_one(members: list[str], where: str) -> str:
    """Return the name of the array to read. Raises DataError, with the names, if it is unclear."""
    found = members if len(members) == 1 else [name for name in members if name in NAMES]
    if len(found) != 1:
        raise DataError(
            f"{where} contains {len(members)} arrays ({', '.join(members[:8])}), and {len(found)} "
            f"of them have one of the names {', '.join(NAMES)}",
            value=members[0] if members else None,
            count=len(members),
            remedy="Save only the array with the predictions, or only one with such a name",
        )
    return found[0]
