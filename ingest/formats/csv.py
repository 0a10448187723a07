"""Read text with lines and cells: CSV, or another layout that realdb detects."""

from __future__ import annotations

import codecs
import csv
import itertools
import mmap
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import DataError
from ...schema import quoting
from .. import columns, layout, text, unnamed
from ..options import ReadOptions

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# The bytes at the end of a file that are read and shown; a line of a prediction is shorter.
_LAST_LINE = 200
# For larger files DuckDB's own portions are small enough. Portions below 1 MB are all overhead.
_MOST = 32_000_000
_LEAST = 1 << 20
_LONGEST_LINE = 2_000_000
_CELLS_AT_ONCE = 1_000_000
_COMMENT = rb"(?:\A|[\r\n])[ \t]*(?:#|%|//)"
_ODD_BLANKS = rb"  |\t|[\r\n] | [\r\n]|\A | \Z"
# 0,95 as a number: the parts before and after the comma.
_DECIMAL = r"^\s*([-+]?\d*),(\d+(?:[eE][-+]?\d+)?)\s*$"


class _Survey(NamedTuple):
    """Facts about the whole file, which its head does not show."""

    size: int
    has_quotes: bool
    has_comments: bool
    has_odd_blanks: bool


def read(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    options: ReadOptions,
    *,
    delimiter: str = ",",
) -> duckdb.DuckDBPyRelation:
    """Read all cells as text; later stages read the values of all formats in the same way.

    `delimiter` is used if the user chose the format; otherwise the delimiter is detected. Raises
    DataError if a line has another number of cells or is too long, or if the file is not Unicode
    text. Warns if the last line may have been cut.
    """
    found = layout.detect(path, delimiter if options.facts.is_format_chosen else None)
    columns.require_distinct(found.names, str(path))
    options.facts.has_header = found.is_named
    options.facts.first_line = found.first_line
    survey = _survey(path, found)
    if found.is_plain and not survey.has_comments and not survey.has_odd_blanks:
        if (line := _open_line(path)) is not None:
            _doubt(path, line, options)
        table = _by_duckdb(con, path, found, survey)
    else:
        table = con.from_arrow(_by_lines(path, found, options))
    if decimals := found.decimal_commas(options.columns.get("confidence")):
        table = _with_points(table, decimals)
    if floats := found.float_columns():
        table = _with_whole_numbers(table, floats)
    if not found.is_named or len(found.names) == 1:
        table, options = unnamed.infer(table, found, str(path), options)
    return columns.select(con, table, str(path), options)


def _by_duckdb(
    con: duckdb.DuckDBPyConnection, path: Path, found: layout.Layout, survey: _Survey
) -> duckdb.DuckDBPyRelation:
    portion, longest_line = _portion(path, survey)
    # All options are set, so that DuckDB does not guess, for example booleans for 0 and 1.
    return con.read_csv(
        quoting.one_file(path),
        header=found.has_header,
        sep=found.separator,
        quotechar='"',
        escapechar='"',
        all_varchar=True,
        auto_detect=False,
        columns=dict.fromkeys(found.names, "VARCHAR"),
        # A parent folder such as label=7 must not become a column.
        hive_partitioning=False,
        buffer_size=portion,
        max_line_size=longest_line,
    )


