"""Comma-separated text with a header line."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ...schema import quoting
from .. import columns
from ..options import ReadOptions

if TYPE_CHECKING:
    import duckdb

# How much of the end of a file is looked at, and shown: more than a line of a prediction takes.
_LAST_LINE = 200
# Where DuckDB's own portions are small enough; less than a MB is all overhead.
_MOST = 32_000_000
_LEAST = 1 << 20
_LONGEST_LINE = 2_000_000


def read(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    options: ReadOptions,
    *,
    delimiter: str = ",",
) -> duckdb.DuckDBPyRelation:
    """Read the file as text throughout: what a cell means is decided later, for all formats alike.

    Raises DataError where the header line has no use or a line has another number of cells; doubts
    the last line where it may have been cut.
    """
    names = _header(path, delimiter)
    if (line := _open_line(path)) is not None:
        options.facts.doubts.append(
            f"{path.name} ends without a line break: if it was cut, its last line, {line!r}, may "
            "be shorter than it was, and its label may be another one"
        )
    portion, longest_line = _portion(path)
    # Everything is set, so that DuckDB guesses nothing: a column of 0 and 1 is no boolean here.
    table = con.read_csv(
        quoting.one_file(path),
        header=True,
        sep=delimiter,
        quotechar='"',
        escapechar='"',
        all_varchar=True,
        auto_detect=False,
        columns=dict.fromkeys(names, "VARCHAR"),
        # A folder called label=7 above the file is no column.
        hive_partitioning=False,
        buffer_size=portion,
        max_line_size=longest_line,
    )
    return columns.select(con, table, str(path), options)


def _portion(path: Path) -> tuple[int | None, int | None]:
    """Return how much of the file one thread reads at a time, and how long a line may be, in bytes.

    None is DuckDB's own: 8 MB and 2 MB. 50,000 predictions are 2.4 MB, which one thread would read
    while the others look on: each gets half of a small file. Where a cell holds line breaks no
    thread can tell where a line begins, and DuckDB may take the middle of a cell for one: then one
    thread reads it all, which it does where a portion is set without a line.
    """
    with path.open("rb") as file:
        has_quotes = any(b'"' in text for text in iter(lambda: file.read(_LEAST), b""))
        size = file.seek(0, os.SEEK_END)
        if has_quotes:
            file.seek(0)
            has_breaks = any(line.count(b'"') % 2 for line in file)
            return (max(size + 1, _MOST), None) if has_breaks else (None, None)
    if size > _MOST:
        return None, None
    portion = max(size // 2 + 1, _LEAST)
    return portion, min(portion, _LONGEST_LINE)


def _header(path: Path, delimiter: str) -> list[str]:
    try:
        # A byte order mark is what spreadsheets write; DuckDB skips it as well. What is read ahead
        # of the other lines is no matter here: DuckDB names the line that is no UTF-8.
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names = next(csv.reader(file, delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"{path}: the header line cannot be read: {error}", file=path) from None
    if any("\N{REPLACEMENT CHARACTER}" in name for name in names):
        raise DataError(
            f"{path}: the header line is no UTF-8 text", file=path, remedy="Save the file as UTF-8"
        )
    if not names:
        raise DataError(
            f"{path}: the first line is empty", file=path, remedy="Begin with the header line"
        )
    # pandas writes its index under an empty name, which DuckDB takes for no name at all.
    names = [name or "unnamed" for name in names]
    columns.require_distinct(names, str(path))
    return names


def _open_line(path: Path) -> str | None:
    """Return the end of the last line if it has no line break: it may be shorter than it was.

    Of a text that is cut anywhere else, DuckDB refuses the last line, or all that is left of it is
    whole; but a cut within its last cell makes 51 of 512. pandas, R, Excel, DuckDB and csv.writer
    all end the last line; a text joined by hand may not, so that this is no reason to refuse it,
    and whether all 50,000 images are there says nothing: the last one is.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LAST_LINE))
        text = file.read()
    if text.endswith((b"\n", b"\r")):
        return None
    return text.replace(b"\r", b"\n").rpartition(b"\n")[2].decode(errors="replace")
