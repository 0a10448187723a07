"""ReaL accuracy from batches of predictions."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
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

# The values of k in the view `accuracy`.
TOPK = (1, 5)


class RealAccuracy:
    """A streaming ReaL accuracy: call `update` for each batch, then `compute`.

    `topk` is (1,), (5,) or (1, 5). Top-1 is always computed. `threshold`, `empty` and `store` are
    as in `realdb.accuracy`. The metric keeps the first choices for each image (0.5 MB), not the
    logits. It can be pickled, and the parts of an evaluation can be merged.

    The constructor raises UsageError for another topk, and StoreError or QueryError if the store
    lacks the required tables, so an evaluation does not run in vain.

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
        store: str | PathLike[str] | None = None,
        offline: bool | None = None,
    ) -> None:
        self.topk = tuple(sorted(set(topk)))
        if not self.topk or not set(self.topk) <= set(TOPK):
            raise UsageError(
                f"`topk` is {self.topk}. It must be (1,), (5,) or (1, 5)",
                parameter="topk",
                value=self.topk,
                remedy="Use realdb.RealLabelsImagenet for other values",
            )
        rules = Rules(threshold=threshold, empty=empty)
        self.model, self.threshold, self.empty = model, threshold, empty
        with Session(store, views=["accuracy"], rules=rules, offline=offline) as session:
            self.store = session.store.root
            if rules.original_for:
                require_original_labels(session.con, rules.original_for)
        self.reset()

    def reset(self) -> None:
        """Remove all predictions."""
        import numpy as np

        # The class of each image and rank; -1 if there is no prediction.
        self._labels = np.full((IMAGES, max(self.topk)), -1, np.int16)

    def update(self, predictions: Any, images: Any) -> None:
        """Add the predictions for `images`. Each image may be added once.

        `predictions` are class ids, integers (n,); class ids by rank, integers (n, k); or logits,
        floats (n, 1000). Of equal logits the lower class id ranks first. `images` are n ids from 1,
        or file names as in a prediction file. Both can be NumPy arrays, torch tensors, or lists.
        Raises DataError if an image is unknown or repeated, a class id is not 0-999, or a logit is
        NaN. Then nothing of the batch is added.
        """
        rows = batches.image_ids(images) - 1
        labels = batches.choices(predictions, len(rows), self._labels.shape[1])
        batches.refuse_repeats(
            rows[self._labels[rows, 0] >= 0] + 1, "here and in an earlier update"
        )
        self._labels[rows] = labels

    def merge(self, other: RealAccuracy) -> None:
        """Add the predictions of `other`, another part of the same evaluation.

        Raises UsageError if it has other settings, DataError if an image is in both. Then nothing
        is added.
        """
        import numpy as np

        for rule in ("topk", "threshold", "empty"):
            if getattr(self, rule) != getattr(other, rule):
                raise UsageError(
                    f"the metrics have a different `{rule}`: {getattr(self, rule)} and "
                    f"{getattr(other, rule)}. Create both with the same value",
                    parameter=rule,
                    value=getattr(other, rule),
                )
        taken = other._labels[:, 0] >= 0
        twice = np.flatnonzero(taken & (self._labels[:, 0] >= 0))
        batches.refuse_repeats(twice + 1, "in both metrics")
        self._labels[taken] = other._labels[taken]

    def compute(self) -> Accuracy:
        """Return the result of `realdb.accuracy` for the predictions so far, with its warnings.

        Top-5 is None if `topk` has no 5, or if an image has fewer than five ranks. Raises DataError
        if there are no predictions.
        """
        import numpy as np
        import pyarrow as pa

        rows, ranks = np.nonzero(self._labels >= 0)
        if not len(rows):
            raise DataError("there are no predictions", remedy="Call update first")
        table = {"image": rows + 1, "rank": ranks + 1, "label": self._labels[rows, ranks]}
        return accuracy(
            pa.table(table),
            model=self.model,
            threshold=self.threshold,
            empty=self.empty,
            store=self.store,
        )

    def as_torchmetric(self, **options: Any) -> RealAccuracyMetric:
        """Return an empty torchmetrics.Metric with the same settings.

        `options` are those of torchmetrics, such as `sync_on_compute`. `RealAccuracyMetric`
        describes the result. Raises UsageError if torchmetrics is not installed.
        """
        try:
            import torchmetrics  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
        except ImportError:
            raise UsageError(
                "as_torchmetric needs torch and torchmetrics, which are not installed",
                remedy="Install them with: pip install torchmetrics. RealAccuracy works without "
                "them",
            ) from None
        from .torchmetric import RealAccuracyMetric

        return RealAccuracyMetric(self.topk, self.threshold, self.empty, self.store, **options)
