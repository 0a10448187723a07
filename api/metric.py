"""ReaL accuracy, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, UsageError
from ..schema.tables import IMAGES
from . import batches
from .judge import accuracy
from .results import Accuracy
from .rules import PUBLISHED_THRESHOLD, Rules, require_original_labels
from .session import Session

if TYPE_CHECKING:
    from .torchmetric import RealAccuracyMetric

# What the view `accuracy` knows.
TOPK = (1, 5)


class RealAccuracy:
    """A streaming ReaL accuracy: give it batch after batch, then ask for the figures.

    `topk` asks for top-1, which is always there, and top-5; `threshold`, `empty` and `store` are as
    in `realdb.accuracy`. It keeps the first choices for each image, not the logits (0.5 MB), may be
    pickled, and parts of an evaluation may be merged.

    Raises UsageError for another topk, StoreError or QueryError where the store cannot answer:
    here, not after the evaluation.

    >>> metric = realdb.RealAccuracy()  # doctest: +SKIP
    >>> for logits, names in batches:
    ...     metric.update(logits, names)
    >>> metric.compute().real_accuracy
    0.8398701880991524
    """

    def __init__(
        self,
        topk: Iterable[int] = TOPK,
        *,
        model: str = "model",
        threshold: float = PUBLISHED_THRESHOLD,
        empty: str = "skip",
        store: str | Path | None = None,
        offline: bool | None = None,
    ) -> None:
        self.topk = tuple(sorted(set(topk)))
        if not self.topk or not set(self.topk) <= set(TOPK):
            raise UsageError(
                f"`topk` is {self.topk}; it is (1,), (5,) or (1, 5)",
                parameter="topk",
                value=self.topk,
                remedy="realdb.RealLabelsImagenet counts for any k",
            )
        rules = Rules(threshold=threshold, empty=empty)
        self.model, self.threshold, self.empty = model, threshold, empty
        with Session(store, views=["accuracy"], rules=rules, offline=offline) as session:
            self.store = session.store.root
            if rules.original_for:
                require_original_labels(session.con, rules.original_for)
        self.reset()

    def reset(self) -> None:
        """Forget the predictions."""
        import numpy as np

        # The class of each image and rank; -1 where none was batches.
        self._labels = np.full((IMAGES, max(self.topk)), -1, np.int16)

    def update(self, predictions: Any, images: Any) -> None:
        """Take the predictions for `images`, of which none may have come before.

        `predictions` are class ids, integers (n,), or by rank (n, k), or logits, floats (n, 1000);
        of equal logits the lower class id ranks first. `images` are n ids from 1, or file names as
        in a prediction file. Both may be NumPy arrays, torch tensors, or lists.
        Raises DataError where an image is unknown or repeated, a class id out of 0-999, or a
        logit NaN; then nothing of the batch is taken.
        """
        rows = batches.image_ids(images) - 1
        labels = batches.choices(predictions, len(rows), self._labels.shape[1])
        batches.refuse_repeats(
            rows[self._labels[rows, 0] >= 0] + 1, "here and in an earlier update"
        )
        self._labels[rows] = labels

    def merge(self, other: RealAccuracy) -> None:
        """Take over the predictions of `other`, another part of the same evaluation.

        Raises UsageError where it judges by other rules, DataError where an image is in both; then
        nothing is taken.
        """
        import numpy as np

        for rule in ("topk", "threshold", "empty"):
            if getattr(self, rule) != getattr(other, rule):
                raise UsageError(
                    f"the metrics differ in `{rule}`: {getattr(self, rule)} and "
                    f"{getattr(other, rule)}",
                    parameter=rule,
                    value=getattr(other, rule),
                )
        taken = other._labels[:, 0] >= 0
        twice = np.flatnonzero(taken & (self._labels[:, 0] >= 0))
        batches.refuse_repeats(twice + 1, "in both metrics")
        self._labels[taken] = other._labels[taken]

    def compute(self) -> Accuracy:
        """Return what `realdb.accuracy` does of the predictions so far, and warn as it does.

        The view `accuracy` judges them. Top-5 is None where it was not asked for, or an image has
        fewer than five ranks. Raises DataError where there are no predictions.
        """
        import numpy as np
        import pyarrow as pa

        rows, ranks = np.nonzero(self._labels >= 0)
        if not len(rows):
            raise DataError("there are no predictions yet", remedy="Call update first")
        table = {"image": rows + 1, "rank": ranks + 1, "label": self._labels[rows, ranks]}
        return accuracy(
            pa.table(table),
            model=self.model,
            threshold=self.threshold,
            empty=self.empty,
            store=self.store,
        )

    def as_torchmetric(self, **options: Any) -> RealAccuracyMetric:
        """Return a torchmetrics.Metric that judges by the same rules, with no predictions yet.

        `options` are torchmetrics' own, such as `sync_on_compute`. See `RealAccuracyMetric` for
        what it computes. Raises UsageError where torchmetrics is not installed.
        """
        try:
            import torchmetrics  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
        except ImportError:
            raise UsageError(
                "as_torchmetric needs torch and torchmetrics, which are not installed",
                remedy="Install them with: pip install torchmetrics. RealAccuracy itself needs "
                "neither",
            ) from None
        from .torchmetric import RealAccuracyMetric

        return RealAccuracyMetric(self.topk, self.threshold, self.empty, self.store, **options)
