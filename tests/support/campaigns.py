"""The size of the campaigns: how many faults are tried, and how many examples Hypothesis draws.

With all the tests they try a few, always the same. REALDB_FAULTS=whole pytest -n0 tries all, and
Hypothesis draws other examples each time.
"""

from __future__ import annotations

import os

from hypothesis import settings

IS_WHOLE = os.environ.get("REALDB_FAULTS") == "whole"


def number(few: int, all_of_them: int) -> int:
    """Return how many faults to try: the few are the first of all, by the same seed."""
    return all_of_them if IS_WHOLE else few


# No deadline, because examples take longer on a busy machine.
settings.register_profile("few", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("whole", max_examples=500, deadline=None, print_blob=True)


def load_profile() -> None:
    """Set how many examples Hypothesis draws; a test can override it."""
    settings.load_profile("whole" if IS_WHOLE else "few")
