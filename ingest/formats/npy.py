"""Read NumPy arrays, from a file or in memory: class ids, top-k class ids, or logits."""

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
    """An array that is read block by block. The caller may keep and change each block."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: Callable[[], Iterator[npt.NDArray[Any]]]


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read an .npy file; see `from_rows` for the supported arrays."""
    require_no_columns(options, str(path))
    try:
        with path.open("rb") as file:
            rows = rows_of(file)
            if rows is not None:
                return from_rows(con, rows, options, str(path))
        # In Fortran order the rows are scattered, so the file is memory-mapped.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # numpy raises errors of many kinds for a damaged header
        raise unreadable(str(path), error) from None
    return from_array(con, array, options, str(path))


def rows_of(file: IO[bytes]) -> Rows | None:
    """Return the array in an open .npy; None if it is in Fortran order.

    Blocks are read one after the other, which needs less memory than the whole array or a memory
    map.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"the version {version[0]}.{version[1]} of its format is not supported")
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
                    raise ValueError(f"it is cut short: row {row} of {shape[0]} is incomplete")
                view = view[count:]
            yield block

    return Rows(shape, dtype, blocks)


def from_array(
    con: duckdb.DuckDBPyConnection, array: npt.NDArray[Any], options: ReadOptions, where: str
) -> duckdb.DuckDBPyRelation:
    """Return the predictions in an array; see `from_rows`."""

    def blocks() -> Iterator[npt.NDArray[Any]]:
        for start in range(0, len(array), logits.BLOCK):
            yield np.array(array[start : start + logits.BLOCK])

    return from_rows(con, Rows(array.shape, array.dtype, blocks), options, where)


def from_rows(
    con: duckdb.DuckDBPyConnection, rows: Rows, options: ReadOptions, where: str
) -> duckdb.DuckDBPyRelation:
    """Return the predictions in an array with a row for each image.

    Supported arrays are (50000,) integers, the class ids; (50000, k) integers, the classes of ranks
    1 to k; and (50000, 1000) floats, the logits or probabilities, whose five highest become ranks
    1-5. (50000, 1000) integers must rank all classes in each row, and the first five are used. The
    order of the images is `options.order`, or the file-name order. Raises DataError for another
    shape or dtype, and if a logit is NaN.
    """
    shape, kind = rows.shape, rows.dtype.kind
    images = options.images_of(IMAGES, where)
    if shape == (IMAGES,) and kind in "iu":
        return _relation(con, image=images, label=_native(rows))
    if len(shape) == 2 and shape[0] == IMAGES and kind == "f" and shape[1] > TOP:
        logits.require_classes(shape[1], where, "use array[:, 1:]")
        labels, values = logits.top_k(rows.blocks(), TOP, where, image_of=images.__getitem__)
        return _ranked(con, images, labels, confidence=values.ravel())
    if len(shape) == 2 and shape[0] == IMAGES and kind in "iu" and 1 <= shape[1] <= CLASSES:
        labels = _first_of_all(rows, where) if shape[1] == CLASSES else _native(rows)
        return _ranked(con, images, labels)
    raise DataError(
        f"{where} is {rows.dtype} with shape {shape}, which is not supported",
        value=f"{rows.dtype} {shape}",
        remedy=f"Supported arrays are integers ({IMAGES},) for class ids, integers ({IMAGES}, k) "
        f"for classes by rank, and floats ({IMAGES}, {CLASSES}) for logits. {_hint(rows)}",
    )


def require_no_columns(options: ReadOptions, where: str) -> None:
    """Refuse the option `columns`."""
    if options.columns:
        raise DataError(
            f"`columns` is not for arrays, and {where} is an array",
            parameter="columns",
            remedy="Leave `columns` out",
        )


def unreadable(where: str, error: Exception) -> DataError:
    """Return the error for an array that NumPy could not read."""
    hint = " (realdb does not read pickles, which could run code)" if "object" in str(error) else ""
    text = " ".join(str(error).split())
    return DataError(
        f"{where} cannot be read as a NumPy array: {text}{hint}",
        remedy="Save the array again, as numbers, with numpy.save",
    )


def _native(rows: Rows) -> npt.NDArray[Any]:
    """Return the whole array in native byte order, which DuckDB requires."""
    dtype = rows.dtype.newbyteorder("=")
    return np.concatenate([block.astype(dtype) for block in rows.blocks()])


def _first_of_all(rows: Rows, where: str) -> npt.NDArray[np.int16]:
    """Return the first five of the 1,000 classes that each row ranks."""
    found = []
    for start, block in zip(range(0, IMAGES, logits.BLOCK), rows.blocks(), strict=False):
        wrong = np.flatnonzero((np.sort(block, axis=1) != np.arange(CLASSES)).any(axis=1))
        if len(wrong):
            raise DataError(
                f"{where}: row {start + wrong[0]} (from 0) does not have each class 0-999 once",
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
    return "For a part of the images, use a CSV or a dict with the image names"
