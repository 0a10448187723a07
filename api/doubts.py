"""Warnings on results: missing images, original labels, and signs of a mistake."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DataError, RealdbWarning, counted
from ..ingest.options import ENOUGH_RATED, FEWEST_RATED, GROUND_TRUTH
from ..schema.tables import IMAGES
from .results import Accuracy, is_low, is_near_chance, is_too_good

if TYPE_CHECKING:
    from ..store.store import Store
    from .session import Session

# The view that counts the agreement of models with the original labels.
VIEW = "original_agreement"
# Of more models with missing images, one warning has their number.
_MOST = 5


class Agreement(NamedTuple):
    """The number of rated images whose first choice is the original label.

    The doctor also counts ReaL labels in this way, with the same limits.
    """

    model: str
    rated_images: int
    agreeing_images: int

    @property
    def is_doubtful(self) -> bool:
        """The predictions may be the original labels."""
        return (
            self.rated_images >= FEWEST_RATED
            and self.agreeing_images >= GROUND_TRUTH * self.rated_images
        )

    @property
    def is_ground_truth(self) -> bool:
        """The predictions are the original labels, or are derived from them."""
        return self.is_doubtful and self.rated_images >= ENOUGH_RATED

    @property
    def text(self) -> str:
        """The counts, for a message."""
        return f"{self.agreeing_images:,} of {self.rated_images:,} rated images"


def knows_rated(store: Store) -> bool:
    """Return whether the store knows which images were rated: the column images.is_rated."""
    return "questions" in store.tables


def agreements(session: Session) -> dict[str, Agreement]:
    """Return the rows of the view, by model. The session must be prepared with the view."""
    found = (Agreement(*row) for row in session.view(VIEW).fetchall())
    return {row.model: row for row in found}


def warn(
    accuracies: Iterable[Accuracy],
    agreements: Mapping[str, Agreement],
    read_from: Mapping[str, object],
    *,
    has_rated: bool = True,
    require_complete: bool = False,
    allow_ground_truth: bool = True,
    labels: str = "real",
    stacklevel: int = 3,
) -> list[str]:
    """Warn of what the reader of these figures should know; return the warnings.

    `read_from` maps each model to its source. `has_rated` is whether the store knows which images
    were rated, and `labels` is the label set. Raises DataError if images are missing and
    `require_complete` is set, or if a model is the ground truth and `allow_ground_truth` is not
    set.
    """
    results = list(accuracies)
    partial = [result for result in results if result.predicted_images < IMAGES]
    found = [_coverage(result, labels) for result in partial]
    if partial and require_complete:
        raise DataError(
            f"{found[0]}. `require_complete=True` requires all images",
            count=IMAGES - partial[0].predicted_images,
            parameter="require_complete",
        )
    if len(found) > _MOST:
        fewest = min(partial, key=lambda result: result.predicted_images)
        found = [
            f"{len(partial):,} of {counted(len(results), 'model')} do not cover all {IMAGES:,} "
            f"images. The fewest: {_coverage(fewest, labels)}"
        ]
    for result in results:
        found += _doubts(
            result,
            agreements.get(result.model),
            read_from.get(result.model),
            has_rated=has_rated,
            allow_ground_truth=allow_ground_truth,
            labels=labels,
        )
    doubts = list(dict.fromkeys(found))
    for doubt in doubts:
        warnings.warn(doubt, RealdbWarning, stacklevel=stacklevel)
    return doubts


def warn_of_parts(
    session: Session, accuracies: Iterable[Accuracy], *, stacklevel: int = 3
) -> list[str]:
    """Warn of models that have no common image: their files may be parts of one model.

    Return the warnings.
    """
    parts = [result for result in accuracies if result.predicted_images < IMAGES]
    images = sum(result.predicted_images for result in parts)
    if len(parts) < 2 or images > IMAGES:
        return []
    (different,) = session.con.execute(
        f"select count(distinct image_id) from {session.added} where list_contains($1, model)",  # noqa: S608
        [[result.model for result in parts]],
    ).fetchall()[0]
    if different != images:
        return []
    text = (
        f"{len(parts)} models have no common image, and {counted(images, 'image')} in total. "
        'If these are parts of one model, set `model="NAME"`'
    )
    warnings.warn(text, RealdbWarning, stacklevel=stacklevel)
    return [text]


def _coverage(result: Accuracy, labels: str) -> str:
    """Return how many images a model covers, and on how many it is scored."""
    return (
        f"{result.model} covers only {result.predicted_images:,} of the {IMAGES:,} images. It is "
        f"scored on the {result.scored_images:,} of them with "
        + ("ReaL labels" if labels == "real" else f"labels of {labels}")
    )


def _doubts(
    result: Accuracy,
    agreement: Agreement | None,
    source: object,
    *,
    has_rated: bool,
    allow_ground_truth: bool,
    labels: str,
) -> Iterable[str]:
    is_real = labels == "real"
    if result.original_accuracy is None:
        yield "there is no original accuracy, because the store has no original labels"
    elif agreement and agreement.is_doubtful:
        yield _ground_truth(agreement, source, allow_ground_truth=allow_ground_truth)
    elif not has_rated and is_too_good(result.original_accuracy, result.predicted_images):
        yield (
            f"{result.model} agrees with the original labels on {result.original_accuracy:.1%} "
            "of the images. These may be the original labels, not predictions"
        )
    if is_near_chance(result.real_accuracy_high):
        yield (
            f"the accuracy of {result.model} is near chance. Its images may be in another order, "
            "or its class ids may not be 0-999 in the order of the sorted WordNet ids. To find "
            f"the cause, run: {_doctor_of(source)}"
        )
    # A label set may judge the hardest images alone.
    elif is_real and is_low(result.real_accuracy_high):
        yield (
            f"the accuracy of {result.model} is {result.real_accuracy:.1%}, far below any "
            "published model. Its class ids may be shifted, or part of its images may be in "
            f"another order. To find the cause, run: {_doctor_of(source)}"
        )


def _ground_truth(agreement: Agreement, source: object, *, allow_ground_truth: bool) -> str:
    """Return the warning; DataError if it is the ground truth and this is not allowed."""
    text = f"{agreement.model} agrees with the original labels on {agreement.text}"
    if agreement.is_ground_truth and not allow_ground_truth:
        raise DataError(
            f"{text}. These are the original labels, not predictions",
            file=source if isinstance(source, str | Path) else None,
            column="label",
            value=agreement.model,
            count=agreement.agreeing_images,
            parameter="allow_ground_truth",
            remedy='Set the column of the predictions with `columns={"label": "NAME"}`; to score '
            "the original labels, use `allow_ground_truth=True`",
        )
    is_sure = "These are" if agreement.is_ground_truth else "These may be"
    return f"{text}. {is_sure} the original labels, not predictions"


def _doctor_of(predictions: object) -> str:
    """Return the command or the call that diagnoses predictions."""
    from ..ingest.locate import path_or_name

    name = path_or_name(predictions)
    if name is None:
        return "realdb.doctor"
    import shlex

    return f"realdb doctor {shlex.quote(str(name))}"
