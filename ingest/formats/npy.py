"""NumPy arrays: class ids, top-k class ids, or logits. Also for arrays that are not in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from ...schema.tables import CLASSES, IMAGES
from .. import logits
from ..options import REGISTERED, ROLES, ReadOptions

if TYPE_CHECKING:
    import duckdb

TOP = logits.TOP


class Rows(NamedTuple):
    """An array that is looked at block by block: each is its taker's own, to keep or to change."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: Callable[[], Iterator[npt.NDArray[Any]]]


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read an .npy; see `from_rows` for what may be in it."""
    require_no_columns(options, str(path))
    try:
        with path.open("rb") as file:
            rows = rows_of(file)
            if rows is not None:
                return from_rows(con, rows, options, str(path))
        # Column by column: the rows lie scattered, and the file is mapped.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # numpy raises errors of many kinds for a damaged header
        raise unreadable(str(path), error) from None
    return from_array(con, array, options, str(path))


def rows_of(file: IO[bytes]) -> Rows | None:
    """Return the array in an open .npy; None if its columns come first, not its rows.

    Its blocks are read one after the other: the whole is never there, and the pages of a memory
    map, which count as the process's own, are not either.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"its version is {version[0]}.{version[1]}")
    if dtype.hasobject:
        raise ValueError("it is an array of Python objects")
    if is_fortran and len(shape) > 1:
        return None

    def blocks() -> Iterator[npt.NDArray[Any]]:
        for start in range(0, shape[0], logits.BLOCK):
            block = np.empty((min(logits.BLOCK, shape[0] - start), *shape[1:]), dtype)
            view = block.view(np.uint8).reshape(-1).data
            while view:
                count = file.readinto(view)  # type: ignore[attr-defined]
                if not count:
                    row = start + (block.nbytes - len(view)) // block[:1].nbytes + 1
                    raise ValueError(f"it is cut short: row {row} of {shape[0]} is not whole")
                view = view[count:]
            yield block

    return Rows(shape, dtype, blocks)


def from_array(
    con: duckdb.DuckDBPyConnection, array: npt.NDArray[Any], options: ReadOptions, where: str
) -> duckdb.DuckDBPyRelation:
    """Return an array as predictions; see `from_rows`."""

    def blocks() -> Iterator[npt.NDArray[Any]]:
        for start in range(0, len(array), logits.BLOCK):
            yield np.array(array[start : start + logits.BLOCK])

    return from_rows(con, Rows(array.shape, array.dtype, blocks), options, where)


def from_rows(
    con: duckdb.DuckDBPyConnection, rows: Rows, options: ReadOptions, where: str
) -> duckdb.DuckDBPyRelation:
    """Return an array, a row an image, as predictions.

    The array is (50000,) integers, the class ids; (50000, k) integers, the classes of ranks 1 to k;
    or (50000, 1000) floats, the logits or probabilities, of which the five highest become ranks
    1-5. So do the first five of (50000, 1000) integers, where each row ranks all classes. The
    images are those of `options.order`, or those of the validation set in file-name order. Raises
    DataError for another shape or dtype, and where a logit is NaN.
    """
    shape, kind = rows.shape, rows.dtype.kind
    images = options.images_of(IMAGES, where)
    if shape == (IMAGES,) and kind in "iu":
        return _relation(con, image=images, label=_native(rows))
    if len(shape) == 2 and shape[0] == IMAGES and kind == "f" and shape[1] > TOP:
        logits.require_classes(shape[1], where, "array[:, 1:]")
        labels, values = logits.top_k(rows.blocks(), TOP, where, image_of=images.__getitem__)
        return _ranked(con, images, labels, confidence=values.ravel())
    if len(shape) == 2 and shape[0] == IMAGES and kind in "iu" and 1 <= shape[1] <= CLASSES:
        labels = _first_of_all(rows, where) if shape[1] == CLASSES else _native(rows)
        return _ranked(con, images, labels)
    raise DataError(
        f"{where} is {rows.dtype} with shape {shape}",
        value=f"{rows.dtype} {shape}",
        remedy=f"An array, a row an image, is integers ({IMAGES},), the class ids, integers "
        f"({IMAGES}, k), the classes by rank, or floats ({IMAGES}, {CLASSES}), the logits. "
        f"{_hint(rows)}",
    )


def require_no_columns(options: ReadOptions, where: str) -> None:
    """Refuse the choice of a column."""
    if options.columns:
        raise DataError(
            f"{where} is an array and has no columns",
            parameter="columns",
            remedy="Leave `columns` out",
        )


def unreadable(where: str, error: Exception) -> DataError:
    """Return what to raise where NumPy could not read the array."""
    hint = (
        " (a pickle could run code, so realdb does not read it)" if "object" in str(error) else ""
    )
    text = " ".join(str(error).split())
    return DataError(
        f"{where} cannot be read as a NumPy array: {text}{hint}",
        remedy="Save the array again, as numbers, with numpy.save",
    )


def _native(rows: Rows) -> npt.NDArray[Any]:
    """Return the whole array; DuckDB takes this machine's byte order only."""
    dtype = rows.dtype.newbyteorder("=")
    return np.concatenate([block.astype(dtype) for block in rows.blocks()])


def _first_of_all(rows: Rows, where: str) -> npt.NDArray[np.int16]:
    """Return the first five of the 1,000 classes that each row ranks."""
    found = []
    for start, block in zip(range(0, IMAGES, logits.BLOCK), rows.blocks(), strict=False):
        wrong = np.flatnonzero((np.sort(block, axis=1) != np.arange(CLASSES)).any(axis=1))
        if len(wrong):
            raise DataError(
                f"{where}: row {start + wrong[0]} (from 0) does not rank the classes 0-999, each "
                "once",
                row=int(start + wrong[0]),
                column="label",
                remedy="If these are logits, save them as floats",
            )
        found.append(block[:, :TOP].astype(np.int16))
    return np.concatenate(found)


def _ranked(
    con: duckdb.DuckDBPyConnection,
    images: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    **confidence: npt.NDArray[Any],
) -> duckdb.DuckDBPyRelation:
    count, k = labels.shape
    return _relation(
        con,
        image=np.repeat(images, k),
        rank=np.tile(np.arange(1, k + 1, dtype=np.int16), count),
        label=labels.ravel(),
        **confidence,
    )


def _relation(
    con: duckdb.DuckDBPyConnection, **arrays: npt.NDArray[Any]
) -> duckdb.DuckDBPyRelation:
    import duckdb

    con.register(REGISTERED, arrays)
    return con.view(REGISTERED).select(
        *(
            (
                duckdb.ColumnExpression(name)
                if name in arrays
                else duckdb.ConstantExpression(None).cast("varchar")
            ).alias(name)
            for name in ROLES
        )
    )


def _hint(rows: Rows) -> str:
    if rows.shape == (IMAGES,) and rows.dtype.kind == "f":
        return "Convert the class ids with .astype(int)"
    if rows.shape[1:] == (CLASSES,) and rows.dtype.kind == "f":
        return "Save the logits of all images, in the order of the images, in one array"
    return "Predictions for other images need their names beside them: a CSV or a dict"
