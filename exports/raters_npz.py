"""raters.npz in the upstream format: the raters' votes. npz.py describes the arrays."""

from __future__ import annotations

from . import npz
from .registry import Export


def write(export: Export) -> int:
    """Write the arrays; return the number of votes."""
    return npz.votes(export, "main")


count = npz.count_votes
