"""The verdict on predictions that no usual mistake explains."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import counted
from ..doubts import Agreement
from ..results import NEAR_CHANCE, is_near_chance, is_too_good
from . import mistakes

# A model has collapsed if its most frequent label covers a larger share of the images than this.
_COLLAPSED = 0.1
# The largest plausible difference between confidence and accuracy, on the most confident images.
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
        return "suspicious", "none of its images has a ReaL label, so it cannot be scored"
    low, high = real.interval
    if is_near_chance(high):
        _, counts = np.unique(stated_label, return_counts=True)
        if counts.max() > _COLLAPSED * len(stated_label):
            return "suspicious", (
                f"its accuracy is that of guessing, and {counts.max():,} of "
                f"{counted(len(stated_label), 'image')} have the same label. Check whether the "
                "model has collapsed, or the label column is another one"
            )
        return "faulty", (
            "the order of the images is lost. The accuracy is that of guessing with every repair, "
            "although the labels are distributed like a model's. A lost order cannot be "
            "recovered. Run the model again, and write each image's name with its prediction in "
            "the prediction loop. Check that the loader does not shuffle, that names and "
            "predictions were not sorted separately, and that the model is trained"
        )
    if low <= NEAR_CHANCE:
        return "suspicious", (
            f"only {counted(real.total, 'image')} with ReaL labels: too few for a verdict"
        )
    doubt = _doubt(truth, image, label, real, confidence)
    if doubt:
        return "suspicious", doubt
    return "sound", "its images, class ids and labels are consistent"


def _not_predictions(
    truth: mistakes.Truth,
    image: npt.NDArray[Any],
    is_known: npt.NDArray[np.bool_],
    agrees: npt.NDArray[np.bool_],
    share: mistakes.Share,
    labels: str,
) -> str | None:
    """Return a doubt if first choices agree with `labels` more often than those of any model.

    The rule is that of `realdb accuracy`: it uses the rated images. It uses all images (`share`) if
    the store does not know which were rated.
    """
    if truth.is_rated is None:
        if not is_too_good(share.value, share.total):
            return None
        return (
            f"the predictions agree with the {labels} on {share.value:.1%} of the images. These "
            f"may be the {labels}, not predictions"
        )
    counts = is_known & truth.is_rated[image]
    agreement = Agreement("", int(np.count_nonzero(counts)), int(np.count_nonzero(counts & agrees)))
    if not agreement.is_doubtful:
        return None
    verb = "are" if agreement.is_ground_truth else "may be"
    return (
        f"the predictions agree with the {labels} on {agreement.text}. These {verb} the {labels}, "
        "not predictions"
    )


def _doubt(
    truth: mistakes.Truth,
    image: npt.NDArray[Any],
    label: npt.NDArray[Any],
    real: mistakes.Share,
    confidence: npt.NDArray[np.float64],
) -> str | None:
    """Return a doubt about the most confident tenth of the predictions, if there is one."""
    if not len(confidence) or real.total < 1000:
        return None
    tenth = len(confidence) // 10
    sure = confidence >= np.partition(confidence, -tenth)[-tenth]
    if sure.mean() > 0.5:
        return None  # most confidences are equal, so there is no most confident tenth
    share = mistakes.real_hits(truth, image[sure], label[sure])
    text = f"{share.value:.1%} of its most confident tenth of predictions are right"
    mean = float(confidence[sure].mean())
    is_probability = confidence.min() >= 0 and confidence.max() <= 1
    if is_probability and share.interval[1] < mean - _OVERCONFIDENT:
        return (
            f"{text}, at a mean confidence of {mean:.1%}. Some predictions may belong to other "
            "images, or the confidence to other predictions"
        )
    if share.interval[1] < real.value:
        return (
            f"{text}, fewer than of all predictions ({real.value:.1%}). Check whether the "
            "confidence column is the right one"
        )
    return None
