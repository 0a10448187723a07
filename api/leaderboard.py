"""Rank models by ReaL accuracy."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, RealdbWarning, counted, reading_with
from ..queries import catalog
from ..store import kept, prediction_sets
from . import doubts
from .compare import settle
from .results import Accuracy, accuracies, stated
from .rules import Rules
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# The number of models in a batch, which limits the memory. Batches are smaller if a rule for images
# without labels keeps every row.
_BATCH = 1_000
_BATCH_KEPT = 100
_MAY_BE_GROUND_TRUTH = 0.9
_BY_RANK = "l.real_rank nulls last, l.model"
# The rank intervals of more models are computed on demand: their pairs grow with the square.
MOST_RANKED = 50


@kept.reading_again
def leaderboard(
    *predictions: str | Path,
    engine: str | None = None,
    threshold: float | None = None,
    empty: str | None = None,
    scores: str | Path | None = None,
    labels: str = "real",
    unclear: str | None = None,
    problematic: str = "skip",
    average: str = "micro",
    match: str | None = None,
    allow_ground_truth: bool = True,
    rank_intervals: bool = False,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the view `leaderboard`: the models by ReaL accuracy, the best first.

    The models are those of `predictions`. The default is all stored models. `threshold`, `empty`,
    `scores`, `engine`, `allow_ground_truth`, and `labels` to `match` are as in `accuracy_table`,
    and so are the names of the columns.

    Three columns come from the view `rank_intervals`. `rank_low` and `rank_high` are the ranks that
    the tests allow for a model. `is_change_supported` is whether the original rank is outside of
    them; it is NULL if the rank does not change. They are computed for up to 50 models, and for
    more with `rank_intervals`. The tests count images, so the columns are NULL if `average` is
    class. The column `is_ground_truth` marks models that are the original labels. A stored one is
    not an error.

    Raises DataError if there are no models. Warns if the models were not scored on the same number
    of images, and if rank intervals are omitted because there are too many models.
    """
    import duckdb

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
    if engine is not None:
        from . import spark

        with spark.judging(
            engine,
            predictions,
            ["leaderboard", "rank_intervals", doubts.VIEW],
            rules=rules,
            store=store,
            offline=offline,
            progress=progress,
        ) as there:
            con = duckdb.connect()
            con.from_arrow(there.table("leaderboard").to_arrow_table()).create("leaderboard")
            agreements = [doubts.Agreement(*row) for row in there.table(doubts.VIEW).fetchall()]
            if _is_ranked(len(agreements), rules, rank_intervals):
                intervals = there.table("rank_intervals").fetchall()
            else:
                intervals = []
        truths = [each.model for each in agreements if each.is_ground_truth]
        return _answer(con, truths, intervals, rules)
    session = Session(store, views=["leaderboard"], rules=rules, offline=offline, progress=progress)
    opened = session.store
    if predictions:
        read_from = session.add(predictions)
        session.require([doubts.VIEW, "rank_intervals"])
        session.prepare()
        judged = accuracies(session.view("accuracy"))
        found = doubts.agreements(session)
        with reading_with((), predictions):
            doubts.warn(
                judged,
                found,
                read_from,
                has_rated=doubts.knows_rated(opened),
                allow_ground_truth=allow_ground_truth,
                labels=labels,
            )
        truths = [name for name, each in found.items() if each.is_ground_truth]
        ranked = _ranked(judged)
        is_ranked = _is_ranked(len(ranked), rules, rank_intervals)
        intervals = _intervals(session, ranked) if is_ranked else []
        return _answer(session.con, truths, intervals, rules)
    files = prediction_sets.files(opened.root)
    if not files:
        raise DataError(
            f"no model is stored in {opened.root}",
            file=opened.root,
            remedy="Store a model with: realdb add FILE",
        )
    batch = _BATCH if rules.empty == "skip" else _BATCH_KEPT
    rows: list[tuple[Any, ...]] = []
    truths = []
    try:
        for begin in range(0, len(files), batch):
            if progress:
                progress("judging", begin, len(files))
            with Session(opened, views=["accuracy", doubts.VIEW], rules=rules) as part:
                part.prepare(stored=True, only=files[begin : begin + batch])
                found_rows = part.view("accuracy").fetchall()
                truths += _ground_truths(part, found_rows)
                rows += found_rows
    except duckdb.Error as error:
        raise prediction_sets.damaged(opened.root, error) from None
    if truths:
        warnings.warn(
            f"the store has {counted(len(truths), 'model')} with the original labels, not "
            f"predictions: {', '.join(truths)} (column is_ground_truth)",
            RealdbWarning,
            stacklevel=4,
        )
    catalog.install(session.con, opened.names, ["leaderboard"])
    catalog.stand_in(session.con, "accuracy", rows)
    judged = accuracies(session.view("accuracy"))
    ranked = _ranked(judged)
    intervals = []
    if _is_ranked(len(ranked), rules, rank_intervals):
        with Session(opened, views=["rank_intervals"], rules=rules) as whole:
            intervals = _intervals(whole.prepare(stored=True), ranked)
    return _answer(session.con, truths, intervals, rules)


