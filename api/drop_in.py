"""A replacement for timm's class RealLabelsImagenet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError, counted
from ..schema.tables import CLASSES, IMAGES
from ..store.files import user_path
from . import batches
from .labels import hits_of, padded, rows
from .rules import PUBLISHED_THRESHOLD, require_choice


class RealLabelsImagenet:
    """timm's `RealLabelsImagenet` with realdb's labels: `add_result`, then `get_accuracy`.

    `filenames` are the 50,000 images in the order of the results, in any form of a prediction file.
    `real_json` is a file of labels to use instead of the store. `topk` are the values of k. The
    class returns the same percentages as timm's (timm/data/real_labels.py), from torch tensors or
    NumPy arrays. Unlike timm's it refuses NaN, and of equal logits it ranks the lower class id
    first; the order of torch's topk is undefined. `RealAccuracy` returns more figures.

    Raises DataError if `filenames` are not the 50,000 images, each once.
    """

    def __init__(
        self,
        filenames: Sequence[Any],
        real_json: str | Path | None = None,
        topk: Iterable[int] = (1, 5),
        *,
        store: str | PathLike[str] | None = None,
    ) -> None:
        ids = batches.image_ids(filenames, "filenames")
        if len(ids) != IMAGES:
            raise DataError(
                f"there are {counted(len(ids), 'file name')} for the {IMAGES:,} images",
                count=len(ids),
                parameter="filenames",
            )
        self.filenames = filenames
        self.topk = tuple(topk)
        if not self.topk or not all(1 <= k <= CLASSES for k in self.topk):
            raise UsageError(
                f"`topk` is {self.topk}. It must contain numbers from 1 to {CLASSES}",
                parameter="topk",
                value=self.topk,
            )
        self.is_correct: dict[int, list[bool]] = {k: [] for k in self.topk}
        self.sample_idx = 0
        if real_json is not None:
            found = _read(user_path(real_json))
        else:
            found = rows(threshold=PUBLISHED_THRESHOLD, store=store)
        self._labels = padded(*found)[ids - 1]

    def add_result(self, output: Any) -> None:
        """Add the logits, floats (n, 1000), of the next n images.

        Raises DataError for NaN, another shape, or too many images.
        """
        output = batches.as_array(output, "output")
        if output.ndim != 2 or output.dtype.kind != "f":
            raise DataError(
                f"`output` has type {output.dtype} and shape {output.shape}. Pass logits: floats "
                f"of shape (n, {CLASSES})",
                parameter="output",
                value=output.shape,
            )
        left = IMAGES - self.sample_idx
        if len(output) > left:
            raise DataError(
                f"`output` has {counted(len(output), 'row')} for the last {counted(left, 'image')}",
                count=len(output),
                parameter="output",
            )
        choices = batches.choices(output, len(output), max(self.topk))
        labels = self._labels[self.sample_idx :][: len(output)]
        has_labels = labels[:, 0] >= 0
        hits = hits_of(choices, labels)[has_labels]
        for k in self.topk:
            self.is_correct[k] += hits[:, :k].any(axis=1).tolist()
        self.sample_idx += len(output)

    def get_accuracy(self, k: int | None = None) -> Any:
        """Return the ReaL top-k accuracy in per cent, or a dict by k. NaN means no result yet."""
        if k is None:
            return {k: self.get_accuracy(k) for k in self.topk}
        if k not in self.is_correct:
            require_choice("k", k, self.topk)
        hits = self.is_correct[k]
        return sum(hits) / len(hits) * 100 if hits else float("nan")


def _read(path: Path) -> tuple[Any, Any]:
    """Return the images and labels of a file in the format of real.json."""
    from ..ingest.labels import read_real_labels

    try:
        read = read_real_labels(path)
    except DataError as error:
        text = error.message.removeprefix(f"{path.name}: ")
        raise DataError(
            text if error.file == str(path) else f"{path}: {text}",
            file=path,
            row=error.row,
            column=error.column,
            value=error.value,
            count=error.count,
            parameter="real_json",
            remedy="Pass a file in the format of real.json, or omit `real_json` to use the labels "
            "of the store",
        ) from None
    return read.image_id, read.label