def _by_lines(path: Path, found: layout.Layout, options: ReadOptions) -> pa.Table:
    """Read a file that DuckDB would misread: with another encoding, comments, or blanks."""
    import pyarrow as pa

    schema = pa.schema([(name, pa.string()) for name in found.names])
    batches = []
    last = [""]
    with path.open(encoding=found.encoding, newline="") as file:
        rows = _rows(path, found, _remembered(file, found.first_line, last))
        while some := list(itertools.islice(rows, max(1, _CELLS_AT_ONCE // len(found.names)))):
            arrays = [pa.array(cells, pa.string()) for cells in zip(*some, strict=True)]
            batches.append(pa.record_batch(arrays, schema=schema))
    if last[0] and not last[0].endswith(("\n", "\r")):
        _doubt(path, last[0][-_LAST_LINE:], options)
    return pa.Table.from_batches(batches, schema)


def _remembered(file: Iterable[str], first_line: int, last: list[str]) -> Iterator[str]:
    """Yield the lines, with blank lines before row 1. `last` receives the last line."""
    for number, line in enumerate(file, 1):
        last[0] = line
        yield line if number >= first_line else "\n"


def _rows(path: Path, found: layout.Layout, lines: Iterator[str]) -> Iterator[list[str | None]]:
    """Yield the cells of each row. Raises DataError if their number differs from the names."""
    width = len(found.names)
    line = found.first_line
    try:
        for line, cells in text.records(lines, found.separator, found.quote, strict=True):
            if len(cells) == width + 1 and not cells[-1]:
                del cells[-1]
            if len(cells) != width:
                raise DataError(
                    f"{path}: line {line:,} has {len(cells):,} cells, but there are {width:,} "
                    "columns",
                    file=path,
                    count=len(cells),
                    remedy="Write a cell for each column, and quotes around cells that contain the "
                    f"separator, a {text.SEPARATORS.get(found.separator or '', 'line break')}",
                )
            yield [cell.strip() or None if width == 1 else cell or None for cell in cells]
    except UnicodeDecodeError:
        raise text.undecodable(path, found.encoding) from None
    except csv.Error as error:
        raise DataError(
            f"{path} cannot be read after line {line:,}: {error}",
            file=path,
            remedy=f"Close every quote, and write at most {text.LONGEST_CELL:,} characters in a "
            "cell",
        ) from None


def _with_points(
    table: duckdb.DuckDBPyRelation, decimals: Sequence[str]
) -> duckdb.DuckDBPyRelation:
    """Return the table with 0.95 for 0,95 in the columns `decimals`."""
    return table.project(
        ", ".join(
            f"regexp_replace({column}, '{_DECIMAL}', '\\1.\\2') as {column}"
            if name in decimals
            else column
            for name, column in ((name, quoting.identifier(name)) for name in table.columns)
        )
    )


def _with_whole_numbers(
    table: duckdb.DuckDBPyRelation, floats: Sequence[str]
) -> duckdb.DuckDBPyRelation:
    """Return the table with 394 for 3.940000000000000000e+02 in the columns `floats`."""
    return table.project(
        ", ".join(
            f"case when regexp_full_match({column}, '{text.SAVETXT}') "
            f"and cast({column} as double) = round(cast({column} as double)) "
            f"then cast(cast(cast({column} as double) as bigint) as varchar) "
            f"else {column} end as {column}"
            if name in floats
            else column
            for name, column in ((name, quoting.identifier(name)) for name in table.columns)
        )
    )


def _survey(path: Path, found: layout.Layout) -> _Survey:
    """Return facts about the whole file.

    Raises DataError if a line is too long, or if UTF-8 text has invalid bytes.
    """
    has_quotes = may_have_comments = False
    decoder = codecs.getincrementaldecoder("utf-8")() if found.encoding == "utf-8-sig" else None
    is_ascii = True
    try:
        with path.open("rb") as file:
            for chunk in iter(lambda: file.read(_LEAST), b""):
                has_quotes = has_quotes or b'"' in chunk
                may_have_comments = (
                    may_have_comments
                    or b"#" in chunk
                    or b"%" in chunk
                    or (b"/" in chunk and b"//" in chunk)
                )
                is_ascii = is_ascii and chunk.isascii()
                if decoder and not is_ascii:
                    decoder.decode(chunk)
            if decoder:
                decoder.decode(b"", final=True)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                _require_lines(path, content)
                has_comments = may_have_comments and re.search(_COMMENT, content) is not None
                # Several blanks are one separator, and those around a line are ignored.
                has_odd_blanks = (
                    found.separator == " " and re.search(_ODD_BLANKS, content) is not None
                )
                return _Survey(len(content), has_quotes, has_comments, has_odd_blanks)
    except UnicodeDecodeError:
        raise text.undecodable(path, found.encoding) from None


def _require_lines(path: Path, content: mmap.mmap) -> None:
    """Raise DataError if a line is too long. Not every line end is read, only those needed."""
    start = 0
    while len(content) - start > text.LONGEST_LINE:
        stop = start + text.LONGEST_LINE + 1
        end = max(content.rfind(sign, start, stop) for sign in (b"\n", b"\r"))
        if end < 0:
            before = re.findall(rb"\r\n?|\n", content[:start])
            raise text.too_long(path, len(before) + 1)
        start = end + 1


def _portion(path: Path, survey: _Survey) -> tuple[int | None, int | None]:
    """Return the bytes that one thread reads at a time, and the longest line in bytes.

    None means DuckDB's defaults, 8 MB and 2 MB. One thread would read the 2.4 MB of 50,000
    predictions alone, so a small file is split in two halves. If cells have line breaks, DuckDB may
    take the middle of a cell for the start of a line. One thread must read such a file: it does if
    the portion is set without the longest line.
    """
    size = survey.size
    if survey.has_quotes:
        with path.open("rb") as file:
            has_breaks = any(line.count(b'"') % 2 for line in file)
        return (max(size + 1, _MOST), None) if has_breaks else (None, None)
    if size > _MOST:
        return None, None
    portion = max(size // 2 + 1, _LEAST)
    return portion, min(portion, _LONGEST_LINE)


def _doubt(path: Path, line: str, options: ReadOptions) -> None:
    options.facts.doubts.append(
        f"{path.name} ends without a line break. The file may have been cut within its last line, "
        f"{line!r}, and its label may be wrong"
    )


def _open_line(path: Path) -> str | None:
    """Return the end of the last line if it has no line break: the file may have been cut there.

    A cut within the last cell can turn 512 into 51. After a cut elsewhere, the rest is complete, or
    DuckDB refuses the last line. pandas, R, Excel, DuckDB and csv.writer all end the last line.
    Text that was joined by hand may not have a line break there, so the file is not refused.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LAST_LINE))
        text = file.read()
    if text.endswith((b"\n", b"\r")):
        return None
    return text.replace(b"\r", b"\n").rpartition(b"\n")[2].decode(errors="replace")
