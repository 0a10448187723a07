"""JSON: one array with an object for each row. NaN and infinities are written as null."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..schema import quoting
from . import lines
from .registry import Export

if TYPE_CHECKING:
    import duckdb

_FLOATS = ("FLOAT", "DOUBLE")


def write(export: Export) -> int:
    """Write the rows as UTF-8; return their number."""
    return write_rows(export.asked, export.path)


def write_rows(rows: duckdb.DuckDBPyRelation, path: Path) -> int:
    """Write rows as one array, with one object in a line; return their number."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for batch in batches(rows):
            for text in batch:
                file.write(f",\n{text}" if count else f"\n{text}")
                count += 1
        file.write("\n]\n")
    return count


def count(path: Path) -> int:
    """Count the objects of the file at `path`."""
    import json

    return len(json.loads(path.read_text(encoding="utf-8")))


def batches(rows: duckdb.DuckDBPyRelation) -> Iterator[list[str]]:
    """Yield lists of lines: each row is an object in one line."""
    pairs = [
        f"{quoting.identifier(name)} := "
        + (
            f"case when isfinite(#{place}) then #{place} end"
            if str(kind) in _FLOATS
            else f"#{place}"
        )
        for place, (name, kind) in enumerate(zip(rows.columns, rows.types, strict=True), start=1)
    ]
    yield from lines.batches(rows, f"to_json(struct_pack({', '.join(pairs)}))")
