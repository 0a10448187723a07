"""The labels that judge, as `labels` names them: a label set, or a rule over several.

real, original, NAME        one label set
real@0.5                    ReaL labels at another operating point: the threshold 0.5
consensus:2:A,B,C           labels that at least two of the sets call correct
any:A,B                     labels of either set, on images where each has a label
all:A,B                     labels of both sets, on the same images
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, QueryError, UsageError, did_you_mean
from ..queries import catalog
from ..store import label_sets

if TYPE_CHECKING:
    import duckdb

REAL = "real"
_FORMS = (
    "`labels` is the name of a label set, real@THRESHOLD, consensus:K:A,B,…, any:A,B,… or all:A,B,…"
)
_RULE = re.compile(r"(consensus|any|all):(?:(\d+):)?(.*)", re.DOTALL)
_JUDGED = "labels_that_judge"


@dataclass(frozen=True, kw_only=True)
class ChosenLabels:
    """What `labels` names.

    text: as it was written
    members: the label sets
    votes: how many of them must call a label correct
    judges: how many of them must judge an image
    needs_labels: only a set that has a label for the image counts among the judges
    threshold: the operating point of ReaL; None where none is named
    """

    text: str
    members: tuple[str, ...]
    votes: int
    judges: int
    needs_labels: bool
    threshold: float | None

    @property
    def is_real(self) -> bool:
        """ReaL judges alone, at whatever operating point."""
        return self.members == (REAL,)

    @property
    def is_consensus(self) -> bool:
        """Whether several sets decide, on all images that enough of them judge."""
        return len(self.members) > 1 and not self.needs_labels

    @property
    def rule(self) -> str:
        """Which labels count, in words, where several sets judge; empty for one."""
        if len(self.members) == 1:
            return ""
        sets = f"{len(self.members)} label sets"
        if self.needs_labels and self.votes == 1:
            return f"a label of any of the {sets}, on images where each has one"
        if self.needs_labels:
            return f"a label of all {sets}, on images where each has one"
        return f"a label of at least {self.votes} of the {sets}, on images that as many judge"

    def require_stored(self, root: Path) -> None:
        """Raise DataError where a label set is not in the store: with those that are."""
        for name in self.members:
            if name not in label_sets.OWN and not label_sets.folder_of(root, name).is_dir():
                raise _unknown(name, [*label_sets.OWN, *label_sets.names(root)])

    def judge(self, con: duckdb.DuckDBPyConnection, *, unclear: str, problematic: str) -> None:
        """Have the views on `con` judge by these labels.

        Raises DataError where a label set judges no image, or no label is correct.
        """
        con.execute(
            f"create table {_JUDGED} as {catalog.find('labels_by').select}",
            {
                "label_sets": [*self.members],
                "votes": self.votes,
                "judges": self.judges,
                "needs_labels": self.needs_labels,
                "unclear": unclear,
                "problematic": problematic,
            },
        )
        self._require_labels(con)
        judged = con.table(_JUDGED)
        catalog.replace(con, "labels", judged.filter("label is not null"))
        catalog.replace(con, "judged_images", judged.project("image_id").distinct())
        con.execute(f"drop table {_JUDGED}")

    def _require_labels(self, con: duckdb.DuckDBPyConnection) -> None:
        stored = [name for name in self.members if name not in label_sets.OWN]
        found = con.execute(
            "select distinct label_set from stored_assessments where list_contains($1, label_set)",
            [stored],
        ).fetchall()
        empty = [name for name in stored if (name,) not in found]
        if empty:
            raise DataError(
                f"the label set {empty[0]!r} judges no label, so no prediction can be judged by it",
                value=empty[0],
                parameter="labels",
                remedy="It may have groups or flags: `by` breaks an accuracy down by a grouping",
            )
        if not con.execute(f"select count(label) from {_JUDGED}").fetchall()[0][0]:  # noqa: S608
            raise DataError(
                f"by {self.text!r} no image has a correct label, so no prediction can be judged",
                value=self.text,
                count=0,
                parameter="labels",
                remedy="realdb labels list shows what the label sets hold",
            )


def parse(text: str) -> ChosenLabels:
    """Return what `labels` names; UsageError where it has none of the forms."""
    rule = _RULE.fullmatch(text)
    if rule is None:
        name, threshold = _member(text, text)
        return ChosenLabels(
            text=text, members=(name,), votes=1, judges=1, needs_labels=False, threshold=threshold
        )
    kind, number, names = rule.groups()
    if (kind == "consensus") != (number is not None):
        raise _malformed(text, "consensus needs a number of label sets; any and all take none")
    members, thresholds = zip(*(_member(name, text) for name in names.split(",")), strict=True)
    if len(members) < 2:
        raise _malformed(text, "it names one label set, and several are needed")
    repeated = [name for name in members if members.count(name) > 1]
    if repeated:
        raise _malformed(text, f"it names {repeated[0]} twice")
    threshold = next((each for each in thresholds if each is not None), None)
    if kind == "consensus":
        votes = int(number)
        if not 1 <= votes <= len(members):
            raise _malformed(text, f"{votes} is not between 1 and {len(members)}, the label sets")
        judges = votes
    else:
        votes, judges = (1 if kind == "any" else len(members)), len(members)
    return ChosenLabels(
        text=text,
        members=tuple(members),
        votes=votes,
        judges=judges,
        needs_labels=kind != "consensus",
        threshold=threshold,
    )


def _member(name: str, text: str) -> tuple[str, float | None]:
    """Return the name of a label set, and the operating point behind it."""
    of, at, point = name.partition("@")
    if not of or of != of.strip() or ":" in of or "," in of:
        raise _malformed(text, f"{name!r} is not the name of a label set")
    if not at:
        return of, None
    if of != REAL:
        raise _malformed(text, f"{of!r} has no operating points; only real has")
    try:
        threshold = float(point)
    except ValueError:
        threshold = -1
    if not 0 <= threshold <= 1:
        raise _malformed(text, f"the threshold {point!r} is not a number between 0 and 1")
    return of, threshold


def _malformed(text: str, why: str) -> UsageError:
    return UsageError(f"`labels` is {text!r}: {why}", parameter="labels", value=text, remedy=_FORMS)


def _unknown(name: str, known: list[str]) -> DataError:
    from ..ingest.label_sets import multilabel, releases

    release = {multilabel.SUBSET: "multilabel-v3"}.get(name, name)
    if release in releases():
        remedy = f"Add it with: realdb labels add {release}"
    else:
        remedy = did_you_mean(name, known, "Add one with: realdb labels add FILE")
    return DataError(
        f"the store has no label set {name!r}; it has {', '.join(known)}",
        value=name,
        count=len(known),
        parameter="labels",
        remedy=remedy,
    )


def require_not_of_real(name: str, text: str) -> None:
    """Raise QueryError where the view `name` has a meaning for the ReaL labels alone."""
    if catalog.is_of_real(name):
        raise QueryError(
            f"the view {name} compares the ReaL labels with their questions, votes or scores, or "
            f"label sets with each other; it cannot be judged by {text!r}",
            value=name,
            parameter="labels",
            remedy="Leave `labels` out",
        )
