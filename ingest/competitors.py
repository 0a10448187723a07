"""Decide which of several columns of classes is the prediction, and which the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import DataError
from ..schema.tables import CLASSES
from . import contents, missing, roles
from .options import ENOUGH_RATED, FEWEST_RATED, GROUND_TRUTH, ReadOptions, Truth
from .series import Found

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

# The fewest rows for the verdict CHANCE.
_ENOUGH_FOR_CHANCE = 20
# If so many rows count up, that is not by chance.
ENOUGH_COUNTED = 20
_FEWEST_COUNTED = 3
# Without original labels, columns that agree on this share of the rows both hold classes.
_ALIKE = 0.2
# If there are more columns, only those with names of classes are compared.
_MOST_COMPARED = 30
_HEADERLESS_RANKS = 5

TRUTH = "the original labels"
AGREES = "classes that agree with the original labels"
CHANCE = "numbers that agree with the original labels no more than by chance"
UNKNOWN = "classes"


class Judged(NamedTuple):
    """A column or series that holds classes, compared with the original labels.

    ids: the class of each row; only of the first rows if there is a column for each class
    is_named: its name is a known name for labels
    is_words: it holds names of classes
    verdict: TRUTH, AGREES, CHANCE or UNKNOWN
    agreeing, rated: how many rated images agree with the original label, and how many there are
    """

    found: Found
    ids: NDArray[np.int64]
    is_named: bool
    is_words: bool
    verdict: str
    agreeing: int
    rated: int

    @property
    def is_sure(self) -> bool:
        """Whether there are enough rated images to be sure of the verdict TRUTH."""
        return self.rated >= ENOUGH_RATED


class Table(NamedTuple):
    """A table of predictions, as far as it is known.

    images: the image of each row, 0 if it has none; None if there is no image column
    is_first: which rows are the first choice for their image; None if all are
    """

    rows: duckdb.DuckDBPyRelation
    where: str
    images: NDArray[np.int64] | None
    is_first: NDArray[np.bool_] | None


def choose(
    table: Table, named: Sequence[Found], others: Sequence[str], options: ReadOptions
) -> Found:
    """Return which column is the prediction: of those `named` like labels, or of the `others`.

    Raises DataError with the choices if that cannot be decided, or if the named column is the
    ground truth and another is not. Raises DataError with the content of each column if none is the
    prediction.
    """
    words = options.words()
    kinds = contents.kinds(
        table.rows, [*others, *(f.columns[0] for f in named if not f.is_by_class)], words
    )
    holds_classes = (contents.CLASS_IDS, contents.CLASS_NAMES)
    extra = [name for name in others if kinds[name] in holds_classes]
    if len(extra) > _MOST_COMPARED:
        extra = [name for name in extra if roles.is_of_classes(name)][:_MOST_COMPARED]
    if len(named) == 1 and not extra:
        return named[0]
    every = [*named, *(Found(name, (name,)) for name in extra)]
    truth = options.truth()
    judged = [
        judge(
            found,
            ids,
            table,
            truth,
            is_named=place < len(named),
            is_words=kinds.get(found.columns[0]) == contents.CLASS_NAMES,
        )
        for place, (found, ids) in enumerate(
            zip(every, contents.class_ids(table.rows, every, words), strict=True)
        )
    ]
    counting = [each for each in judged if _is_counting(each, len(named))]
    left = [each for each in judged if each not in counting]
    holding = [each for each in left if _holds_classes(each)]
    # A named column with other content is used only if there is no better one.
    different = _different(holding or [each for each in left if each.is_named])
    if any(each.is_named for each in different):
        return _among_named(different, table, truth)
    return _among_others(different, counting, kinds, table, options)


def judge(
    found: Found,
    ids: NDArray[np.int64],
    table: Table,
    truth: Truth | None,
    *,
    is_named: bool = True,
    is_words: bool = False,
) -> Judged:
    """Compare the classes of a column with the original labels of the rated images."""
    verdict, agreeing, rated = UNKNOWN, 0, 0
    if truth is not None and table.images is not None:
        images = table.images[: len(ids)]
        original = truth.original[images]
        is_used = truth.is_rated[images] & (original >= 0)
        if table.is_first is not None:
            is_used &= table.is_first[: len(ids)]
        mine, theirs = ids[is_used], original[is_used]
        rated, agreeing = len(mine), int((mine == theirs).sum())
        verdict = _verdict(mine, theirs, agreeing)
    return Judged(found, ids, is_named, is_words, verdict, agreeing, rated)


def _verdict(mine: NDArray[np.int64], theirs: NDArray[np.int16], agreeing: int) -> str:
    rated = len(mine)
    if rated < FEWEST_RATED:
        return UNKNOWN
    if agreeing >= GROUND_TRUTH * rated:
        return TRUTH
    # Columns with few different values agree by chance more often.
    is_class = (mine >= 0) & (mine < CLASSES)
    by_chance = (
        np.bincount(mine[is_class], minlength=CLASSES) @ np.bincount(theirs, minlength=CLASSES)
    ) / rated
    if agreeing > by_chance + 4 * by_chance**0.5 + 2:
        return AGREES
    return CHANCE if rated >= _ENOUGH_FOR_CHANCE else UNKNOWN


def _is_counting(judged: Judged, named: int) -> bool:
    if contents.running_from(judged.ids) is None or judged.found.is_by_class:
        return False
    is_alone = judged.is_named and named == 1
    return len(judged.ids) >= (ENOUGH_COUNTED if is_alone else _FEWEST_COUNTED)


def _holds_classes(judged: Judged) -> bool:
    is_class = (judged.ids >= 0) & (judged.ids < CLASSES)
    return bool(is_class.sum() >= (0.5 if judged.is_words else 0.9) * len(is_class) > 0)


def _different(judged: Sequence[Judged]) -> list[Judged]:
    """Return one column for each group with the same classes: the most informative one."""
    groups: list[list[Judged]] = []
    for each in judged:
        group = next((group for group in groups if _is_same(group[0], each)), None)
        if group is None:
            groups.append([each])
        else:
            group.append(each)
    return [
        max(group, key=lambda each: (len(each.found.columns), each.is_named, not each.is_words))
        if any(each.is_named for each in group)
        else group[0]
        for group in groups
    ]


def _is_same(one: Judged, other: Judged) -> bool:
    rows = min(len(one.ids), len(other.ids))
    mine, theirs = one.ids[:rows], other.ids[:rows]
    are_known = (mine >= 0) & (theirs >= 0)
    return bool(are_known.sum() >= 0.5 * rows > 0 and (mine == theirs)[are_known].all())


def _among_named(judged: Sequence[Judged], table: Table, truth: Truth | None) -> Found:
    named = [each for each in judged if each.is_named]
    truths = [each for each in named if each.verdict == TRUTH]
    possible = [each for each in named if each.verdict != TRUTH]
    if any(each.verdict == AGREES for each in possible):
        possible = [each for each in possible if each.verdict != CHANCE]
    rivals = [
        each for each in judged if not each.is_named and _is_rival(each, [*possible, *truths])
    ]
    if len(truths) + len(possible) + len(rivals) == 1 or (truths and not [*possible, *rivals]):
        return (truths or possible)[0].found
    raise _question([*truths, *possible, *rivals], table, truth)


def _is_rival(other: Judged, named: Sequence[Judged]) -> bool:
    """Return whether `other`, which has no known name, could be the prediction."""
    if other.verdict in (TRUTH, CHANCE):
        return False
    if other.verdict == AGREES or other.is_words or roles.is_of_classes(other.found.name):
        return True
    return any(_is_alike(other.ids, each.ids) for each in named)


def _is_alike(mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> bool:
    """Return whether both columns seem to hold classes: they agree often, or vary enough."""
    rows = min(len(mine), len(theirs))
    mine, theirs = mine[:rows], theirs[:rows]
    values, others = len(np.unique(mine)), len(np.unique(theirs))
    is_varied = rows >= FEWEST_RATED and values >= max(_FEWEST_COUNTED, others / 2)
    return is_varied or bool(values > 1 and (mine == theirs).sum() >= _ALIKE * rows)


def _among_others(
    judged: Sequence[Judged],
    counting: Sequence[Judged],
    kinds: dict[str, str],
    table: Table,
    options: ReadOptions,
) -> Found:
    """Return the only column that agrees with the original labels; none has a known name."""
    possible = [each for each in judged if each.verdict != TRUTH]
    doubtful = [each for each in judged if each.verdict == TRUTH and not each.is_sure]
    agreeing = [each for each in possible if each.verdict == AGREES]
    if not options.facts.has_header:
        if len(possible) >= _HEADERLESS_RANKS:
            raise _unnamed_ranks(possible, table)
        agreeing = agreeing or (possible if len(possible) == 1 else [])
    if len(agreeing) == 1 and not doubtful:
        return agreeing[0].found
    if agreeing:
        raise _question([*doubtful, *agreeing], table, options.truth())
    seems = kinds | {each.found.name: each.verdict for each in judged}
    seems |= {
        each.found.name: f"a count of the rows from {contents.running_from(each.ids)}"
        for each in counting
    }
    raise missing.label(table.rows, table.where, seems)


def _unnamed_ranks(judged: Sequence[Judged], table: Table) -> DataError:
    return DataError(
        f"{table.where} has no header line, and {len(judged)} columns contain classes: "
        f"{', '.join(str(each.found) for each in judged)}",
        column="label",
        count=len(judged),
        remedy="Write a header line such as file_name,pred_1,pred_2,pred_3, …",
    )


def _best(judged: Sequence[Judged]) -> Judged:
    """Return the column to recommend."""
    order = (AGREES, UNKNOWN, CHANCE)
    return min(
        judged,
        key=lambda each: (
            order.index(each.verdict),
            not roles.is_of_predictions(each.found.name),
        ),
    )


def _question(judged: Sequence[Judged], table: Table, truth: Truth | None) -> DataError:
    """Return the error that lists the columns that could be the prediction."""
    truths = [each for each in judged if each.verdict == TRUTH]
    possible = [each for each in judged if each.verdict != TRUTH]
    reasons = [
        f"{str(each.found)!r} {'is' if each.is_sure else 'may be'} the ground truth: it agrees "
        f"with the original labels on {each.agreeing:,} of {each.rated:,} rated images"
        for each in truths
    ]
    if any(each.verdict == UNKNOWN for each in possible):
        cause = (
            "the store has no original labels"
            if truth is None
            else "too few of the images are rated"
            if table.images is not None
            else "there is no image column"
        )
        reasons.append(f"realdb cannot decide whether one of them is the ground truth: {cause}")
    best = _best(possible) if possible else None
    return DataError(
        f"{table.where} has {len(judged)} columns that could be the label: "
        f"{', '.join(str(each.found) for each in judged)}"
        + "".join(f". {reason}" for reason in reasons),
        column="label",
        value=best.found.name if best else judged[0].found.name,
        count=len(judged),
        parameter="columns",
        remedy=_remedy(possible),
    )


def _remedy(possible: Sequence[Judged]) -> str:
    if not possible:
        return "Write the predictions, not the original labels"
    best = _best(possible).found
    text = f'`columns={{"label": "{best.name}"}}`'
    return (
        f"Choose the predictions: {text}"
        if len(possible) == 1
        else (f"Choose the column of the predictions, such as {text}")
    )
