"""Score predictions with both label sets."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, overload

from ..errors import DataError, UsageError, counted
from ..schema import quoting
from . import breakdowns, doubts
from .build import open_store, root_of
from .results import Accuracy, AccuracyByLabels, accuracies, accuracies_by_labels, stated
from .rules import PUBLISHED_THRESHOLD, Rules
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# The view of each value of `by`.
BY = {by: f"accuracy_by_{by.replace('-', '_')}" for by in breakdowns.BY}
# The view accuracy with the column unasked_images. Images without labels are scored too unless
# `empty` is skip.
WITH_UNASKED = """
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
WITHOUT_UNASKED = "select a.*, cast(null as bigint) as unasked_images from accuracy as a"
# The rules of plain ReaL accuracy for labels, unclear, problematic, average and match.
_PLAIN = ("real", None, "skip", "micro", None)
# The caveat on the view expected_accuracy.
OVERCONFIDENT = (
    "the scores are overconfident: of labels with a score from 0.97 to 0.999, independent raters "
    "confirm 76 % (Shankar et al. 2020), so that error_from_labels is too small"
)


@overload
def accuracy(
    predictions: object,
    *,
    model: str | None = None,
    threshold: float | None = None,
    empty: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    require_complete: bool = False,
    allow_ground_truth: bool = True,
    scores: str | Path | None = None,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
) -> Accuracy: ...
@overload
def accuracy(
    predictions: object,
    *,
    model: str | None = None,
    threshold: float | None = None,
    empty: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    require_complete: bool = False,
    allow_ground_truth: bool = True,
    scores: str | Path | None = None,
    labels: str = "real",
    unclear: str | None = None,
    problematic: str = "skip",
    average: str = "micro",
    match: str | None = None,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
) -> Accuracy | AccuracyByLabels: ...
def accuracy(
    predictions: object,
    *,
    model: str | None = None,
    threshold: float | None = None,
    empty: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    require_complete: bool = False,
    allow_ground_truth: bool = True,
    scores: str | Path | None = None,
    labels: str = "real",
    unclear: str | None = None,
    problematic: str = "skip",
    average: str = "micro",
    match: str | None = None,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
) -> Accuracy | AccuracyByLabels:
    """Return the ReaL accuracy of one model, with its interval and the number of images.

    `predictions` is a path, an Arrow table, a pandas or Polars frame, a DuckDB relation, a
    datasets.Dataset, a dict of file name to class id, or a NumPy array in file-name order (or
    another `order`): 50,000 class ids, (50000, k) class ids by rank, or (50000, 1000) logits.
    `accuracy_table` describes the other arguments, and scores several models. If `labels`,
    `average` or `match` is set, the result is an `AccuracyByLabels`, which has the rule.

    >>> realdb.accuracy("ViT.csv").real_accuracy  # doctest: +SKIP
    0.8398701880991524
    """
    options = (columns, input_format, order, ranks, drop_repeats, scores)
    is_published = empty in (None, "skip")
    is_published &= options == (None, None, None, None, False, None)
    is_published &= threshold in (None, PUBLISHED_THRESHOLD)
    is_published &= (labels, unclear, problematic, average, match) == _PLAIN
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
        labels=labels,
        unclear=unclear,
        problematic=problematic,
        average=average,
        match=match,
        store=store,
        offline=offline,
    )
    is_stated = "label_set" in rows.columns
    found: Sequence[Accuracy | AccuracyByLabels] = (
        accuracies_by_labels(rows) if is_stated else accuracies(rows)
    )
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
    label_uncertainty: bool = False,
    model: str | None = None,
    threshold: float | None = None,
    empty: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    require_complete: bool = False,
    allow_ground_truth: bool = True,
    scores: str | Path | None = None,
    labels: str = "real",
    unclear: str | None = None,
    problematic: str = "skip",
    average: str = "micro",
    match: str | None = None,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    engine: str | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the view `accuracy` for predictions: a row for each model.

    Each of `predictions` has a form of `realdb.accuracy`, or is a list of them. The result has the
    additional column `unasked_images`, as in `Accuracy`.

    `labels` chooses the labels: a label set (see `realdb.label_sets`), real@0.5 (ReaL at another
    threshold), consensus:2:real,multilabel-v3,… (labels that at least two of the sets call
    correct), any:A,B (labels of either) or all:A,B (labels of both), on images that both label.
    `unclear` is the rule for labels that a set calls unclear: right, wrong, or skip, which ignores
    these images. The default is right for one set and wrong for several. `problematic` is skip or
    keep, for images that a set calls problematic. `average` is micro, the share of the images, or
    class, the mean of the shares of the classes. `match` is a grouping of classes: a prediction is
    right if it shares a group with a label. With `labels`, `average` or `match` the rows have the
    columns `label_set` and `rule`, and no column has `real_` in its name.

    `by` returns a breakdown instead: class, label-count, animal, or a grouping of classes or images
    such as factor (view `accuracy_by_group`). `label_uncertainty` returns the view
    `expected_accuracy` instead, in which each label counts by its score. `threshold` selects the
    labels of another operating point (view `labels_at`). `empty` is the rule for images without
    labels: skip ignores them (as in the paper), wrong counts them as wrong, original uses the
    original label. `scores` is a file of other scores for the labels (see `realdb.scores`). The
    threshold is then `threshold`, else the one in the file. `model`, `columns`, `input_format`,
    `order`, `ranks` and `drop_repeats` are as in `ingest.predictions.add`. A folder or a pattern
    stands for its files. With `model` they are the parts of one model. With `engine` (see
    `api.spark`) the views run there, on flat Parquet files that the engine can read.

    Raises DataError for invalid predictions, for missing images if `require_complete` is set, and
    for the original labels unless `allow_ground_truth` is set. (Predictions are the original labels
    if they agree on 95 % of at least 500 rated images.) Warns of allowed ground truth, of missing
    images, and of figures that look like a mistake.
    """
    rules = Rules(
        threshold=threshold,
        empty=empty,
        scores=scores,
        labels=labels,
        unclear=unclear,
        problematic=problematic,
        average=average,
        match=match,
    )
    grouping = breakdowns.grouping_of(by)
    parts_view = None if by is None else BY.get(by, "accuracy_by_group")
    breakdowns.require_rules(by, rules)
    if label_uncertainty:
        parts_view = "expected_accuracy"
        _require_scores_alone(
            by=by,
            threshold=threshold,
            empty=None if empty == "skip" else empty,
            labels=None if labels == "real" else labels,
            average=None if average == "micro" else average,
            match=match,
        )
    views = ["accuracy", *([parts_view] if parts_view else [])]
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
    unasked = parts_view is None and counts_unasked(rules, opened.names)
    views += ["unasked_predictions"] if unasked else []
    select = WITH_UNASKED if unasked else WITHOUT_UNASKED
    bound: dict[str, object] = {"empty": rules.empty} if unasked else {}
    original_for = f"by {by}" if by in breakdowns.BY_ORIGINAL else None
    of_group = "" if grouping is None else f"grouping = {quoting.literal(grouping)}"
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
            if grouping is not None:
                breakdowns.original_for(
                    grouping, dict(there.query(breakdowns.GROUPINGS).fetchall())
                )
            answer = there.query(select, bound)
            if parts_view is None:
                parts = answer
            elif grouping is None:
                parts = there.table(parts_view)
            else:
                parts = there.query(f"select * from {parts_view} where {of_group}")  # noqa: S608
            agreeing = there.table(doubts.VIEW).fetchall()
        doubts.warn(
            accuracies(answer),
            {row[0]: doubts.Agreement(*row) for row in agreeing},
            {},
            require_complete=require_complete,
            allow_ground_truth=allow_ground_truth,
            labels=rules.labels,
        )
        return stated(parts.order("all"), rules)
    session = Session(opened, views=[*views, doubts.VIEW], rules=rules)
    if grouping is not None:
        original_for = breakdowns.original_for(grouping, breakdowns.groupings(session.con))
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
        labels=rules.labels,
    )
    doubts.warn_of_parts(session, accuracies(answer))
    if parts_view is None:
        return stated(answer, rules)
    parts = session.view(parts_view)
    return stated((parts.filter(of_group) if grouping else parts).order("all"), rules)


def counts_unasked(rules: Rules, tables: Collection[str]) -> bool:
    """Return whether WITH_UNASKED can count the first choices that no rater was asked about."""
    return rules.is_published and "questions" in tables


def _require_scores_alone(**options: object) -> None:
    """Raise UsageError for an option that selects labels: with `label_uncertainty` all count."""
    for name, value in options.items():
        if value is not None:
            raise UsageError(
                f"`{name}` cannot be used with `label_uncertainty`: each label counts by its score",
                parameter=name,
                value=value,
                remedy="Leave it or `label_uncertainty` out",
            )
