"""How long the campaigns of faults run: few of them with all the tests, all on demand.

REALDB_FAULTS=whole pytest tests/faults
"""

from __future__ import annotations

import os


def number(few: int, all_of_them: int) -> int:
    """Return how many faults to try: the few are the first of all, by the same seed."""
    return all_of_them if os.environ.get("REALDB_FAULTS") == "whole" else few
