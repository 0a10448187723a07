"""NumPy arrays in file-name order: class ids, or logits. Also for arrays that are not in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from . import GIVEN, REGISTERED

if TYPE_CHECKING:
    import duckdb

IMAGES = 50_000
CLASSES = 1000
TOP = 5
_BLOCK = 1024


def read(
    con: duckdb.DuckDBPyConnection, path: Path, choices: Mapping[str, str]
) -> duckdb.DuckDBPyRelation:
    """Read an .npy of 50,000 class ids or of (50000, 1000) logits; see `from_array`."""
    if choices:
        raise DataError(f"{path} is an array: it has no columns to choose from with --columns")
    try:
        # Mapped, not read: top_k goes through the rows once, a block at a time.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy raises errors of many kinds for a damaged header
        hint = " (a pickle could run code, so it is not read)" if "object" in str(error) else ""
        raise DataError(f"{path} cannot be read as a NumPy array: {error}{hint}") from None
    return from_array(con, array, str(path))


def from_array(
    con: duckdb.DuckDBPyConnection, array: npt.NDArray[Any], where: str
) -> duckdb.DuckDBPyRelation:
    """Return an array in file-name order as predictions.

    `array` is (50000,) integers, the class ids, or (50000, 1000) floats, the logits or
    probabilities, of which the five highest become ranks 1-5. Raises DataError for another shape
    or dtype, and where a logit is NaN.
    """
    if array.shape == (IMAGES,) and array.dtype.kind in "iu":
        # DuckDB takes this machine's byte order only.
        label = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        return _relation(con, image=np.arange(1, IMAGES + 1, dtype=np.int32), label=label)
    if array.shape == (IMAGES, CLASSES) and array.dtype.kind == "f":
        labels, logits = top_k(array, TOP, where)
        return _relation(
            con,
            image=np.repeat(np.arange(1, IMAGES + 1, dtype=np.int32), TOP),
            rank=np.tile(np.arange(1, TOP + 1, dtype=np.int16), IMAGES),
            label=labels.ravel(),
            confidence=logits.ravel(),
        )
    raise DataError(
        f"{where} is {array.dtype} with shape {array.shape}. An array in file-name order is "
        f"integers ({IMAGES},), the class ids, or floats ({IMAGES}, {CLASSES}), the logits. "
        f"{_hint(array)}"
    )


def top_k(
    logits: npt.NDArray[np.floating[Any]], k: int, where: str
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float64]]:
    """Return the `k` highest of each row, highest first.

    Class ids are int16 and their logits float64, both (n, k).

    Of equal logits the lower class id ranks first. Raises DataError where a logit is NaN.
    """
    labels = np.empty((len(logits), k), np.int16)
    values = np.empty((len(logits), k), np.float64)
    for start in range(0, len(logits), _BLOCK):
        block = np.asarray(logits[start : start + _BLOCK])
        if block.dtype == np.float16:  # NumPy's partition of halves is many times slower
            block = block.astype(np.float32)
        if np.isnan(block).any():
            row, column = np.argwhere(np.isnan(block))[0]
            raise DataError(
                f"{where}: the logit of image {start + row + 1}, class {column} is NaN "
                f"({np.isnan(block).sum():,} such among images {start + 1}-{start + len(block)})"
            )
        # Ties with the k-th value are settled by sorting whole rows; there are hardly any.
        least = np.partition(block, -k, axis=1)[:, -k]
        among = block >= least[:, None]
        tied = np.flatnonzero(among.sum(axis=1) > k)
        among[tied] = False
        top = np.argsort(-block[tied], axis=1, kind="stable")[:, :k]
        among[tied[:, None], top] = True
        columns = np.nonzero(among)[1].reshape(len(block), k)
        picked = np.take_along_axis(block, columns, axis=1)
        order = np.argsort(-picked, axis=1, kind="stable")
        labels[start : start + len(block)] = np.take_along_axis(columns, order, axis=1)
        values[start : start + len(block)] = np.take_along_axis(picked, order, axis=1)
    return labels, values


def _relation(con: duckdb.DuckDBPyConnection, **given: npt.NDArray[Any]) -> duckdb.DuckDBPyRelation:
    import duckdb

    con.register(REGISTERED, given)
    return con.view(REGISTERED).select(
        *(
            (
                duckdb.ColumnExpression(name)
                if name in given
                else duckdb.ConstantExpression(None).cast("varchar")
            ).alias(name)
            for name in GIVEN
        )
    )


def _hint(array: npt.NDArray[Any]) -> str:
    if array.shape == (IMAGES,) and array.dtype.kind == "f":
        return "Convert the class ids with .astype(int)."
    if array.ndim == 2 and array.shape[1] == CLASSES + 1:
        return "1,001 columns are a head with a background class first: pass array[:, 1:]."
    if array.ndim == 2 and array.shape[1] > CLASSES + 1:
        return (
            "It looks like a head of ImageNet-21k: select the 1,000 classes of ILSVRC 2012 first."
        )
    return "Predictions for other images need their names beside them: a CSV or a dict."
