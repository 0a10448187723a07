"""TSV with a header line. A cell with a tab is quoted, as in csv.py."""

from __future__ import annotations

from . import csv
from .registry import Export


def write(export: Export) -> int:
    """Write the rows as UTF-8; return their number."""
    return csv.write(export, delimiter="\t")
