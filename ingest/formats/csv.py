"""Text of lines and cells: comma-separated, or however its layout is."""

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

# How much of the end of a file is looked at, and shown: more than a line of a prediction takes.
_LAST_LINE = 200
# Where DuckDB's own portions are small enough; less than a MB is all overhead.
_MOST = 32_000_000
_LEAST = 1 << 20
_LONGEST_LINE = 2_000_000
_CELLS_AT_ONCE = 1_000_000
_COMMENT = rb"(?:\A|[\r\n])[ \t]*(?:#|%|//)"
_ODD_BLANKS = rb"  |\t|[\r\n] | [\r\n]|\A | \Z"
# 0,95 as a number: what stands before the comma, and behind it.
_DECIMAL = r"^\s*([-+]?\d*),(\d+(?:[eE][-+]?\d+)?)\s*$"


class _Survey(NamedTuple):
    """What the whole file holds: the head does not tell."""

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
    """Read the file as text throughout: what a cell means is decided later, for all formats alike.

    `delimiter` holds where the user chose the format; otherwise the file's layout tells. Raises
    DataError if a line has another number of cells or is too long, or the file is no Unicode
    text; doubts the last line where it may have been cut.
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
    # Everything is set, so that DuckDB guesses nothing: a column of 0 and 1 is no boolean here.
    return con.read_csv(
        quoting.one_file(path),
        header=found.has_header,
        sep=found.separator,
        quotechar='"',
        escapechar='"',
        all_varchar=True,
        auto_detect=False,
        columns=dict.fromkeys(found.names, "VARCHAR"),
        # A folder called label=7 above the file is no column.
        hive_partitioning=False,
        buffer_size=portion,
        max_line_size=longest_line,
    )


def _by_lines(path: Path, found: layout.Layout, options: ReadOptions) -> pa.Table:
    """Read a file that DuckDB would misread: in another encoding, with comments or blanks."""
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
    """Yield the lines, blank before row 1; the last one is kept in `last`."""
    for number, line in enumerate(file, 1):
        last[0] = line
        yield line if number >= first_line else "\n"


def _rows(path: Path, found: layout.Layout, lines: Iterator[str]) -> Iterator[list[str | None]]:
    """Yield the cells of each row, which are as many as the names. Raises DataError otherwise."""
    width = len(found.names)
    line = found.first_line
    try:
        for line, cells in text.records(lines, found.separator, found.quote, strict=True):
            if len(cells) == width + 1 and not cells[-1]:
                del cells[-1]
            if len(cells) != width:
                raise DataError(
                    f"{path}: line {line:,} has {len(cells):,} cells, and there are {width:,} "
                    "columns",
                    file=path,
                    count=len(cells),
                    remedy="Write a cell for each column, and quotes around a cell that holds the "
                    f"separator, a {text.SEPARATORS.get(found.separator or '', 'line break')}",
                )
            yield [cell.strip() or None if width == 1 else cell or None for cell in cells]
    except UnicodeDecodeError:
        raise text.undecodable(path, found.encoding) from None
    except csv.Error as error:
        raise DataError(
            f"{path} cannot be read below line {line:,}: {error}",
            file=path,
            remedy="Every quote needs its second one, and a cell has at most "
            f"{text.LONGEST_CELL:,} characters",
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
    """Return what the whole file holds.

    Raises DataError if a line is too long, or UTF-8 text has bytes that are none.
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
                # Where blanks separate, several do as well, and those around a line do not.
                has_odd_blanks = (
                    found.separator == " " and re.search(_ODD_BLANKS, content) is not None
                )
                return _Survey(len(content), has_quotes, has_comments, has_odd_blanks)
    except UnicodeDecodeError:
        raise text.undecodable(path, found.encoding) from None


def _require_lines(path: Path, content: mmap.mmap) -> None:
    """Raise DataError if a line is too long. What lies between two line ends is looked over."""
    start = 0
    while len(content) - start > text.LONGEST_LINE:
        stop = start + text.LONGEST_LINE + 1
        end = max(content.rfind(sign, start, stop) for sign in (b"\n", b"\r"))
        if end < 0:
            before = re.findall(rb"\r\n?|\n", content[:start])
            raise text.too_long(path, len(before) + 1)
        start = end + 1


def _portion(path: Path, survey: _Survey) -> tuple[int | None, int | None]:
    """Return how much of the file one thread reads at a time, and how long a line may be, in bytes.

    None is DuckDB's own: 8 MB and 2 MB. 50,000 predictions are 2.4 MB, which one thread would read
    while the others look on: each gets half of a small file. Where a cell holds line breaks no
    thread can tell where a line begins, and DuckDB may take the middle of a cell for one: then one
    thread reads it all, which it does where a portion is set without a line.
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
        f"{path.name} ends without a line break: if it was cut, its last line, {line!r}, may "
        "be shorter than it was, and its label may be another one"
    )


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
