"""raters_golden.npz in the upstream format: the raters' answers to the golden questions."""

from __future__ import annotations

from . import npz
from .registry import Export


def write(export: Export) -> int:
    """Write the arrays; return the number of votes."""
    return npz.votes(export, "golden")


count = npz.count_votes
