"""The accuracy of an array of class ids in a process that has asked before, without DuckDB.

Everything else is judged by the views, and they say what is right here too: a test compares each
field with the view `accuracy`, to the last bit. But to take 50,000 rows into DuckDB and to ask it
takes 30 ms; the README's loop takes 3, and who judges after every epoch, or tries a thousand
variants, would write it again. So the labels are kept as arrays, of the current build: a build
never changes, and CURRENT, which names it, is read at each call.
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
    """Int16 labels by image: each one's original and first ReaL label (-1 for none), and others.

    `other_rows` are the images, from 0, of `others`, the ReaL labels beyond the first. `asked` are
    the labels that raters were asked about in scored images, `asked_rows`; and `unrated` is the
    original label of a scored image that was not rated (-1 for none). `judged_images` are the
    images of these two. The three arrays are None where the store has no questions.
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
    """Return what the views say of `predictions`, an array in file-name order.

    The views are `accuracy` and `original_agreement`.

    None where it is not (50000,) integers 0-999, or there is no build in `root`.
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
    # An image's labels differ: of all of them a prediction meets one at most.
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
    """Return how many of the scored images have a label that no rater was asked about."""
    import numpy as np

    if kept.asked is None or kept.asked_rows is None or not kept.original_images:
        return None
    # An image's questions differ, as its labels do.
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