def _ranked(judged: list[Accuracy]) -> list[str]:
    """Return the models that have a rank."""
    return [each.model for each in judged if each.scored_images]


def _is_ranked(models: int, rules: Rules, wanted: bool) -> bool:
    """Return whether rank intervals are computed. Warn if they are not."""
    if rules.average == "class":
        reason = (
            "the rank intervals are omitted, because the tests compare shares of the images, and "
            "`average` is class"
        )
    elif models > MOST_RANKED and not wanted:
        reason = (
            f"the rank intervals of {models:,} models are omitted, because they compare each pair "
            f"of models. For more than {MOST_RANKED} models set `rank_intervals=True`"
        )
    else:
        return True
    warnings.warn(reason, RealdbWarning, stacklevel=4)
    return False


def _intervals(session: Session, models: list[str]) -> list[tuple[Any, ...]]:
    """Return the rows of the view `rank_intervals` of a prepared session."""
    settle(session, models)
    return session.view("rank_intervals").fetchall()


def _ground_truths(session: Session, judged: list[tuple[Any, ...]]) -> list[str]:
    """Return the models in rows of the view `accuracy` that are the original labels."""
    # Checking all models takes as long as scoring them. Check those with a high accuracy only.
    place = session.view("accuracy").columns.index("original_accuracy")
    names = [row[0] for row in judged if (row[place] or 0) >= _MAY_BE_GROUND_TRUTH]
    if not names:
        return []
    rows = session.con.execute(
        f"from {doubts.VIEW} where list_contains($1, model)",
        [names],
    ).fetchall()
    return sorted(row[0] for row in rows if doubts.Agreement(*row).is_ground_truth)


def _answer(
    con: duckdb.DuckDBPyConnection,
    truths: list[str],
    intervals: list[tuple[Any, ...]],
    rules: Rules,
) -> duckdb.DuckDBPyRelation:
    """Return the rows of the view `leaderboard` with three further columns.

    `truths` are the models that are the original labels, `intervals` the rows of `rank_intervals`.
    """
    # The label set `real` is whatever labels judge. The last two columns are the ranks.
    real = [(row[1], row[-2], row[-1]) for row in intervals if row[0] == "real"]
    con.execute(
        f"""
        create table answer as
        with ranks as (
            select
                unnest($models::varchar[]) as model,
                unnest($low::bigint[]) as rank_low,
                unnest($high::bigint[]) as rank_high
        )

        select
            l.*,
            r.rank_low,
            r.rank_high,
            case
                when l.rank_change <> 0 then l.original_rank not between r.rank_low and r.rank_high
            end as is_change_supported,
            list_contains($truths::varchar[], l.model) as is_ground_truth
        from leaderboard as l
        left join ranks as r on l.model = r.model
        order by {_BY_RANK}
        """,  # noqa: S608, a constant
        {
            "truths": truths,
            "models": [model for model, _, _ in real],
            "low": [low for _, low, _ in real],
            "high": [high for _, _, high in real],
        },
    )
    return stated(_same_images(con.table("answer")), rules)


def _same_images(answer: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return a leaderboard. Warn if its models were scored on different numbers of images."""
    few, many = answer.aggregate("min(scored_images), max(scored_images)").fetchall()[0]
    if few != many:
        warnings.warn(
            f"the models are scored on {few:,} to {many:,} images, so their ranks are not "
            "comparable",
            RealdbWarning,
            stacklevel=3,
        )
    return answer
