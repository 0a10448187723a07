"""Read the tables that realdb prints, in any layout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from realdb.exports.lines import visible_cell


def cell(value: Any) -> str:
    """Return a value of Python's or of JSON as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, float):
        is_plain = value == 0 or 1e-4 <= abs(value) < 1e9
        return format(value, ".6f" if is_plain else ".6g")
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return value[:12] + "…"
    return visible_cell(str(value))


def shows(text: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a text is a table of these cells, as rows or as blocks of lines.

    A cell may be shortened, and ends in `…` then. Names of columns are folded above rows only, and
    the last cell of a row may be.
    """
    lines = text.splitlines()
    rules = [place for place, line in enumerate(lines) if line.strip() and not line.strip(" ─")]
    head = " ".join(lines[: rules[0]]) if rules else ""
    body = [line for line in lines[rules[0] + 1 :] if line.strip()] if rules else []
    if len(body) > len(rows):
        body = _unfolded(body)
    parts = [part for name in header for part in re.findall("[^_ ]+", name)]
    if all(part in head for part in parts) and len(body) == len(rows):
        return all(_are(line, row) for line, row in zip(body, rows, strict=True))
    said = [line for place, line in enumerate(lines) if line.strip() and place not in rules]
    for count in range(1, len(rows) + 1):
        blocks = [rows[start : start + count] for start in range(0, len(rows), count)]
        expected = [
            [name, *(row[place] for row in block)]
            for block in blocks
            for place, name in enumerate(header)
        ]
        if len(said) == len(expected) and all(map(_are, said, expected)):
            return True
    return False


def _unfolded(lines: Sequence[str]) -> list[str]:
    """Return lines with those that have only their last cell at the end of the one before."""
    whole: list[str] = []
    for line in lines:
        if whole and line.startswith(" " * 20):
            whole[-1] = f"{whole[-1].rstrip()} {line.strip()}"
        else:
            whole.append(line)
    return whole


def _are(line: str, cells: Sequence[str]) -> bool:
    """Return whether a line shows these cells, in their order, and nothing else."""
    for expected in cells:
        line, expected = line.lstrip(), expected.strip()
        shown, mark, rest = line.partition("…")
        if not expected:
            continue
        if re.match(re.escape(expected) + r"(?!\S)", line):
            line = line[len(expected) :]
        elif mark and shown and expected.startswith(shown.rstrip()):
            line = rest
        else:
            return False
    return not line.strip()
