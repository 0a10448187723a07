"""The accuracy of a model, and the limits at which it looks like a mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..schema import quoting
from .shown import Shown

if TYPE_CHECKING:
    import duckdb

    from .rules import Rules

# Guessing is right on about one image in a thousand; the worst real models on about half.
NEAR_CHANCE = 0.02
# The accuracy of every published model is higher. Class ids off by one give up to 4 %.
LOW = 0.1
# No model agrees with labels this often. Only the labels themselves do.
TOO_GOOD = 0.98
# On fewer images such an agreement may be chance.
ENOUGH_IMAGES = 200


@dataclass(frozen=True, kw_only=True, repr=False)
class Accuracy(Shown):
    """The accuracy of a model: the columns of the view `accuracy`, and `unasked_images`.

    Shares are between 0 and 1. Top-5 is None if the predictions have fewer than five ranks. The
    original accuracy is None if the store has no original labels.

    `unasked_images` is the number of scored images whose first choice no rater was asked about
    (view `unasked_predictions`). They count as wrong. It is None if the store has no questions or
    no original labels, and if the labels are not the published ones.
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
    unasked_images: int | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class AccuracyByLabels(Shown):
    """How often a model is right by another label set or rule than the published ReaL accuracy.

    `label_set` is what `labels` named, and `rule` says how it judges. The other fields are those of
    `Accuracy`, without `real_` in their names. The interval is None where `accuracy` is a mean of
    classes.
    """

    model: str
    label_set: str
    rule: str
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    correct_images: int
    scored_images: int
    original_accuracy: float | None
    top5_accuracy: float | None
    original_top5_accuracy: float | None
    predicted_images: int


def stated(
    rows: duckdb.DuckDBPyRelation, rules: Rules, key: tuple[str, ...] = ("model",)
) -> duckdb.DuckDBPyRelation:
    """Return rows that say which labels judge, and how, where it is not plain ReaL accuracy.

    After the columns `key` come `label_set` and `rule`, and no other column has `real_` in its
    name. What raters were asked about says nothing of other labels: `unasked_images` is left out.
    """
    if not rules.is_stated:
        return rows
    columns = [
        f"{quoting.identifier(name)} as {quoting.identifier(name.removeprefix('real_'))}"
        for name in rows.columns
        if name not in (*key, "unasked_images")
    ]
    about = [
        f"{quoting.literal(rules.labels)} as label_set",
        f"{quoting.literal(rules.text)} as rule",
    ]
    return rows.project(", ".join([*map(quoting.identifier, key), *about, *columns]))


def accuracies_by_labels(rows: duckdb.DuckDBPyRelation) -> list[AccuracyByLabels]:
    """Return the rows of the view `accuracy`, as `stated` returns them."""
    columns = rows.columns
    return [AccuracyByLabels(**dict(zip(columns, row, strict=True))) for row in rows.fetchall()]


def accuracies(rows: duckdb.DuckDBPyRelation) -> list[Accuracy]:
    """Return the rows of the view `accuracy`."""
    columns = rows.columns
    return [Accuracy(**dict(zip(columns, row, strict=True))) for row in rows.fetchall()]


def is_near_chance(high: float | None) -> bool:
    """Return whether an accuracy is that of guessing. `high` is the upper end of its interval."""
    return high is not None and high < NEAR_CHANCE


def is_low(high: float | None) -> bool:
    """Return whether an accuracy is far below any published model. `high` is as above."""
    return high is not None and high < LOW


def is_too_good(share: float, images: int) -> bool:
    """Return whether predictions agree with labels so often that they may be the labels."""
    return share >= TOO_GOOD and images >= ENOUGH_IMAGES
