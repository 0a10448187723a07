"""Judge predictions by both label sets."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import DataError, RealdbWarning
from ..schema.tables import IMAGES
from . import choices
from .build import root_of
from .results import Accuracy, is_near_chance, is_too_good
from .rules import PUBLISHED_THRESHOLD, Rules, require_choice
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# The view that answers each breakdown.
BY = {by: f"accuracy_by_{by.replace('-', '_')}" for by in get_args(choices.AccuracyBy)}
# Those that ask for the class of an image, which is its original label.
_BY_ORIGINAL = ("class", "animal")


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
    options = (threshold, empty, columns, input_format, order, scores)
    is_published = options == (PUBLISHED_THRESHOLD, "skip", None, None, None, None)
    numpy = sys.modules.get("numpy")  # where it was never imported, there is no array
    if is_published and numpy and type(predictions) is numpy.ndarray:
        from . import warm

        known = warm.accuracy(predictions, root_of(store), model or "predictions")
        if known is not None:
            _warn([known], {known.model: predictions}, require_complete)
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
            f"these predictions are of {len(found)} models ({names}"
            f"{', …' if len(found) > 5 else ''})",
            count=len(found),
            column="model",
            remedy="realdb.accuracy_table returns a row for each",
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
    `api.spark`) the views run there, over flat Parquet files that it can see.

    Raises DataError where predictions are refused, or do not cover all 50,000 images although
    `require_complete`. Warns where they cover only part, and where a figure looks like a mistake.
    """
    rules = Rules(threshold=threshold, empty=empty, scores=scores)
    if by is not None:
        require_choice("by", by, tuple(BY))
    views = ["accuracy", *([BY[by]] if by else [])]
    original_for = f"by {by}" if by in _BY_ORIGINAL else None
    if engine is not None:
        from . import spark

        spark.require_plain(model=model, columns=columns, input_format=input_format, order=order)
        with spark.judging(
            engine,
            predictions,
            views,
            rules=rules,
            store=store,
            offline=offline,
            progress=progress,
            original_for=original_for,
        ) as there:
            answers = [there.table(view) for view in views]
        _warn(_accuracies(answers[0]), {}, require_complete)
        return answers[-1].order("all")
    session = Session(store, views=views, rules=rules, offline=offline, progress=progress)
    read_from = session.add(
        predictions, model=model, columns=columns, input_format=input_format, order=order
    )
    session.prepare(original_for=original_for)
    # Kept as a table: a relation would be computed anew each time that it is read.
    session.con.execute(
        "create table answer as from accuracy order by list_position($1, model)", [list(read_from)]
    )
    answer = session.con.table("answer")
    _warn(_accuracies(answer), read_from, require_complete)
    return session.view(BY[by]).order("all") if by else answer


def _accuracies(rows: duckdb.DuckDBPyRelation) -> list[Accuracy]:
    columns = rows.columns
    return [Accuracy(**dict(zip(columns, row, strict=True))) for row in rows.fetchall()]


def _warn(
    accuracies: list[Accuracy], read_from: Mapping[str, object], require_complete: bool
) -> None:
    """Warn of what the reader of these figures should know."""
    for result in accuracies:
        if result.predicted_images < IMAGES:
            text = (
                f"{result.model} covers {result.predicted_images:,} of the {IMAGES:,} images; it "
                f"is scored on the {result.scored_images:,} of them that have ReaL labels"
            )
            if require_complete:
                raise DataError(
                    text + ", and `require_complete=True` asks for all",
                    count=IMAGES - result.predicted_images,
                    parameter="require_complete",
                )
            warnings.warn(text, RealdbWarning, stacklevel=3)
        if result.original_accuracy is None:
            text = "the store has no original labels, so there is no original accuracy"
            warnings.warn(text, RealdbWarning, stacklevel=3)
        elif is_too_good(result.original_accuracy, result.predicted_images):
            warnings.warn(
                f"{result.model} agrees with the original labels on {result.original_accuracy:.1%} "
                "of the images. These may be the original labels, not predictions",
                RealdbWarning,
                stacklevel=3,
            )
        if is_near_chance(result.real_accuracy_high):
            warnings.warn(
                f"{result.model} is near chance. Its images may be in another order, or its class "
                "ids may not be 0-999 in the order of the sorted WordNet ids. To find out, run: "
                + _doctor_of(read_from.get(result.model)),
                RealdbWarning,
                stacklevel=3,
            )


def _doctor_of(predictions: object) -> str:
    """Return the command, or the call, that finds out what is wrong with predictions."""
    if not isinstance(predictions, str | Path):
        return "realdb.doctor"
    import shlex

    return f"realdb doctor {shlex.quote(str(predictions))}"
