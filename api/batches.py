"""Batches of a metric: images and predictions as arrays.

The rules are those of ingest/values.sql, in Python: for the few values of a batch this is faster
than SQL. A test compares the two.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..errors import DataError, counted
from ..ingest import image_names
from ..schema.tables import CLASSES, IMAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXPECTED = "Use ILSVRC2012_val_00000001.JPEG to …_00050000.JPEG, or the numbers 1-50000"
_SHOWN = 3


def as_array(values: Any, parameter: str) -> NDArray[Any]:
    """Return a NumPy array of `values`, which may be a torch tensor on any device.

    Raises DataError, with the `parameter` of the call, if they are not an array.
    """
    import numpy as np

    if hasattr(values, "detach"):  # a tensor, recognised without importing torch
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # unknown to NumPy
            values = values.float()
        values = values.numpy()
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"`{parameter}` cannot be read as an array: {error}", parameter=parameter
        ) from None


def image_ids(images: Any, parameter: str = "images") -> NDArray[Any]:
    """Return the image ids, int32 (n,), of numbers from 1 or of file names in any usual form.

    Raises DataError, with the `parameter` of the call, for an invalid or a repeated image.
    """
    import numpy as np

    if isinstance(images, str | bytes | os.PathLike):
        raise DataError(
            f"`{parameter}` is the single value {images!r}",
            parameter=parameter,
            value=images,
            remedy="Pass a list with one image for each prediction",
        )
    is_sequence = hasattr(images, "shape") or isinstance(images, list | tuple)
    found = as_array(images if is_sequence else list(images), parameter)
    if found.ndim != 1:
        raise DataError(
            f"`{parameter}` has shape {found.shape}. It must have shape (n,), with one image for "
            "each prediction",
            parameter=parameter,
            value=found.shape,
        )
    if found.dtype.kind in "iu":
        ids = found.astype(np.int64)
    elif not len(found):
        ids = np.empty(0, np.int64)
    else:
        ids = np.fromiter(map(_image_id, found.tolist()), np.int64, len(found))
    wrong = np.flatnonzero((ids < 1) | (ids > IMAGES))
    if len(wrong):
        values = [*zip(wrong.tolist(), found[wrong].tolist(), strict=True)]
        shown = ", ".join(f"{value!r} in row {row}" for row, value in values[:_SHOWN])
        hint = ". Numbers start at 1" if any(value == 0 for _, value in values) else ""
        raise DataError(
            f"`{parameter}` has {counted(len(wrong), 'invalid value')} of {len(found):,}: {shown}"
            f"{', …' if len(wrong) > _SHOWN else ''} (rows count from 0)",
            row=values[0][0],
            column="image",
            value=values[0][1],
            count=len(wrong),
            parameter=parameter,
            remedy=f"{_EXPECTED}{hint}",
        )
    distinct, counts = np.unique(ids, return_counts=True)
    refuse_repeats(distinct[counts > 1], "in one batch", parameter)
    return ids.astype(np.int32)


def refuse_repeats(ids: NDArray[Any], where: str, parameter: str = "images") -> None:
    """Raise DataError if there are any repeated images `ids`."""
    if len(ids):
        shown = ", ".join(str(image) for image in ids[:_SHOWN].tolist())
        raise DataError(
            f"`{parameter}` repeats {counted(len(ids), 'image')} {where}: image {shown}"
            f"{', …' if len(ids) > _SHOWN else ''}",
            column="image",
            value=ids[0],
            count=len(ids),
            parameter=parameter,
            remedy="Pass each image once. A sampler that pads the last batch repeats images; "
            "torch's DistributedSampler is one",
        )


def choices(predictions: Any, count: int, depth: int) -> NDArray[Any]:
    """Return the first `depth` choices for each of `count` images, int16 (count, depth).

    `predictions` are class ids, integers (count,); class ids by rank, integers (count, k); or
    logits, floats (count, 1000). A missing rank is -1. Of equal logits the lower class id ranks
    first. Raises DataError for another shape, a class id that is not 0-999, and a NaN logit.
    """
    import numpy as np

    values = as_array(predictions, "predictions")
    kind, shape = values.dtype.kind, values.shape
    if shape and len(values) != count:
        raise DataError(
            f"`predictions` has {counted(len(values), 'row')} for {counted(count, 'image')}",
            count=len(values),
            parameter="predictions",
        )
    if values.ndim == 2 and kind == "f":
        return _of_logits(values, depth)
    if kind not in "iu" or values.ndim not in (1, 2) or (values.ndim == 2 and shape[1] >= CLASSES):
        raise DataError(
            f"`predictions` has type {values.dtype} and shape {shape}, which is not supported",
            value=shape,
            parameter="predictions",
            remedy=f"Pass class ids, integers ({count},); classes by rank, integers ({count}, k) "
            f"with k below {CLASSES:,}; or logits, floats ({count}, {CLASSES})",
        )
    ranked = values.reshape(count, -1) if count else values.reshape(0, 1)
    row, rank = np.nonzero((ranked < 0) | (ranked >= CLASSES))
    if len(row):
        counts_from_1 = "The class ids may start at 1, or class 0 may be a background class"
        raise DataError(
            f"`predictions` has {counted(len(row), 'class id')} of {ranked.size:,} outside 0-999: "
            f"{ranked[row[0], rank[0]]} in row {row[0]} (rows count from 0)",
            row=int(row[0]),
            column="label",
            value=ranked[row[0], rank[0]],
            count=len(row),
            parameter="predictions",
            remedy=counts_from_1 if ranked.max() == CLASSES else None,
        )
    in_order = np.sort(ranked, axis=1)
    repeated = np.flatnonzero((in_order[:, 1:] == in_order[:, :-1]).any(axis=1))
    if len(repeated):
        raise DataError(
            f"`predictions` has {counted(len(repeated), 'image')} with one class at two ranks: row "
            f"{repeated[0]} (rows count from 0) is {ranked[repeated[0]].tolist()}",
            row=int(repeated[0]),
            column="label",
            count=len(repeated),
            parameter="predictions",
        )
    labels = np.full((count, depth), -1, np.int16)
    labels[:, : ranked.shape[1]] = ranked[:, :depth]
    return labels


def _of_logits(values: NDArray[Any], depth: int) -> NDArray[Any]:
    import numpy as np

    from ..ingest import logits

    logits.require_classes(values.shape[1], "an array of logits", "logits[:, 1:]")
    row, label = np.nonzero(np.isnan(values))
    if len(row):
        raise DataError(
            f"`predictions` has {counted(len(row), 'NaN logit')} (first: class {label[0]} in row "
            f"{row[0]}; rows count from 0)",
            row=int(row[0]),
            column="label",
            value=label[0],
            count=len(row),
            parameter="predictions",
        )
    blocks = (values[at : at + logits.BLOCK].copy() for at in range(0, len(values), logits.BLOCK))
    return logits.top_k(blocks, depth, "the logits")[0]


def _image_id(image: Any) -> int:
    """Return the number of one image; 0 if it is invalid."""
    return min(image_names.number(image) or 0, IMAGES + 1)
