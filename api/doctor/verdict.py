"""Judge predictions that no usual mistake explains."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..doubts import Agreement
from ..results import NEAR_CHANCE, is_near_chance, is_too_good
from . import mistakes

# A model whose commonest label is that of more images than this has collapsed.
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
    known = truth.original[image]
    doubt = _not_predictions(truth, image, known >= 0, known == label, original, "original labels")
    doubt = doubt or _not_predictions(
        truth, image, truth.has_real[image], truth.is_real[image, label], real, "ReaL labels"
    )
    if doubt:
        return "suspicious", doubt
    if not real.total:
        return "suspicious", "none of its images has a ReaL label, so nothing can be judged"
    low, high = real.interval
    if is_near_chance(high):
        _, counts = np.unique(stated_label, return_counts=True)
        if counts.max() > _COLLAPSED * len(stated_label):
            return "suspicious", (
                f"it is right no more often than a guess, and {counts.max():,} of "
                f"{len(stated_label):,} images have the same label: did the model collapse, or is "
                "the label column another one?"
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


def _not_predictions(
    truth: mistakes.Truth,
    image: npt.NDArray[Any],
    is_known: npt.NDArray[np.bool_],
    agrees: npt.NDArray[np.bool_],
    share: mistakes.Share,
    labels: str,
) -> str | None:
    """Say that first choices are `labels` where they agree with them as no model does.

    The rule is that of `realdb accuracy`: rated images count, and all images (`share`) only where
    the store does not know which were rated.
    """
    if truth.is_rated is None:
        if not is_too_good(share.value, share.total):
            return None
        return (
            f"these may be the {labels}, not predictions: they agree on {share.value:.1%} of the "
            "images"
        )
    counts = is_known & truth.is_rated[image]
    agreement = Agreement("", int(np.count_nonzero(counts)), int(np.count_nonzero(counts & agrees)))
    if not agreement.is_doubtful:
        return None
    verb = "are" if agreement.is_ground_truth else "may be"
    return f"these {verb} the {labels}, not predictions: they agree on {agreement.text}"


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
    text = f"of the images that it is most confident of, {share.value:.1%} are right"
    mean = float(confidence[sure].mean())
    is_probability = confidence.min() >= 0 and confidence.max() <= 1
    if is_probability and share.interval[1] < mean - _OVERCONFIDENT:
        return (
            f"{text}, at a mean confidence of {mean:.1%}: part of the predictions may belong to "
            "other images, or the confidence to other predictions"
        )
    if share.interval[1] < real.value:
        return f"{text}, fewer than of all ({real.value:.1%}): is that its confidence?"
    return None
