"""Rank the stored models."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, RealdbWarning, reading_with
from ..queries import catalog
from ..store import prediction_sets
from . import doubts
from .compare import settle
from .results import Accuracy, accuracies
from .rules import Rules
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# So many models are judged at once, which bounds the memory; fewer where another rule for images
# without labels keeps every row.
_BATCH = 1_000
_BATCH_KEPT = 100
_MAY_BE_GROUND_TRUTH = 0.9
_BY_RANK = "l.real_rank nulls last, l.model"
# The rank intervals of more models are computed on demand: their pairs grow with the square.
MOST_RANKED = 50


@prediction_sets.reading_again
def leaderboard(
    *predictions: str | Path,
    engine: str | None = None,
    threshold: float | None = None,
    empty: str = "skip",
    scores: str | Path | None = None,
    allow_ground_truth: bool = True,
    rank_intervals: bool = False,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the view `leaderboard`: the models by ReaL accuracy, the best first.

    The models are those of `predictions`, or without any the stored ones. `threshold`, `empty`,
    `scores`, `engine` and `allow_ground_truth` are as in `accuracy_table`.

    Three columns of the view `rank_intervals` are added: `rank_low` and `rank_high`, the ranks that
    a model may have as far as the tests distinguish the models, and `is_change_supported`, which
    says of a `rank_change` whether the original rank is outside of them. They are computed for up
    to 50 models, and for more with `rank_intervals`; a warning says where they are left out. A
    column `is_ground_truth` marks models that are the original labels; one that is stored is no
    error.

    Raises DataError where there are no models. Warns where the models were not scored on the same
    number of images.
    """
    import duckdb

    rules = Rules(threshold=threshold, empty=empty, scores=scores)
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
            if _is_ranked(len(agreements), rank_intervals):
                intervals = there.table("rank_intervals").fetchall()
            else:
                intervals = []
        return _answer(con, [each.model for each in agreements if each.is_ground_truth], intervals)
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
            )
        are_truths = [name for name, each in found.items() if each.is_ground_truth]
        return _answer(session.con, are_truths, _intervals(session, judged, rank_intervals))
    files = prediction_sets.files(opened.root)
    if not files:
        raise DataError(
            f"no model is stored in {opened.root}",
            file=opened.root,
            remedy="Store one with: realdb add FILE",
        )
    batch = _BATCH if empty == "skip" else _BATCH_KEPT
    rows: list[tuple[Any, ...]] = []
    truths: list[str] = []
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
            f"{len(truths):,} stored models are the original labels, not predictions: "
            f"{', '.join(truths)} (is_ground_truth)",
            RealdbWarning,
            stacklevel=4,
        )
    catalog.install(session.con, opened.names, ["leaderboard"])
    catalog.stand_in(session.con, "accuracy", rows)
    judged = accuracies(session.view("accuracy"))
    with Session(opened, views=["rank_intervals"], rules=rules) as whole:
        whole.prepare(stored=True)
        intervals = _intervals(whole, judged, rank_intervals)
    return _answer(session.con, truths, intervals)


def _is_ranked(models: int, wanted: bool) -> bool:
    """Say whether so many models get rank intervals; warn where they do not."""
    if models > MOST_RANKED and not wanted:
        warnings.warn(
            f"the rank intervals of {models:,} models are left out: they compare each model with "
            f"each other. Of more than {MOST_RANKED} models `rank_intervals=True` computes them",
            RealdbWarning,
            stacklevel=4,
        )
    return models <= MOST_RANKED or wanted


def _intervals(session: Session, judged: list[Accuracy], wanted: bool) -> list[tuple[Any, ...]]:
    """Return the rows of the view `rank_intervals`; none where there are too many models."""
    models = [each.model for each in judged if each.scored_images]
    if not _is_ranked(len(models), wanted):
        return []
    settle(session, models)
    return session.view("rank_intervals").fetchall()


def _ground_truths(session: Session, judged: list[tuple[Any, ...]]) -> list[str]:
    """Return the models, of the rows of `accuracy`, that are the original labels."""
    # To look at all takes as long as to judge them. The labels themselves agree on all images.
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
    con: duckdb.DuckDBPyConnection, truths: list[str], intervals: list[tuple[Any, ...]]
) -> duckdb.DuckDBPyRelation:
    """Return the rows of the view `leaderboard`, with the rows of `rank_intervals` beside them.

    `truths` are the models that are no predictions.
    """
    # A row is: label set, model, …, the best rank and the worst.
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
    return _same_images(con.table("answer"))


def _same_images(answer: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return a leaderboard, and warn where its models were not scored on as many images."""
    few, many = answer.aggregate("min(scored_images), max(scored_images)").fetchall()[0]
    if few != many:
        warnings.warn(
            f"the models are scored on {few:,} to {many:,} images: not on the same ones, so that "
            "their ranks compare unlike things",
            RealdbWarning,
            stacklevel=3,
        )
    return answer
