"""The rules for scoring predictions: the labels, and the images without labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import DataError, QueryError, UsageError, counted
from ..queries import catalog
from ..schema import quoting
from ..store.files import user_path
from . import choices

if TYPE_CHECKING:
    import duckdb

PUBLISHED_THRESHOLD = 0.8
# The key of the threshold in the metadata of a Parquet file of scores.
RECORDED_THRESHOLD = "realdb_threshold"
EMPTY_RULES: tuple[str, ...] = get_args(choices.Empty)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules for scoring. The default is those of the paper.

    threshold: the lowest score that makes a label (view `labels_at`). The default is the threshold
        in the file `scores`, else the published one. `resolved` sets it.
    empty: the rule for an image without labels (view `scored_with_unlabeled_rule`): skip ignores it
        (as in the paper), wrong counts it as wrong, original uses its original label
    scores: a Parquet file of scores that replaces the published ones (see `realdb.scores`)

    Raises UsageError for a threshold outside 0-1 or another rule for `empty`.
    """

    threshold: float | None = None
    empty: str = "skip"
    scores: str | Path | None = None

    def __post_init__(self) -> None:
        require_choice("empty", self.empty, EMPTY_RULES)
        if self.threshold is not None:
            require_share("threshold", self.threshold)
        elif self.scores is None:
            object.__setattr__(self, "threshold", PUBLISHED_THRESHOLD)

    @property
    def is_published(self) -> bool:
        """The labels are those of real.json."""
        return self.threshold == PUBLISHED_THRESHOLD and self.scores is None

    @property
    def views(self) -> list[str]:
        """The views that `apply` needs."""
        return [] if self.is_published else ["labels_at"]

    def resolved(self, con: duckdb.DuckDBPyConnection) -> Rules:
        """Return the rules with a threshold. The default is that of the file of scores.

        Raises DataError if the threshold in the file is invalid.
        """
        if self.threshold is not None or self.scores is None:
            return self
        recorded = _recorded_threshold(con, user_path(self.scores))
        return replace(self, threshold=PUBLISHED_THRESHOLD if recorded is None else recorded)

    @property
    def original_for(self) -> str | None:
        """The rule that needs the original labels, or None."""
        return "empty original" if self.empty == "original" else None

    def apply(self, con: duckdb.DuckDBPyConnection) -> None:
        """Apply the rules to the views on `con`."""
        if self.scores is not None:
            _use_scores(con, user_path(self.scores))
        if self.views:
            threshold = self.resolved(con).threshold
            catalog.substitute(con, "labels", "labels_at", {"threshold": threshold})
        if self.empty != "skip":
            catalog.substitute(
                con, "scored_predictions", "scored_with_unlabeled_rule", {"empty": self.empty}
            )


def require_choice(parameter: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise UsageError if `value` is not one of the choices of a parameter."""
    if value not in choices:
        raise UsageError(
            f"`{parameter}` is {value!r}. It must be one of {', '.join(map(str, choices))}",
            parameter=parameter,
            value=value,
        )


def require_share(parameter: str, value: float) -> None:
    """Raise UsageError if `value` is not between 0 and 1."""
    if not 0 <= value <= 1:
        raise UsageError(
            f"`{parameter}` is {value}. It must be between 0 and 1",
            parameter=parameter,
            value=value,
        )


def require_original_labels(con: duckdb.DuckDBPyConnection, question: str) -> None:
    """Raise QueryError if the store has no original labels, which `question` needs."""
    if not con.table("images").count("original_label").fetchall()[0][0]:
        raise QueryError(
            f"{question!r} needs the original labels, but this store has none",
            parameter=question.split()[0],
            remedy="Build the store again with a file of original labels: realdb ingest FOLDER "
            "with `original=FILE`",
        )


def _recorded_threshold(con: duckdb.DuckDBPyConnection, path: Path) -> float | None:
    """Return the threshold in a file of scores; None if it has none, or the file is invalid.

    `_use_scores` refuses an invalid file. Raises DataError for an invalid threshold.
    """
    import duckdb

    if not path.is_file():
        return None
    try:
        found = con.execute(
            "select decode(value) from parquet_kv_metadata($file) where decode(key) = $key",
            {"file": quoting.one_file(path), "key": RECORDED_THRESHOLD},
        ).fetchall()
    except duckdb.Error:
        return None
    if not found:
        return None
    try:
        threshold = float(found[0][0])
        require_share("threshold", threshold)
    except (ValueError, UsageError):
        raise DataError(
            f"{path} has the invalid threshold {found[0][0]!r} in its metadata",
            file=path,
            value=found[0][0],
            parameter="scores",
            remedy="Set a number between 0 and 1 with `threshold`",
        ) from None
    return threshold


def _use_scores(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Replace the published scores with those of a Parquet file.

    Raises DataError if the file does not have exactly one score for each question of the store.
    """
    import duckdb

    writes = "Write a file of scores with: realdb scores with `out=FILE`"
    if not path.is_file():
        raise DataError(
            f"the file {path} does not exist", file=path, parameter="scores", remedy=writes
        )
    try:
        rows = con.read_parquet(quoting.one_file(path), hive_partitioning=False)
    except duckdb.Error as error:
        raise DataError(
            f"{path} is not a Parquet file of scores: {error}", file=path, parameter="scores"
        ) from None
    missing = [name for name in ("image_id", "label", "score") if name not in rows.columns]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}. Its columns are {', '.join(rows.columns)}",
            file=path,
            column=missing[0],
            parameter="scores",
            remedy=writes,
        )
    rows.select("image_id, label, score").create_view("other_scores")
    try:
        repeated, unknown, unscored, wrong = con.execute(
            """
            select
                count(*) - count(distinct (s.image_id, s.label)),
                count(*) filter (q.label is null),
                (select count(*) from questions) - count(distinct (q.image_id, q.label)),
                count(*) filter (s.score is null or s.score not between 0 and 1)
            from other_scores as s
            left join questions as q on s.image_id = q.image_id and s.label = q.label
            """
        ).fetchall()[0]
    except duckdb.Error:
        kinds = ", ".join(
            f"{name} {kind}" for name, kind in zip(rows.columns, rows.types, strict=True)
        )
        raise DataError(
            f"{path} must have the numbers image_id, label and score, but its columns are {kinds}",
            file=path,
            parameter="scores",
        ) from None
    faults = [
        (repeated, counted(repeated, "repeated row")),
        (unknown, f"{counted(unknown, 'row')} for no question of this store"),
        (unscored, counted(unscored, "missing question")),
        (wrong, f"{counted(wrong, 'score')} not between 0 and 1"),
    ]
    if any(number for number, _ in faults):
        text = ", ".join(fault for number, fault in faults if number)
        raise DataError(
            f"{path} must have one score for each question of the store. It has {text}",
            file=path,
            count=sum(number for number, _ in faults),
            parameter="scores",
        )
    catalog.replace(con, "scores", con.view("other_scores"))
