"""What a metric is given, batch by batch: images and predictions, as arrays.

The rules are those of ingest/predictions.sql, for values that come a few at a time and are needed
at once: there SQL reads them, here Python does; a test compares the two.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..ingest import image_names
from .results import IMAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = 1000
_NAME = re.compile(image_names.PATTERN + r"\Z")
_NUMBER = re.compile(r"[ \t]*([0-9]+)(?:\.0*)?[ \t]*")
_EXPECTED = "an image is ILSVRC2012_val_00000001.JPEG to …_00050000.JPEG, or its number 1-50000"
_SHOWN = 3


def as_array(values: Any) -> NDArray[Any]:
    """Return a NumPy array of `values`, which may be a torch tensor on any device.

    Raises DataError where they are no array.
    """
    import numpy as np

    if hasattr(values, "detach"):  # a tensor, told without importing torch
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # unknown to NumPy
            values = values.float()
        values = values.numpy()
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"what is given cannot be read as an array: {error}") from None


def image_ids(images: Any) -> NDArray[Any]:
    """Return the image ids, int32 (n,), of numbers from 1 or of file names in any usual form.

    Raises DataError where one is neither, or stands twice.
    """
    import numpy as np

    if isinstance(images, str | bytes | os.PathLike):
        raise DataError(f"{images!r} is one image; give a list of them, one for each prediction")
    is_sequence = hasattr(images, "shape") or isinstance(images, list | tuple)
    found = as_array(images if is_sequence else list(images))
    if found.ndim != 1:
        raise DataError(f"images have shape {found.shape}; (n,) is needed, one for each prediction")
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
        hint = ". Numbers count from 1" if any(value == 0 for _, value in values) else ""
        raise DataError(
            f"{len(wrong):,} of {len(found):,} images are none: {shown}"
            f"{', …' if len(wrong) > _SHOWN else ''} (row 0 is the first). {_EXPECTED}{hint}"
        )
    distinct, counts = np.unique(ids, return_counts=True)
    refuse_twice(distinct[counts > 1], "in what was given together")
    return ids.astype(np.int32)


def refuse_twice(ids: NDArray[Any], where: str) -> None:
    """Raise DataError for the images `ids`, which were given twice; none is fine."""
    if len(ids):
        shown = ", ".join(str(image) for image in ids[:_SHOWN].tolist())
        raise DataError(
            f"{len(ids):,} images are given twice, {where}: image {shown}"
            f"{', …' if len(ids) > _SHOWN else ''}. Each counts once; a sampler that pads the last "
            "batch, as torch's DistributedSampler does, repeats some"
        )


def choices(predictions: Any, count: int, depth: int) -> NDArray[Any]:
    """Return the first `depth` choices for each of `count` images, int16 (count, depth).

    `predictions` are class ids, integers (count,), or by rank (count, k), or logits, floats
    (count, 1000); a rank that they do not have is -1. Of equal logits the lower class id ranks
    first. Raises DataError for another shape, a class id out of 0-999, and a logit that is NaN.
    """
    import numpy as np

    given = as_array(predictions)
    kind, shape = given.dtype.kind, given.shape
    if len(given.shape) and len(given) != count:
        raise DataError(f"there are {len(given):,} predictions for {count:,} images")
    if given.ndim == 2 and kind == "f":
        return _of_logits(given, depth)
    if kind not in "iu" or given.ndim not in (1, 2) or (given.ndim == 2 and shape[1] >= CLASSES):
        raise DataError(
            f"the predictions are {given.dtype} with shape {shape}; needed are integers "
            f"({count},), the class ids, integers ({count}, k), the classes by rank, k below "
            f"{CLASSES:,}, or floats ({count}, {CLASSES}), the logits"
        )
    ranked = given.reshape(count, -1) if count else given.reshape(0, 1)
    row, rank = np.nonzero((ranked < 0) | (ranked >= CLASSES))
    if len(row):
        hint = "; do they count from 1, or with a background class?"
        raise DataError(
            f"{len(row):,} of {ranked.size:,} class ids are not 0-999: {ranked[row[0], rank[0]]} "
            f"in row {row[0]} (row 0 is the first){hint if ranked.max() == CLASSES else ''}"
        )
    in_order = np.sort(ranked, axis=1)
    twice = np.flatnonzero((in_order[:, 1:] == in_order[:, :-1]).any(axis=1))
    if len(twice):
        raise DataError(
            f"{len(twice):,} images have one class at two ranks: row {twice[0]} (row 0 is the "
            f"first) is {ranked[twice[0]].tolist()}"
        )
    labels = np.full((count, depth), -1, np.int16)
    labels[:, : ranked.shape[1]] = ranked[:, :depth]
    return labels


def _of_logits(given: NDArray[Any], depth: int) -> NDArray[Any]:
    import numpy as np

    from ..ingest.formats import logits

    logits.require_classes(given.shape[1], "an array of logits", "logits[:, 1:]")
    row, label = np.nonzero(np.isnan(given))
    if len(row):
        raise DataError(
            f"{len(row):,} logits are NaN: that of class {label[0]} in row {row[0]} (row 0 is the "
            "first)"
        )
    blocks = (given[at : at + logits.BLOCK].copy() for at in range(0, len(given), logits.BLOCK))
    return logits.top_k(blocks, depth, "the logits")[0]


def _image_id(image: Any) -> int:
    """Return the number of one image; 0 where there is none."""
    if isinstance(image, bytes):  # as TensorFlow gives text
        image = image.decode("utf-8", "replace")
    if isinstance(image, bool):
        return 0
    text = str(image)
    found = _NAME.search(text) or _NUMBER.fullmatch(text)
    return min(int(found[1]), IMAGES + 1) if found else 0
