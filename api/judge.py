"""Score predictions with both label sets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import DataError, counted
from . import choices, doubts
from .build import open_store, root_of
from .results import Accuracy, accuracies
from .rules import PUBLISHED_THRESHOLD, Rules, require_choice
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# The view of each value of `by`.
BY = {by: f"accuracy_by_{by.replace('-', '_')}" for by in get_args(choices.AccuracyBy)}
# The view accuracy with the column unasked_images. Images without labels are scored too unless
# `empty` is skip.
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
# The values of `by` that need the class of an image, which is its original label.
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
    """Return the ReaL accuracy of one model, with its interval and the number of images.

    `predictions` is a path, an Arrow table, a pandas or Polars frame, a DuckDB relation, a
    datasets.Dataset, a dict of file name to class id, or a NumPy array in file-name order (or
    another `order`): 50,000 class ids, (50000, k) class ids by rank, or (50000, 1000) logits.
    `accuracy_table` describes the other arguments, and scores several models.

    >>> realdb.accuracy("ViT.csv").real_accuracy  # doctest: +SKIP
    0.8398701880991524
    """
    options = (empty, columns, input_format, order, ranks, drop_repeats, scores)
    is_published = options == ("skip", None, None, None, None, False, None)
    is_published &= threshold in (None, PUBLISHED_THRESHOLD)
    numpy = sys.modules.get("numpy")  # an array exists only if NumPy was imported
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
            f"the predictions have {counted(len(found), 'model')} ({names}"
            f"{', …' if len(found) > 5 else ''})",
            count=len(found),
            column="model",
            remedy="Call realdb.accuracy_table with the same arguments to get a row for each",
        )
    return found[0]


def accuracy_table(
    *predictions: object,
    by: str | None = None,
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
    """Return the view `accuracy` for predictions: a row for each model.

    Each of `predictions` has a form of `realdb.accuracy`, or is a list of them. The result has the
    additional column `unasked_images`, as in `Accuracy`.

    `by` returns a breakdown instead: class, label-count or animal. `threshold` selects the labels
    of another operating point (view `labels_at`). `empty` is the rule for images without labels:
    skip ignores them (as in the paper), wrong counts them as wrong, original uses the original
    label. `scores` is a file of other scores for the labels (see `realdb.scores`). The threshold is
    then `threshold`, else the one in the file. `model`, `columns`, `input_format`, `order`, `ranks`
    and `drop_repeats` are as in `ingest.predictions.add`. A folder or a pattern stands for its
    files. With `model` they are the parts of one model. With `engine` (see `api.spark`) the views
    run there, on flat Parquet files that the engine can read.

    Raises DataError for invalid predictions, for missing images if `require_complete` is set, and
    for the original labels unless `allow_ground_truth` is set. (Predictions are the original labels
    if they agree on 95 % of at least 500 rated images.) Warns of allowed ground truth, of missing
    images, and of figures that look like a mistake.
    """
    rules = Rules(threshold=threshold, empty=empty, scores=scores)
    if by is not None:
        require_choice("by", by, tuple(BY))
    views = ["accuracy", *([BY[by]] if by else [])]
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
    counts_unasked = by is None and rules.is_published and "questions" in opened.names
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
            parts = there.table(BY[by]) if by else answer
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
    # Use a table, because a relation would be computed at each read.
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
    return session.view(BY[by]).order("all") if by else answer
