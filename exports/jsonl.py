"""JSON, an object a line. NaN and the infinities, unknown to JSON, become null."""

from __future__ import annotations

from pathlib import Path

from . import Export, json


def write(export: Export) -> int:
    """Write the rows as UTF-8; return how many."""
    rows = 0
    with export.path.open("w", encoding="utf-8", newline="\n") as file:
        for text in json.objects(export.asked):
            file.write(f"{text}\n")
            rows += 1
    return rows


def count(path: Path) -> int:
    """Count the lines of the file at `path`."""
    with path.open("rb") as file:
        return sum(1 for _ in file)
