"""A stand-in for timm's class of the same name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError
from ..schema.tables import CLASSES, IMAGES
from ..store.files import user_path
from . import batches
from .labels import hits_of, padded, rows
from .rules import PUBLISHED_THRESHOLD, require_choice


class RealLabelsImagenet:
    """timm's `RealLabelsImagenet`, on realdb's labels: `add_result`, then `get_accuracy`.

    `filenames` are the 50,000 images in the order of the results, in any form that a prediction
    file may have; `real_json` a file to take the labels from in place of the store's; `topk` any
    numbers of choices. It counts as timm's does (timm/data/real_labels.py) and gives the same
    figures, per cent, from torch tensors or NumPy arrays. Unlike timm's it refuses NaN, and takes
    the lower class id of equal logits, where torch's topk takes any. `RealAccuracy` gives more.

    Raises DataError where `filenames` are not the 50,000 images, each once.
    """

    def __init__(
        self,
        filenames: Sequence[Any],
        real_json: str | Path | None = None,
        topk: Iterable[int] = (1, 5),
        *,
        store: str | Path | None = None,
    ) -> None:
        ids = batches.image_ids(filenames, "filenames")
        if len(ids) != IMAGES:
            raise DataError(
                f"there are {len(ids):,} file names, and the images are {IMAGES:,}",
                count=len(ids),
                parameter="filenames",
            )
        self.filenames = filenames
        self.topk = tuple(topk)
        if not self.topk or not all(1 <= k <= CLASSES for k in self.topk):
            raise UsageError(
                f"`topk` is {self.topk}; it holds numbers of choices, 1-{CLASSES}",
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
        """Take the logits, floats (n, 1000), of the next n images.

        Raises DataError for NaN, another shape, or more images than there are.
        """
        output = batches.as_array(output, "output")
        if output.ndim != 2 or output.dtype.kind != "f":
            raise DataError(
                f"`output` is {output.dtype} {output.shape}; logits are floats (n, {CLASSES})",
                parameter="output",
                value=output.shape,
            )
        left = IMAGES - self.sample_idx
        if len(output) > left:
            raise DataError(
                f"there are {len(output):,} more results, and {left:,} images are left",
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
        """Return the ReaL top-k accuracy in per cent, or a dict of them by k; NaN where unknown."""
        if k is None:
            return {k: self.get_accuracy(k) for k in self.topk}
        if k not in self.is_correct:
            require_choice("k", k, self.topk)
        hits = self.is_correct[k]
        return sum(hits) / len(hits) * 100 if hits else float("nan")


def _read(path: Path) -> tuple[Any, Any]:
    """Return the images and labels of a file in the form of real.json."""
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
            remedy="Pass a file of the form of real.json, or leave `real_json` out to take the "
            "labels of the store",
        ) from None
    return read.image_id, read.label
