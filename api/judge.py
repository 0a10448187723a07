"""Judge predictions by both label sets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import DataError, UsageError
from . import choices, doubts
from .build import open_store, root_of
from .results import Accuracy, accuracies
from .rules import PUBLISHED_THRESHOLD, Rules, require_choice
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# The view that answers each breakdown.
BY = {by: f"accuracy_by_{by.replace('-', '_')}" for by in get_args(choices.AccuracyBy)}
# The view accuracy with the column unasked_images, and without the view unasked_predictions. Where
# images without labels do not stay out, they are scored too.
_WITH_UNASKED = """
    with unasked as (
        select u.model, count(*) as images
        from unasked_predictions as u
        where u.is_scored or $empty <> 'skip'
        group by u.model
    )

    select
        a.*,
        case when a.original_accuracy is not null then coalesce(u.images, 0) end as unasked_images
    from accuracy as a
    left join unasked as u on a.model = u.model
"""
_WITHOUT_UNASKED = "select a.*, cast(null as bigint) as unasked_images from accuracy as a"
# What the reader of the view expected_accuracy must know.
OVERCONFIDENT = (
    "the scores are overconfident: of labels with a score from 0.97 to 0.999, independent raters "
    "confirm 76 % (Shankar et al. 2020), so that error_from_labels is too small"
)
# Those that ask for the class of an image, which is its original label.
_BY_ORIGINAL = ("class", "animal")


def accuracy(
    predictions: object,
    *,
    model: str | None = None,
    threshold: float | None = None,
    empty: str = "skip",
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    require_complete: bool = False,
    allow_ground_truth: bool = True,
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
    options = (empty, columns, input_format, order, ranks, drop_repeats, scores)
    is_published = options == ("skip", None, None, None, None, False, None)
    is_published &= threshold in (None, PUBLISHED_THRESHOLD)
    numpy = sys.modules.get("numpy")  # where it was never imported, there is no array
    if is_published and numpy and type(predictions) is numpy.ndarray:
        from . import warm

        known = warm.accuracy(predictions, root_of(store), model or "predictions")
        if known is not None:
            result, agreement = known
            doubts.warn(
                [result],
                {result.model: agreement},
                {},
                has_rated=agreement.rated_images > 0,
                require_complete=require_complete,
                allow_ground_truth=allow_ground_truth,
            )
            return result
    rows = accuracy_table(
        predictions,
        model=model,
        threshold=threshold,
        empty=empty,
        columns=columns,
        input_format=input_format,
        order=order,
        ranks=ranks,
        drop_repeats=drop_repeats,
        require_complete=require_complete,
        allow_ground_truth=allow_ground_truth,
        scores=scores,
        store=store,
        offline=offline,
    )
    found = accuracies(rows)
    if len(found) != 1:
        names = ", ".join(each.model for each in found[:5])
        raise DataError(
            f"these predictions are of {len(found)} models ({names}"
            f"{', …' if len(found) > 5 else ''})",
            count=len(found),
            column="model",
            remedy="realdb.accuracy_table, with the same arguments, returns a row for each",
        )
    return found[0]


def accuracy_table(
    *predictions: object,
    by: str | None = None,
    label_uncertainty: bool = False,
    model: str | None = None,
    threshold: float | None = None,
    empty: str = "skip",
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    require_complete: bool = False,
    allow_ground_truth: bool = True,
    scores: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    engine: str | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the view `accuracy` for the given predictions: a row for each model.

    `predictions` are one or more, or lists of them, each as in `realdb.accuracy`. A column
    `unasked_images` is added, as in `Accuracy`.

    `by` asks for one of its breakdowns instead: class, label-count or animal; `label_uncertainty`
    for the view `expected_accuracy`, in which each label counts by its score. `threshold` judges by
    the labels of another operating point (view `labels_at`). `empty` says what becomes of an image
    without labels: skip leaves it out, as the paper does, wrong counts it as wrong, original judges
    it by its original label. `scores` is a file of other scores (see `realdb.scores`) that make the
    labels, at the threshold that the file records unless there is a `threshold`. `model`,
    `columns`, `input_format`, `order`, `ranks` and `drop_repeats` are as in
    `ingest.predictions.add`; a folder or a pattern means its files, which are the parts of one
    model if `model` names it. With `engine` (see `api.spark`) the views run there, over flat
    Parquet files that it can see.

    Raises DataError where predictions are refused, do not cover all 50,000 images although
    `require_complete`, or are the original labels (they agree with them on 95 % of at least 500
    rated images) unless `allow_ground_truth`. Warns of the latter where it is allowed, of
    predictions that cover only part, and where a figure looks like a mistake.
    """
    rules = Rules(threshold=threshold, empty=empty, scores=scores)
    if by is not None:
        require_choice("by", by, tuple(BY))
    instead = BY[by] if by else None
    if label_uncertainty:
        instead = "expected_accuracy"
        _require_scores_alone(by=by, threshold=threshold, empty=None if empty == "skip" else empty)
    views = ["accuracy", *([instead] if instead else [])]
    if engine is not None:
        from ..ingest.locate import flat
        from . import spark

        spark.require_plain(
            model=model,
            columns=columns,
            input_format=input_format,
            order=order,
            ranks=ranks,
            drop_repeats=drop_repeats or None,
        )
    opened = open_store(store, offline, progress)
    counts_unasked = instead is None and rules.is_published and "questions" in opened.names
    views += ["unasked_predictions"] if counts_unasked else []
    select = _WITH_UNASKED if counts_unasked else _WITHOUT_UNASKED
    bound: dict[str, object] = {"empty": rules.empty} if counts_unasked else {}
    original_for = f"by {by}" if by in _BY_ORIGINAL else None
    if engine is not None:
        with spark.judging(
            engine,
            [*flat(predictions)],
            [*views, doubts.VIEW],
            rules=rules,
            store=opened,
            progress=progress,
            original_for=original_for,
        ) as there:
            answer = there.query(select, bound)
            parts = there.table(instead) if instead else answer
            agreeing = there.table(doubts.VIEW).fetchall()
        doubts.warn(
            accuracies(answer),
            {row[0]: doubts.Agreement(*row) for row in agreeing},
            {},
            require_complete=require_complete,
            allow_ground_truth=allow_ground_truth,
        )
        return parts.order("all")
    session = Session(opened, views=[*views, doubts.VIEW], rules=rules)
    read_from = session.add(
        predictions,
        model=model,
        columns=columns,
        input_format=input_format,
        order=order,
        ranks=ranks,
        drop_repeats=drop_repeats,
    )
    session.prepare(original_for=original_for)
    # Kept as a table: a relation would be computed anew each time that it is read.
    session.con.execute(
        f"create table answer as from ({select}) order by list_position($models, model)",
        {**bound, "models": list(read_from)},
    )
    answer = session.con.table("answer")
    doubts.warn(
        accuracies(answer),
        doubts.agreements(session),
        read_from,
        has_rated=doubts.knows_rated(session.store),
        require_complete=require_complete,
        allow_ground_truth=allow_ground_truth,
    )
    doubts.warn_of_parts(session, accuracies(answer))
    return session.view(instead).order("all") if instead else answer


def _require_scores_alone(**options: object) -> None:
    """Raise UsageError where an option is set that says which labels count: here all do."""
    for name, value in options.items():
        if value is not None:
            raise UsageError(
                f"`{name}` cannot be used with `label_uncertainty`: each label counts by its score",
                parameter=name,
                value=value,
            )
