"""The groups of images that `by` selects: class, label-count, animal, or a stored grouping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

from ..errors import UsageError, did_you_mean
from . import choices

if TYPE_CHECKING:
    import duckdb

    from .rules import Rules

BY: tuple[str, ...] = get_args(choices.AccuracyBy)
# The values of `by` that need the class of an image, which is its original label.
BY_ORIGINAL = ("class", "animal")
# The groupings, and whether each one groups classes, by their original labels.
GROUPINGS = """
    select g.grouping, bool_or(g.is_of_classes) as is_of_classes
    from (
        select c.grouping, true as is_of_classes from class_groups as c
        union all
        select i.grouping, false as is_of_classes from image_groups as i
    ) as g
    group by g.grouping
    order by g.grouping
"""


def grouping_of(by: str | None) -> str | None:
    """Return the stored grouping that `by` names, or None."""
    return by if by is not None and by not in BY else None


def groupings(con: duckdb.DuckDBPyConnection) -> dict[str, bool]:
    """Return the stored groupings, and whether each one groups classes."""
    return dict(con.sql(GROUPINGS).fetchall())


def require_rules(by: str | None, rules: Rules) -> None:
    """Raise UsageError where a breakdown has no meaning by the rules."""
    if by is not None and rules.average == "class":
        raise UsageError(
            "`average` is class, the mean over all classes; a breakdown has only shares of images",
            parameter="average",
            value=rules.average,
            remedy="Leave `by` or `average` out",
        )
    if by == "label-count" and rules.match is not None:
        raise UsageError(
            "with `match` every class of a group counts as a label, so an image has no number of "
            "labels",
            parameter="by",
            value=by,
            remedy="Leave `by` or `match` out",
        )


def original_for(grouping: str, groupings: Mapping[str, bool]) -> str | None:
    """Return what needs the original labels, if the breakdown by a grouping does.

    `groupings` says of each one that the store has whether it groups classes. Raises UsageError
    where there is neither a breakdown nor a grouping of this name.
    """
    if grouping not in groupings:
        known = ", ".join([*BY, *groupings])
        adding = "realdb groups add FILE adds a grouping, realdb labels add imagenet-x adds factor"
        raise UsageError(
            f"`by` is {grouping!r}; it is one of {known}",
            parameter="by",
            value=grouping,
            remedy=did_you_mean(grouping, [*BY, *groupings], adding),
        )
    return f"by {grouping}" if groupings[grouping] else None
