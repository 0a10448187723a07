"""The callback that reports the progress of long work."""

from __future__ import annotations

from collections.abc import Callable

# Called with the task, the amount done and the total, in the same unit.
Progress = Callable[[str, int, int], None]


def silent(task: str, done: int, total: int) -> None:
    """Report nothing."""
