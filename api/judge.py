"""Judge predictions by both label sets."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, RealdbWarning, UsageError
from ..queries import catalog
from . import warm
from .build import open_store, root_of
from .results import IMAGES, Accuracy
from .rules import (
    PUBLISHED_THRESHOLD,
    check_rules,
    judge_by,
    require_original_labels,
    rules_for,
)

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# What `by` may name, and the view that answers.
BY = {
    "class": "accuracy_by_class",
    "label-count": "accuracy_by_label_count",
    "animal": "accuracy_by_animal",
}
# Those that ask for the class of an image, which is its original label.
_BY_ORIGINAL = ("class", "animal")
# A guess is right on about one image in a thousand; the worst real models on about half.
_NEAR_CHANCE = 0.02
# No model agrees with the original labels as closely as the labels themselves do.
_TOO_GOOD = 0.98
# On fewer images either may happen by luck.
_ENOUGH = 500


def accuracy(
    predictions: object,
    *,
    model: str | None = None,
    threshold: float = PUBLISHED_THRESHOLD,
    empty: str = "skip",
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    require_complete: bool = False,
    scores: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
) -> Accuracy:
    """Return the ReaL accuracy of one model, with what is needed to trust it.

    `predictions` is a path, an Arrow table, a pandas or Polars frame, a DuckDB relation, a
    datasets.Dataset, a dict of file name to class id, or a NumPy array in file-name order (or
    another `order`): 50,000 class ids, (50000, k) class ids by rank, or (50000, 1000) logits. See
    `accuracy_table` for the rest, and for several models.

    >>> realdb.accuracy("ViT.csv").real_accuracy  # doctest: +SKIP
    0.8398701880991524
    """
    choices = (threshold, empty, columns, input_format, order, scores)
    is_published = choices == (PUBLISHED_THRESHOLD, "skip", None, None, None, None)
    numpy = sys.modules.get("numpy")  # where it was never imported, there is no array
    if is_published and numpy and type(predictions) is numpy.ndarray:
        known = warm.accuracy(predictions, root_of(store), model or "predictions")
        if known is not None:
            _look_at([known], {known.model: predictions}, require_complete)
            return known
    rows = accuracy_table(
        predictions,
        model=model,
        threshold=threshold,
        empty=empty,
        columns=columns,
        input_format=input_format,
        order=order,
        require_complete=require_complete,
        scores=scores,
        store=store,
        offline=offline,
    )
    found = _accuracies(rows)
    if len(found) != 1:
        names = ", ".join(each.model for each in found[:5])
        raise DataError(
            f"there are {len(found)} models in these predictions ({names}"
            f"{', …' if len(found) > 5 else ''}); realdb.accuracy_table gives a row for each"
        )
    return found[0]


def accuracy_table(
    *predictions: object,
    by: str | None = None,
    model: str | None = None,
    threshold: float = PUBLISHED_THRESHOLD,
    empty: str = "skip",
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    require_complete: bool = False,
    scores: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    engine: str | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the view `accuracy` for the given predictions: a row for each model.

    `by` asks for one of its breakdowns instead: class, label-count or animal. `threshold` judges by
    the labels of another operating point (view `labels_at`). `empty` says what becomes of an image
    without labels: skip leaves it out, as the paper does, wrong counts it as wrong, original judges
    it by its original label. `scores` is a file of other scores (see `realdb.scores`) that make the
    labels. `model`, `columns`, `input_format` and `order` are as in
    `ingest.predictions.add`; a folder or a pattern stands for its files. With `engine` (see
    `api.engine`) the views run there, over flat Parquet files that it can see.

    Raises DataError where predictions are refused, or do not cover all 50,000 images although
    `require_complete`. Warns where they cover only part, and where a figure looks like a mistake.
    """
    check_rules(threshold=threshold, empty=empty)
    if by is not None and by not in BY:
        raise UsageError(f"by is one of {', '.join(BY)}; not {by!r}")
    asked = ["accuracy", *([BY[by]] if by else [])]
    original_for = f"by {by}" if by in _BY_ORIGINAL else None
    if empty == "original":
        original_for = original_for or "empty original"
    if engine is not None:
        from . import engine as engines

        engines.require_plain(model=model, columns=columns, input_format=input_format, order=order)
        with engines.judging(
            engine,
            predictions,
            asked,
            threshold=threshold,
            empty=empty,
            scores=scores,
            store=store,
            offline=offline,
            progress=progress,
            original_for=original_for,
        ) as session:
            answers = [session.table(view) for view in asked]
        _look_at(_accuracies(answers[0]), {}, require_complete)
        return answers[-1].order("all")
    from ..ingest import predictions as reading
    from ..ingest.expand import expand

    sources = expand(predictions)
    if model is not None and len(sources) > 1:
        raise UsageError(
            f"model (--model) names one set of predictions, and {len(sources)} were given: without "
            "it each is named by its file's stem"
        )
    opened = open_store(store, offline, progress)
    rules = rules_for(threshold=threshold, scores=scores)
    # A label in words, or an array in the order of class folders, needs the classes.
    con = opened.connect({*catalog.tables_of(*asked, *rules), "images", "classes", "questions"})
    given_as: dict[str, object] = {}
    for source in sources:
        added = reading.add(
            con,
            source.given,
            model=model or source.model,
            columns=columns,
            input_format=input_format,
            order=order,
        )
        given_as |= dict.fromkeys(added, source.given)
    models = list(given_as)
    catalog.install(con, opened.names, [*asked, *rules])
    if original_for:
        require_original_labels(con, original_for)
    judge_by(con, threshold=threshold, empty=empty, scores=scores)
    # Kept as a table: a relation would be computed anew each time that it is looked at.
    con.execute("create table answer as from accuracy order by list_position($1, model)", [models])
    _look_at(_accuracies(con.table("answer")), given_as, require_complete)
    return con.view(BY[by]).order("all") if by else con.table("answer")


