"""Read the ReaL labels, real.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..schema.tables import CLASSES, IMAGES
from .known import refusal


@dataclass(frozen=True, kw_only=True)
class RealLabels:
    """The labels of real.json, one element a label, in the order of the file.

    `image_id` is int32, `label` int16 and `position` (in the image's list, from 0) int16, each
    (labels,).
    """

    image_id: npt.NDArray[np.int32]
    label: npt.NDArray[np.int16]
    position: npt.NDArray[np.int16]


def read_real_labels(path: Path) -> RealLabels:
    """Read a JSON list of 50,000 lists of class ids, image 1 first.

    Raises DataError for other content, and if a label is not 0-999 or occurs twice in a list.
    """
    try:
        lists = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", file=path) from None
    except (ValueError, RecursionError) as error:
        raise refusal(path, f"the file is damaged or cut short: invalid JSON ({error})") from None
    if not isinstance(lists, list) or not all(isinstance(labels, list) for labels in lists):
        raise refusal(path, "the file is not a list of lists of class ids, image 1 first")
    if len(lists) != IMAGES:
        raise refusal(
            path, f"the file has {len(lists):,} lists; {IMAGES:,} are expected", count=len(lists)
        )
    counts = np.array([len(labels) for labels in lists])
    image_id = np.repeat(np.arange(1, IMAGES + 1, dtype=np.int32), counts)
    label = [label for labels in lists for label in labels]
    # type, not isinstance: True is an int in Python, but not a label.
    is_valid = {*map(type, label)} <= {int} and {*label} <= {*range(CLASSES)}
    if not is_valid or len(np.unique(image_id * CLASSES + label)) != len(label):
        _refuse(path, lists)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return RealLabels(
        image_id=image_id,
        label=np.array(label, np.int16),
        position=(np.arange(len(label)) - starts).astype(np.int16),
    )


def _refuse(path: Path, lists: list[list[object]]) -> None:
    """Raise DataError for the first list with a label that is not 0-999 or occurs twice."""
    for number, labels in enumerate(lists, start=1):
        bad = [label for label in labels if type(label) is not int or not 0 <= label < CLASSES]
        if bad:
            raise refusal(
                path,
                f"image {number} has the label {bad[0]!r}; 0-999 is expected",
                row=number,
                column="label",
                value=bad[0],
            )
        if len(set(labels)) != len(labels):
            raise refusal(
                path,
                f"image {number} has a label twice: {labels}",
                row=number,
                column="label",
                value=labels,
            )
