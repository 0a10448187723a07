"""Judge predictions that no usual mistake explains."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..results import NEAR_CHANCE, is_near_chance, is_too_good
from . import mistakes

# A model that says one label for more images than this has collapsed.
_COLLAPSED = 0.1
# How far a model's confidence, where it is highest, may lie above its accuracy there.
_OVERCONFIDENT = 0.3


def judge(
    truth: mistakes.Truth,
    image: npt.NDArray[Any],
    label: npt.NDArray[Any],
    stated_label: npt.NDArray[Any],
    real: mistakes.Share,
    original: mistakes.Share,
    confidence: npt.NDArray[np.float64],
) -> tuple[str, str]:
    """Return the verdict on predictions that no usual mistake explains, and the reason."""
    if not real.total:
        return "suspicious", "none of its images has a ReaL label, so nothing can be judged"
    for share, labels in ((original, "original labels"), (real, "ReaL labels")):
        if is_too_good(share.value, share.total):
            return "suspicious", (
                f"these seem to be the {labels} themselves, no predictions: they agree on "
                f"{share.value:.1%} of the images"
            )
    low, high = real.interval
    if is_near_chance(high):
        _, counts = np.unique(stated_label, return_counts=True)
        if counts.max() > _COLLAPSED * len(stated_label):
            return "suspicious", (
                f"it is right no more often than a guess, and gives {counts.max():,} of "
                f"{len(stated_label):,} images the same label: did the model collapse, or is the "
                "label column another one?"
            )
        return "faulty", (
            "the order of the images is lost: it is right no more often than a guess under every "
            "usual mistake, while its labels are spread as a model's are. An order that is lost "
            "cannot be found again: write each image's name beside its prediction, in the loop "
            "that predicts (and see that no loader shuffles, that names and predictions were not "
            "sorted apart, and that the model is a trained one)"
        )
    if low <= NEAR_CHANCE:
        return "suspicious", f"too few of its images have ReaL labels to tell: {real.total:,}"
    doubt = _doubt(truth, image, label, real, confidence)
    if doubt:
        return "suspicious", doubt
    return "sound", "its images, class ids and labels fit together"


def _doubt(
    truth: mistakes.Truth,
    image: npt.NDArray[Any],
    label: npt.NDArray[Any],
    real: mistakes.Share,
    confidence: npt.NDArray[np.float64],
) -> str | None:
    """Say what is odd about the tenth of the images that the model is most confident of."""
    if not len(confidence) or real.total < 1000:
        return None
    tenth = len(confidence) // 10
    sure = confidence >= np.partition(confidence, -tenth)[-tenth]
    if sure.mean() > 0.5:
        return None  # nearly all are as confident: there is no tenth
    share = mistakes.real_hits(truth, image[sure], label[sure])
    stands = f"of the images that it is most confident of, {share.value:.1%} are right"
    mean = float(confidence[sure].mean())
    is_probability = confidence.min() >= 0 and confidence.max() <= 1
    if is_probability and share.interval[1] < mean - _OVERCONFIDENT:
        return (
            f"{stands}, at a mean confidence of {mean:.1%}: part of the predictions may stand "
            "beside other images, or the confidence beside other predictions"
        )
    if share.interval[1] < real.value:
        return f"{stands}, fewer than of all ({real.value:.1%}): is that its confidence?"
    return None
