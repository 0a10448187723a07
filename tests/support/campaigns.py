"""The size of the campaigns: how many faults are tried, and how many examples Hypothesis draws.

REALDB_FAULTS sets one of three levels. By default the tests try a few faults, always the same.
REALDB_FAULTS=more tries more of them, and all cases of a test with the mark `cases`.
REALDB_FAULTS=whole pytest -n0 tries all, and Hypothesis draws other examples each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

import pytest
from hypothesis import settings

Case = TypeVar("Case")

LEVEL = os.environ.get("REALDB_FAULTS") or "few"
IS_WHOLE = LEVEL == "whole"


def number(few: int, all_of_them: int, *, more: int | None = None) -> int:
    """Return how many faults to try: the few are the first of all, by the same seed."""
    return {"few": few, "more": more or few, "whole": all_of_them}[LEVEL]


def some(cases: Iterable[Case], few: int) -> list[Case]:
    """Return the cases of a test; by default only a few of them, spread evenly."""
    found = [*cases]
    if LEVEL != "few" or len(found) <= few:
        return found
    return [found[place * len(found) // few] for place in range(few)]


def few_cases(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests that run and those that do not: of a test with the mark `cases`, a few."""
    if LEVEL != "few":
        return items, []
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("cases"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out: set[pytest.Item] = set()
    for found in cases.values():
        mark = found[0].get_closest_marker("cases")
        assert mark is not None
        left_out |= {*found} - {*some(found, *mark.args)}
    return [item for item in items if item not in left_out], [*left_out]


# No deadline, because examples take longer on a busy machine.
settings.register_profile("few", max_examples=6, deadline=None, derandomize=True)
settings.register_profile("more", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("whole", max_examples=500, deadline=None, print_blob=True)


def load_profile() -> None:
    """Set how many examples Hypothesis draws; a test can override it."""
    settings.load_profile(LEVEL)
