"""Rank the stored models."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, RealdbWarning, UsageError
from ..queries import catalog
from ..store import prediction_sets
from .build import open_store
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

# So many models are judged at once, which bounds the memory; fewer where another rule for images
# without labels keeps every row.
_BATCH = 1_000
_BATCH_KEPT = 100
_BY_RANK = "real_rank nulls last, model"


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

    check_rules(threshold=threshold, empty=empty)
    if engine is not None:
        from . import engine as engines

        with engines.judging(
            engine,
            predictions,
            ["leaderboard"],
            threshold=threshold,
            empty=empty,
            scores=scores,
            store=store,
            offline=offline,
            progress=progress,
            original_for="empty original" if empty == "original" else None,
        ) as session:
            return _same_images(session.table("leaderboard").order(_BY_RANK))
    if predictions:
        raise UsageError(
            "files are ranked by an engine (--engine); without one the stored models are: store "
            "them with realdb add, or judge them with realdb accuracy"
        )
    opened = open_store(store, offline, progress)
    files = prediction_sets.files(opened.root)
    if not files:
        raise DataError(f"no model is stored in {opened.root}. Store one with: realdb add FILE")
    rules = rules_for(threshold=threshold, scores=scores)
    batch = _BATCH if empty == "skip" else _BATCH_KEPT
    rows = []
    try:
        for begin in range(0, len(files), batch):
            if progress:
                progress("judging", begin, len(files))
            with opened.connect({*catalog.tables_of("accuracy", *rules), "questions"}) as part:
                catalog.install(part, opened.names, ["accuracy", *rules])
                prediction_sets.show(part, opened.root, files[begin : begin + batch])
                if empty == "original":
                    require_original_labels(part, "empty original")
                judge_by(part, threshold=threshold, empty=empty, scores=scores)
                rows += part.execute("from accuracy").fetchall()
    except duckdb.Error as error:
        raise prediction_sets.damaged(opened.root, error) from None
    con = opened.connect(catalog.tables_of("accuracy"))
    catalog.install(con, opened.names, ["leaderboard"])
    catalog.stand_in(con, "accuracy", rows)
    con.view("leaderboard").order(_BY_RANK).create("answer")
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
