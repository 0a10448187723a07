"""Text, tab-separated, with a header line: as csv.py, quotes included where a cell has a tab."""

from __future__ import annotations

from . import csv
from .registry import Export


def write(export: Export) -> int:
    """Write the rows as UTF-8; return how many."""
    return csv.write(export, delimiter="\t")
