"""What judging predictions returns."""

from __future__ import annotations

from dataclasses import dataclass

IMAGES = 50_000


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How often a model is right; the fields are the columns of the view `accuracy`.

    Shares are between 0 and 1. A share is None where it cannot be known: top-5 where the
    predictions have no five ranks, original accuracy where the store has no original labels.
    """

    model: str
    real_accuracy: float | None
    real_accuracy_low: float | None
    real_accuracy_high: float | None
    correct_images: int
    scored_images: int
    original_accuracy: float | None
    real_top5_accuracy: float | None
    original_top5_accuracy: float | None
    predicted_images: int
