"""The rules for scoring predictions: the labels, and the images without labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ..errors import DataError, QueryError, UsageError, counted
from ..queries import catalog
from ..schema import quoting
from ..store.files import user_path
from . import choices
from .chosen_labels import REAL, ChosenLabels, parse, require_not_of_real

if TYPE_CHECKING:
    import duckdb

PUBLISHED_THRESHOLD = 0.8
# The key of the threshold in the metadata of a Parquet file of scores.
RECORDED_THRESHOLD = "realdb_threshold"
EMPTY_RULES: tuple[str, ...] = get_args(choices.Empty)
UNCLEAR_RULES: tuple[str, ...] = get_args(choices.Unclear)
PROBLEMATIC_RULES: tuple[str, ...] = get_args(choices.Problematic)
AVERAGES: tuple[str, ...] = get_args(choices.Average)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules for scoring. The default is those of the paper.

    threshold: the lowest score that makes a label (view `labels_at`). The default is the threshold
        in the file `scores`, else the published one. `resolved` sets it. Other labels than ReaL
        have no threshold
    empty: the rule for an image without labels (view `scored_with_unlabeled_rule`): skip ignores it
        (as in the paper), wrong counts it as wrong, original uses its original label. The default
        is wrong for a consensus, whose images are all that enough sets judge, and skip otherwise
    scores: a Parquet file of scores that replaces the published ones (see `realdb.scores`)
    labels: the labels: real, another label set, real@THRESHOLD, consensus:K:A,B,…, any:A,B,… or
        all:A,B,… (view `labels_by`)
    unclear: the rule for a label that the set calls unclear: right, wrong, or skip, which ignores
        the images that have one. The default is right for one set, and wrong for several, because a
        set that is unclear about a label does not call it correct
    problematic: the rule for images that a label set calls problematic: skip ignores them, keep
        keeps them
    average: micro is the share of the images, class the mean of the shares of the classes (view
        `accuracy_class_average`)
    match: a grouping of classes: a prediction is right if it shares a group with a label of the
        image (view `labels_in_group`)

    Raises UsageError for a value that a rule does not take, and for rules that exclude each other.
    """

    threshold: float | None = None
    empty: str | None = None
    scores: str | Path | None = None
    labels: str = REAL
    unclear: str | None = None
    problematic: str = "skip"
    average: str = "micro"
    match: str | None = None

    def __post_init__(self) -> None:
        require_choice("empty", self.empty, (None, *EMPTY_RULES))
        if self.empty is None:
            object.__setattr__(self, "empty", "wrong" if self.chosen.is_consensus else "skip")
        require_choice("unclear", self.unclear, (None, *UNCLEAR_RULES))
        require_choice("problematic", self.problematic, PROBLEMATIC_RULES)
        require_choice("average", self.average, AVERAGES)
        if self.threshold is not None:
            require_share("threshold", self.threshold)
        if self.chosen.is_real:
            self._require_label_set()
        if self.labels != REAL:
            self._require_no_other()
            if self.chosen.is_real:
                object.__setattr__(self, "threshold", self.chosen.threshold)
            if self.unclear is None and not self.chosen.is_real:
                default = "right" if len(self.chosen.members) == 1 else "wrong"
                object.__setattr__(self, "unclear", default)
        elif self.threshold is None and self.scores is None:
            object.__setattr__(self, "threshold", PUBLISHED_THRESHOLD)

    def _require_label_set(self) -> None:
        """Raise UsageError for a rule that has no effect without another label set."""
        without = {"unclear": self.unclear is None, "problematic": self.problematic == "skip"}
        for rule, is_default in without.items():
            if not is_default:
                raise UsageError(
                    f"`{rule}` is for label sets with such labels or images, and the ReaL labels "
                    "have none",
                    parameter=rule,
                    value=getattr(self, rule),
                    remedy="Name a label set with `labels`, or leave it out",
                )

    def _require_no_other(self) -> None:
        """Raise UsageError where scores or a threshold would make labels beside `labels`."""
        is_same = self.chosen.is_real and self.threshold == self.chosen.threshold
        threshold = None if is_same else self.threshold
        for rule, value in {"threshold": threshold, "scores": self.scores}.items():
            if value is not None:
                raise UsageError(
                    f"`{rule}` makes labels from scores, and `labels` names {self.labels!r}: only "
                    "one of them can judge",
                    parameter=rule,
                    value=value,
                    remedy='Leave it out; `labels="real@0.5"` is ReaL at the threshold 0.5',
                )

    @cached_property
    def chosen(self) -> ChosenLabels:
        """The label sets that `labels` names."""
        return parse(self.labels)

    @property
    def is_published(self) -> bool:
        """The labels are those of real.json, and a prediction is right if it is one of them."""
        return (
            self.labels == REAL
            and self.threshold == PUBLISHED_THRESHOLD
            and self.scores is None
            and self.match is None
        )

    @property
    def is_by_score(self) -> bool:
        """ReaL labels at another operating point judge, alone or with other label sets."""
        if self.labels != REAL:
            return self.chosen.threshold is not None
        return self.threshold != PUBLISHED_THRESHOLD or self.scores is not None

    @property
    def views(self) -> list[str]:
        """The views that `apply` reads or replaces."""
        needed = {
            "labels_at": self.is_by_score,
            "labels_by": not self.chosen.is_real,
            "judged_images": not self.chosen.is_real or self.empty != "skip",
            "labels_in_group": self.match is not None,
            "scored_predictions": self.empty != "skip",
            "accuracy_class_average": self.average == "class",
            "accuracy": self.average == "class",
        }
        return [view for view, is_needed in needed.items() if is_needed]

    @property
    def is_stated(self) -> bool:
        """Whether rows must state the rule, because it is not plain ReaL accuracy."""
        return self.labels != REAL or self.average != "micro" or self.match is not None

    @property
    def text(self) -> str:
        """The rule by which predictions are judged, in one line."""
        return "; ".join(self.parts)

    @property
    def parts(self) -> list[str]:
        """The parts of the rule by which predictions are judged."""
        parts = [self.chosen.rule]
        if self.unclear is not None:
            parts += [
                {
                    "right": "unclear labels count as right",
                    "wrong": "unclear labels count as wrong",
                    "skip": "images with an unclear label are left out",
                }[self.unclear],
                f"problematic images are {'left out' if self.problematic == 'skip' else 'kept'}",
            ]
        parts.append(
            {
                "skip": "images without a label are left out",
                "wrong": "images without a label count as wrong",
                "original": "images without a label are judged by their original label",
            }[str(self.empty)]
        )
        if self.match is not None:
            parts.append(f"right within the same group of {self.match}")
        parts.append(
            "share of the images" if self.average == "micro" else "mean of the classes' shares"
        )
        return [part for part in parts if part]

    def require_stored(self, root: Path) -> None:
        """Raise DataError where a label set that judges is not in the store."""
        self.chosen.require_stored(root)

    def require_view(self, name: str) -> None:
        """Raise QueryError where a view has no meaning by these rules."""
        if not self.chosen.is_real or self.match is not None:
            require_not_of_real(name, self.labels if self.match is None else self.match)

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
        if self.empty == "original":
            return "empty original"
        if self.average == "class":
            return "average class"
        return "labels original" if "original" in self.chosen.members else None

    def apply(self, con: duckdb.DuckDBPyConnection) -> None:
        """Apply the rules to the views on `con`."""
        if self.scores is not None:
            _use_scores(con, user_path(self.scores))
        if self.is_by_score:
            threshold = self.chosen.threshold
            if threshold is None:
                threshold = self.resolved(con).threshold
            catalog.substitute(con, "labels", "labels_at", {"threshold": threshold})
        if self.unclear is not None:
            self.chosen.judge(con, unclear=self.unclear, problematic=self.problematic)
        if self.match is not None:
            _require_class_grouping(con, self.match)
            catalog.substitute(con, "labels", "labels_in_group", {"grouping": self.match})
        if self.empty != "skip":
            catalog.substitute(
                con, "scored_predictions", "scored_with_unlabeled_rule", {"empty": self.empty}
            )
        if self.average == "class":
            catalog.substitute(con, "accuracy", "accuracy_class_average", {})


def stated_rule(**rules: Any) -> str | None:
    """Return which labels judge, and how, in one line; None where it is plain ReaL accuracy.

    The arguments are those of `Rules`.
    """
    judging = Rules(**rules)
    return f"judged by {judging.labels}: {judging.text}" if judging.is_stated else None


def _require_class_grouping(con: duckdb.DuckDBPyConnection, grouping: str) -> None:
    """Raise DataError where the store has no groups of classes under this name."""
    found = con.execute("select distinct grouping from class_groups order by 1").fetchall()
    groupings = [name for (name,) in found]
    if grouping not in groupings:
        raise DataError(
            f"the store has no grouping {grouping!r} of classes",
            value=grouping,
            count=len(groupings),
            parameter="match",
            remedy=f"It has {', '.join(groupings)}"
            if groupings
            else "Add one with: realdb groups add FILE, or realdb labels add imagenet-x",
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