def _accuracies(rows: duckdb.DuckDBPyRelation) -> list[Accuracy]:
    columns = rows.columns
    return [Accuracy(**dict(zip(columns, row, strict=True))) for row in rows.fetchall()]


def _look_at(
    accuracies: list[Accuracy], given_as: Mapping[str, object], require_complete: bool
) -> None:
    """Warn of what the reader of these figures should know."""
    for result in accuracies:
        if result.predicted_images < IMAGES:
            text = (
                f"{result.model} covers {result.predicted_images:,} of the {IMAGES:,} images; it "
                f"is scored on the {result.scored_images:,} of them that have ReaL labels"
            )
            if require_complete:
                raise DataError(text + ", and --require-complete asks for all")
            warnings.warn(text, RealdbWarning, stacklevel=3)
        if result.original_accuracy is None:
            text = "the store has no original labels, so there is no original accuracy"
            warnings.warn(text, RealdbWarning, stacklevel=3)
        elif result.original_accuracy >= _TOO_GOOD and result.predicted_images >= _ENOUGH:
            warnings.warn(
                f"{result.model} agrees with the original labels on {result.original_accuracy:.1%} "
                "of the images: are these predictions, or the original labels themselves?",
                RealdbWarning,
                stacklevel=3,
            )
        is_near_chance = (result.real_accuracy or 1) < _NEAR_CHANCE or result.real_accuracy == 0
        if is_near_chance and result.scored_images >= _ENOUGH:
            warnings.warn(
                f"{result.model} is near chance: are its images in another order, or its class ids "
                "others than 0-999 in the order of the sorted WordNet ids? To find out: "
                + _doctor_of(given_as.get(result.model)),
                RealdbWarning,
                stacklevel=3,
            )


def _doctor_of(given: object) -> str:
    """Return the command, or the call, that finds out what is wrong with predictions."""
    if not isinstance(given, str | Path):
        return "realdb.doctor"
    import shlex

    return f"realdb doctor {shlex.quote(str(given))}"
