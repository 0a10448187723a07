"""ReaL accuracy as a torchmetrics.Metric. Only `as_torchmetric` imports this module."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # type: ignore[import-not-found, unused-ignore]
import torchmetrics  # type: ignore[import-not-found, unused-ignore]

from ..schema.tables import IMAGES
from . import batches
from .labels import hits_of, original_labels, padded, rows
from .rules import EMPTY_RULES

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOP5 = 5


class RealAccuracyMetric(torchmetrics.Metric):  # type: ignore[misc, unused-ignore]
    """ReaL accuracy over batches, devices and processes.

    `topk`, `threshold`, `empty` and `store` are as in `RealAccuracy`. `options` are those of
    torchmetrics, such as `sync_on_compute`.

    `update(preds, images)` has the arguments of `RealAccuracy.update`. `compute` and `forward`
    return a dict of tensors: the shares `real_accuracy` and `original_accuracy`, and with 5 in topk
    also `real_top5_accuracy` and `original_top5_accuracy`. These are columns of the view
    `accuracy`. NaN means unknown. All states are sums, which can be added over processes.

    A repeated image raises DataError in `update`, or in `compute` if it is repeated in two
    processes or in `forward`. torch's DistributedSampler repeats images if it cannot split them
    evenly. Use a sampler that does not pad.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    def __init__(
        self,
        topk: Iterable[int],
        threshold: float,
        empty: str,
        store: str | PathLike[str] | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.depth, self.empty = max(topk), empty
        self._original = original_labels(store)[:, None]
        self._real = padded(*rows(threshold=threshold, store=store))
        if empty == "original":
            is_empty = self._real[:, 0] < 0
            self._real[is_empty, 0] = self._original[is_empty, 0]
        zeros = torch.zeros(IMAGES, dtype=torch.int32)
        self.add_state("times_seen", zeros, dist_reduce_fx="sum")
        for of in self._counted:
            for what in ("scored", "correct"):
                self.add_state(f"{of}_{what}", torch.tensor(0), dist_reduce_fx="sum")
        # A MetricCollection updates only one of several metrics with equal states after the first
        # batch. This state makes metrics with different rules differ.
        rule = [float(threshold), float(EMPTY_RULES.index(empty))]
        self.add_state("rule", torch.tensor(rule), dist_reduce_fx="max")

    def update(self, preds: Any, images: Any) -> None:
        """Add the predictions for `images`; see `RealAccuracy.update`."""
        rows = batches.image_ids(images).astype(np.int64) - 1
        labels = batches.choices(preds, len(rows), self.depth)
        places = torch.from_numpy(rows).to(self.times_seen.device)
        is_twice = (self.times_seen[places] > 0).cpu().numpy()
        batches.refuse_repeats(rows[is_twice] + 1, "here and in an earlier update")
        self.times_seen[places] += 1
        for of, table in (("real", self._real), ("original", self._original)):
            hits = hits_of(labels, table[rows])
            is_scored = table[rows, 0] >= 0
            if of == "real" and self.empty == "wrong":
                is_scored[:] = True
            self._count(of, is_scored, hits[:, :1])
            if self.depth == TOP5:
                self._count(f"{of}_top5", is_scored & (labels[:, -1] >= 0), hits)

    def compute(self) -> dict[str, torch.Tensor]:
        """Return the shares of the predictions so far; DataError for a repeated image."""
        twice = np.flatnonzero((self.times_seen > 1).cpu().numpy())
        batches.refuse_repeats(twice + 1, "in two processes or batches")
        shares = {}
        # Apple's GPUs have no doubles.
        dtype = torch.float32 if self.times_seen.device.type == "mps" else torch.float64
        for of in self._counted:
            scored, correct = getattr(self, f"{of}_scored"), getattr(self, f"{of}_correct")
            # Top-5 is known only if every image with a known top-1 has five ranks.
            is_known = scored == getattr(self, f"{of.removesuffix('_top5')}_scored")
            share = torch.where(is_known, correct.to(dtype) / scored, torch.nan)
            shares[f"{of}_accuracy"] = share
        return shares

    @property
    def _counted(self) -> tuple[str, ...]:
        """The names of the shares. Each has a count of scored and of correct images."""
        top5 = ("real_top5", "original_top5") if self.depth == TOP5 else ()
        return ("real", "original", *top5)

    def _count(self, of: str, is_scored: NDArray[Any], hits: NDArray[Any]) -> None:
        is_correct = is_scored & hits.any(axis=1)
        for what, found in (("scored", is_scored), ("correct", is_correct)):
            state = f"{of}_{what}"
            setattr(self, state, getattr(self, state) + int(found.sum()))
