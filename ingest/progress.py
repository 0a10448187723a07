"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

# Called with what is being done, how much of it is done and how much there is, in the same unit.
Progress = Callable[[str, int, int], None]


def silent(task: str, done: int, total: int) -> None:
    """Tell nothing."""
