"""The rules by which predictions are judged: which labels count, and what is right by them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, QueryError, UsageError
from ..queries import catalog
from ..schema import quoting

if TYPE_CHECKING:
    import duckdb

PUBLISHED_THRESHOLD = 0.8
EMPTY_RULES = ("skip", "wrong", "original")


def check_rules(*, threshold: float, empty: str = "skip") -> None:
    """Raise UsageError where `judge_by` cannot judge by these."""
    if empty not in EMPTY_RULES:
        raise UsageError(f"empty is one of {', '.join(EMPTY_RULES)}; not {empty!r}")
    if not 0 <= threshold <= 1:
        raise UsageError(f"a threshold is between 0 and 1; not {threshold}")


def require_original_labels(con: duckdb.DuckDBPyConnection, asked: str) -> None:
    """Raise QueryError where the store has no original labels, for what is asked needs them."""
    if not con.table("images").count("original_label").fetchall()[0][0]:
        raise QueryError(
            f"{asked!r} needs the original labels, which this store lacks. Give the ingest a file "
            "of them: realdb ingest FOLDER --original FILE"
        )


def rules_for(*, threshold: float, scores: str | Path | None) -> list[str]:
    """Return the views that `judge_by` needs beside those that are asked."""
    return ["labels_at"] if threshold != PUBLISHED_THRESHOLD or scores is not None else []


def judge_by(
    con: duckdb.DuckDBPyConnection,
    *,
    threshold: float,
    empty: str = "skip",
    scores: str | Path | None = None,
) -> None:
    """Put the labels, and the rule for images without any, in force for the views on `con`."""
    if scores is not None:
        use_scores(con, scores)
    if rules_for(threshold=threshold, scores=scores):
        catalog.substitute(con, "labels", "labels_at", {"threshold": threshold})
    if empty != "skip":
        catalog.substitute(con, "scored_predictions", "scored_with_empty", {"empty": empty})


def use_scores(con: duckdb.DuckDBPyConnection, path: str | Path) -> None:
    """Put the scores of a Parquet file where the published ones stood.

    Raises DataError where the file does not score every question of the store, and nothing else.
    """
    import duckdb

    if not Path(path).is_file():
        raise DataError(f"there is no file {path}: realdb scores --out FILE writes one")
    try:
        given = con.read_parquet(quoting.one_file(Path(path)), hive_partitioning=False)
    except duckdb.Error as error:
        raise DataError(f"{path} is no Parquet file of scores: {error}") from None
    lacking = [name for name in ("image_id", "label", "score") if name not in given.columns]
    if lacking:
        raise DataError(
            f"{path} has no column {', '.join(lacking)} (it has {', '.join(given.columns)}): "
            "realdb scores --out FILE writes a file of scores"
        )
    given.select("image_id, label, score").create_view("given_scores")
    try:
        twice, unknown, unscored, wrong = con.execute(
            """
            select
                count(*) - count(distinct (g.image_id, g.label)),
                count(*) filter (q.label is null),
                (select count(*) from questions) - count(distinct (q.image_id, q.label)),
                count(*) filter (g.score is null or g.score not between 0 and 1)
            from given_scores as g
            left join questions as q on g.image_id = q.image_id and g.label = q.label
            """
        ).fetchall()[0]
    except duckdb.Error:
        kinds = ", ".join(
            f"{name} {kind}" for name, kind in zip(given.columns, given.types, strict=True)
        )
        raise DataError(
            f"{path}: image_id, label and score are numbers; here they are {kinds}"
        ) from None
    faults = [
        (twice, "stand twice"),
        (unknown, "are none of the store's"),
        (unscored, "have no score"),
        (wrong, "have a score that is not between 0 and 1"),
    ]
    if any(number for number, _ in faults):
        said = "; ".join(f"{number:,} {fault}" for number, fault in faults if number)
        raise DataError(
            f"{path}: a score for each question is expected, but of the questions {said}"
        )
    catalog.replace(con, "scores", con.view("given_scores"))
