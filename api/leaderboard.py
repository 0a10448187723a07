"""Rank the stored models."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, RealdbWarning, UsageError
from ..queries import catalog
from ..store import prediction_sets
from .rules import PUBLISHED_THRESHOLD, Rules
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# So many models are judged at once, which bounds the memory; fewer where another rule for images
# without labels keeps every row.
_BATCH = 1_000
_BATCH_KEPT = 100
_BY_RANK = "real_rank nulls last, model"


@prediction_sets.reading_again
def leaderboard(
    *predictions: str | Path,
    engine: str | None = None,
    threshold: float = PUBLISHED_THRESHOLD,
    empty: str = "skip",
    scores: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the view `leaderboard`: the stored models by ReaL accuracy, the best first.

    `threshold`, `empty`, `scores` and `engine` are as in `accuracy_table`; only an engine takes
    `predictions`, in place of the stored models. Raises DataError where no model is stored.
    Warns where the models were not scored on the same number of images.
    """
    import duckdb

    rules = Rules(threshold=threshold, empty=empty, scores=scores)
    if engine is not None:
        from . import spark

        with spark.judging(
            engine,
            predictions,
            ["leaderboard"],
            rules=rules,
            store=store,
            offline=offline,
            progress=progress,
        ) as there:
            return _same_images(there.table("leaderboard").order(_BY_RANK))
    if predictions:
        raise UsageError(
            "files are ranked by an engine, and without `engine` the stored models are ranked",
            parameter="engine",
            remedy="Store the files with realdb add, or judge them with realdb accuracy",
        )
    session = Session(store, views=["leaderboard"], rules=rules, offline=offline, progress=progress)
    opened = session.store
    files = prediction_sets.files(opened.root)
    if not files:
        raise DataError(
            f"no model is stored in {opened.root}",
            file=opened.root,
            remedy="Store one with: realdb add FILE",
        )
    batch = _BATCH if empty == "skip" else _BATCH_KEPT
    rows = []
    try:
        for begin in range(0, len(files), batch):
            if progress:
                progress("judging", begin, len(files))
            with Session(opened, views=["accuracy"], rules=rules) as part:
                part.prepare(stored=True, only=files[begin : begin + batch])
                rows += part.view("accuracy").fetchall()
    except duckdb.Error as error:
        raise prediction_sets.damaged(opened.root, error) from None
    catalog.install(session.con, opened.names, ["leaderboard"])
    catalog.stand_in(session.con, "accuracy", rows)
    session.view("leaderboard").order(_BY_RANK).create("answer")
    return _same_images(session.con.table("answer"))


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
