"""The accuracy of an array of class ids without DuckDB, for repeated calls in one process.

All other predictions are scored by the views. A test compares each field with the view `accuracy`,
to the last bit. DuckDB takes 30 ms for 50,000 rows; the loop in ReaL's README takes 3 ms. The
difference matters after every epoch, or for a thousand variants. So this module keeps the labels of
the current build as arrays. A build never changes, and each call reads CURRENT, which names it.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..schema.tables import CLASSES, IMAGES
from ..stats.intervals import wilson
from ..store import store as stores
from .doubts import Agreement
from .results import Accuracy
from .session import Session

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Labels(NamedTuple):
    """Labels by image, int16: `original` and `first`, the first ReaL label. -1 means none.

    `others` are the ReaL labels after the first, and `other_rows` their images, from 0. `asked` are
    the labels that raters were asked about in scored images, and `asked_rows` their images.
    `unrated` is the original label of a scored image that was not rated. `judged_images` is the
    number of images of these two. The three arrays are None if the store has no questions.
    """

    original: NDArray[Any]
    rated: NDArray[Any]
    first: NDArray[Any]
    others: NDArray[Any]
    other_rows: NDArray[Any]
    scored_images: int
    original_images: int
    rated_images: int
    asked: NDArray[Any] | None = None
    asked_rows: NDArray[Any] | None = None
    unrated: NDArray[Any] | None = None
    judged_images: int = 0


def accuracy(predictions: Any, root: Path, model: str) -> tuple[Accuracy, Agreement] | None:
    """Return the rows of the views `accuracy` and `original_agreement` for an array.

    `predictions` is in file-name order. Return None if it is not (50000,) integers 0-999, or if
    there is no build in `root`.
    """
    import numpy as np

    build_id = stores.current(root)
    if build_id is None or predictions.shape != (IMAGES,) or predictions.dtype.kind not in "iu":
        return None
    if predictions.min() < 0 or predictions.max() >= CLASSES:
        return None
    kept = _labels(root, build_id)
    if kept is None:
        return None
    labels = predictions.astype(np.int16)
    # The labels of an image are distinct, so a prediction matches at most one.
    correct = int(np.count_nonzero(labels == kept.first))
    correct += int(np.count_nonzero(labels.take(kept.other_rows) == kept.others))
    is_original = labels == kept.original
    original = int(np.count_nonzero(is_original))
    low, high = wilson(correct, kept.scored_images)
    result = Accuracy(
        model=model,
        real_accuracy=correct / kept.scored_images,
        real_accuracy_low=low,
        real_accuracy_high=high,
        correct_images=correct,
        scored_images=kept.scored_images,
        original_accuracy=original / kept.original_images if kept.original_images else None,
        real_top5_accuracy=None,
        original_top5_accuracy=None,
        predicted_images=IMAGES,
        unasked_images=_unasked_images(kept, labels),
    )
    return result, Agreement(
        model, kept.rated_images, int(np.count_nonzero(is_original & kept.rated))
    )


def _unasked_images(kept: _Labels, labels: NDArray[Any]) -> int | None:
    """Return the number of scored images with a label that no rater was asked about."""
    import numpy as np

    if kept.asked is None or kept.asked_rows is None or not kept.original_images:
        return None
    # The questions of an image are distinct too.
    asked = int(np.count_nonzero(labels.take(kept.asked_rows) == kept.asked))
    asked += int(np.count_nonzero(labels == kept.unrated))
    return kept.judged_images - asked


@functools.lru_cache(maxsize=2)
def _labels(root: Path, build_id: str) -> _Labels | None:
    import numpy as np

    opened = stores.resolve(root)
    if opened.build_id != build_id:  # a new one has just been published
        return None
    with Session(opened, tables=["labels"]) as session:
        con = session.con
        images = con.execute(
            """
            select
                coalesce(original_label, -1) as original,
                coalesce(is_rated and original_label is not null, false) as rated,
                coalesce(is_rated, false) as is_rated,
                coalesce(not is_rated, false) as is_unrated
            from images
            order by image_id
            """
        ).fetchnumpy()
        rows = con.execute("select image_id - 1 as row, position, label from labels").fetchnumpy()
        questions = None
        if "questions" in opened.tables:
            questions = con.execute("select image_id - 1 as row, label from questions").fetchnumpy()
    is_first = rows["position"] == 0
    first = np.full(IMAGES, -1, np.int16)
    first[rows["row"][is_first]] = rows["label"][is_first]
    original = images["original"].astype(np.int16)
    if len(original) != IMAGES or not is_first.any():
        return None
    of_questions: dict[str, Any] = {}
    if questions is not None:
        is_rated = images["is_rated"] & (first >= 0)
        is_asked = is_rated[questions["row"]]
        unrated = np.where(images["is_unrated"] & (first >= 0), original, np.int16(-1))
        of_questions = {
            "asked": questions["label"][is_asked],
            "asked_rows": questions["row"][is_asked].astype(np.intp),
            "unrated": unrated,
            "judged_images": int(is_rated.sum()) + int((unrated >= 0).sum()),
        }
    return _Labels(
        original=original,
        rated=images["rated"],
        first=first,
        others=rows["label"][~is_first],
        other_rows=rows["row"][~is_first].astype(np.intp),
        scored_images=int(is_first.sum()),
        original_images=int((original >= 0).sum()),
        rated_images=int(images["rated"].sum()),
        **of_questions,
    )
