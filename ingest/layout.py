"""Detect the layout of a text file: encoding, separator, header, and lines without data.

Only the head of the file is read. realdb detects here whether a cell is an image name or a number,
and whether a line has the names of columns. Later stages interpret the values.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError
from . import columns, text

_MOST_TITLES = 20
# The part of a usual file that is enough to detect its layout.
_BEGINNING = 2048
_SEP_LINE = r"(?i)\"?sep=(\\t|.)\"?\s*"
# 0,95 or 1,2e-3.
_DECIMAL_COMMA = r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*"


class Layout(NamedTuple):
    """The layout of a text file.

    encoding: Python's name of it
    separator: between cells; None if a line is one cell
    quote: the quote character of cells that contain the separator
    names: the names of the columns; column_1, column_2, … without a header
    has_header: whether the file has names of columns
    header_line: the number of the header line
    first_line: the number of the line of row 1
    sample: the cells of the first rows
    is_plain: the file is UTF-8 text that begins with its header or row 1
    """

    encoding: str
    separator: str | None
    quote: str
    names: list[str]
    has_header: bool
    header_line: int | None
    first_line: int
    sample: list[list[str]]
    is_plain: bool

    @property
    def is_named(self) -> bool:
        """Whether the names can have a meaning: pandas and R make up names without one."""
        made_up = r"(?i)\d+|v\d+|column_?\d+|unnamed(: \d+)?"
        return self.has_header and not all(re.fullmatch(made_up, name) for name in self.names)

    def float_columns(self) -> list[str]:
        """Return the columns in the default format of numpy.savetxt."""
        return [
            name
            for place, name in enumerate(self.names)
            if (cells := [row[place] for row in self.sample if place < len(row)])
            and all(re.fullmatch(text.SAVETXT, cell) for cell in cells)
        ]

    def decimal_commas(self, chosen: str | None) -> list[str]:
        """Return the confidence columns with decimal commas, as in 0,95; `chosen` is a confidence.

        A label column is never one of them: 7,12 may be two classes.
        """
        found = []
        for place, name in enumerate(self.names):
            base = name.strip().lower().rstrip("0123456789").rstrip("_- ")
            if base in columns.NAMES["label"] or base in columns.NAMES["image"]:
                continue
            cells = [row[place] for row in self.sample if place < len(row) and row[place].strip()]
            if not any("," in cell for cell in cells):
                continue
            with_comma = [cell for cell in cells if re.fullmatch(_DECIMAL_COMMA, cell)]
            others = [cell for cell in cells if not re.fullmatch(_DECIMAL_COMMA, cell)]
            is_named = base in columns.NAMES["confidence"] or (
                chosen is not None and name.lower().startswith(chosen.lower())
            )
            is_fraction = all(re.match(r"\s*[-+]?[01]?,", cell) for cell in with_comma)
            if with_comma and (is_named or is_fraction) and all(map(text.is_number, others)):
                found.append(name)
        return found


def detect(path: Path, separator: str | None = None) -> Layout:
    """Return the layout of the file at `path`; `separator` is the user's choice.

    Raises DataError if it is not text in a Unicode encoding, or has no lines with data.
    """
    head, is_whole = text.head(path)
    encoding = text.encoding_of(head)
    if encoding is None:
        raise DataError(
            f"{path} has NUL bytes and is not text", file=path, remedy="Save the file as UTF-8"
        )
    try:
        content = codecs.getincrementaldecoder(encoding)().decode(head, is_whole)
    except UnicodeDecodeError:
        raise text.undecodable(path, encoding) from None
    if encoding == "utf-8-sig":
        usual = _usual(content[:_BEGINNING].split("\n")[:-1], separator or ",")
        if usual is not None:
            return usual
    lines = text.lines(content)
    if not is_whole and lines:
        del lines[-1]
    return _odd(path, lines, encoding, separator)


def _usual(lines: Sequence[str], separator: str) -> Layout | None:
    """Return the layout of a file that begins with a header of known names; None for others."""
    if not lines or text.is_comment(lines[0]) or lines[0].count('"') % 2:
        return None
    if "\r" in lines[0][:-1] or not lines[0].strip():
        return None
    try:
        rows = [record.cells for record in text.records(lines, separator)]
    except csv.Error:  # a carriage return within a cell
        return None
    if not {"image", "label"} <= _known(rows[0]):
        return None
    if any(len(row) != len(rows[0]) for row in rows):
        return None
    return Layout(
        encoding="utf-8-sig",
        separator=separator,
        quote='"',
        names=_filled(rows[0]),
        has_header=True,
        header_line=1,
        first_line=2,
        sample=rows[1:],
        is_plain=True,
    )


def _odd(path: Path, lines: list[str], encoding: str, chosen: str | None) -> Layout:
    """Return the layout of any text."""
    if lines and (stated := re.fullmatch(_SEP_LINE, lines[0])):
        chosen = chosen or stated[1].replace("\\t", "\t")
        lines[0] = "\n"
    quote = _quote(lines)
    separator, rows = _separate(lines, chosen, quote)
    if not rows:
        raise DataError(
            f"{path} has no lines with predictions",
            file=path,
            count=0,
            remedy="Write a header such as image,label, and a line for each image",
        )
    width = _width(rows)
    place = _title_lines(rows, width)
    first = rows[place].cells
    below = [row.cells for row in rows[place + 1 :]]
    has_header = _is_header(first, below)
    header_line = rows[place].line if has_header else None
    names = _filled(first) if has_header else []
    if has_header and below and len(first) != width and all(len(row) == width for row in below):
        if not all(cell == "" for row in below for cell in row[len(first) :]) or (
            len(first) > width
        ):
            raise DataError(
                f"{path}: the header line has {len(first):,} names, but the rows below have "
                f"{width:,} cells",
                file=path,
                count=width,
                remedy="Write one name for each column",
            )
    elif not has_header:
        names = _commented_names(lines, rows[place].line, separator, quote, width) or []
        has_header = bool(names)
        names = names or [f"column_{number}" for number in range(1, width + 1)]
        below = [first, *below]
    row = place + (header_line is not None)
    first_line = rows[row].line if row < len(rows) else rows[-1].line + 1
    return Layout(
        encoding=encoding,
        separator=separator,
        quote=quote,
        names=names,
        has_header=has_header,
        header_line=header_line,
        first_line=first_line,
        sample=below,
        is_plain=encoding == "utf-8-sig"
        and separator is not None
        and quote == '"'
        and (header_line or first_line) == 1
        and bool(lines[0].strip())
        and not (separator == "|" and any(text.unruled(line) != line for line in lines)),
    )


def _quote(lines: Sequence[str]) -> str:
    """Return the quote character: a single quote if every line has one around a cell."""
    if any('"' in line for line in lines):
        return '"'
    some = [line for line in lines if line.strip() and not text.is_comment(line)][1:]
    quoted = re.compile(r"(?:^|[,;\t| ])'[^']*'(?=[,;\t| \r\n]|$)")
    # A list in a cell, such as ['tench', 'goldfish'], has single quotes as well.
    is_quoted = bool(some) and all(quoted.search(line) and "[" not in line for line in some)
    return "'" if is_quoted else '"'


def _separate(
    lines: Sequence[str], chosen: str | None, quote: str
) -> tuple[str | None, list[text.Record]]:
    """Return the separator, and the records of the lines with it."""
    best: tuple[tuple[float, ...], str, list[text.Record]] | None = None
    signs = {*"".join(lines)}
    if "\t" in signs:
        signs.add(" ")  # a tab is a blank where the blank is the separator
    found = [each for each in text.SEPARATORS if each in signs]
    for preference, each in enumerate([chosen] if chosen else found):
        try:
            rows = list(text.records(lines, each, quote))
        except csv.Error:
            continue
        if not rows:
            continue
        width = _width(rows)
        if width < 2 and not chosen:
            continue
        share = sum(len(row.cells) == width for row in rows) / len(rows)
        has_images = _has_images(rows, width)
        known = max((len(_known(row.cells)) for row in rows[:_MOST_TITLES]), default=0)
        # A comma that is part of words makes lines with different numbers of cells.
        if not (chosen or has_images or known or share >= 0.9):
            continue
        fit = (has_images, known, share == 1, -preference)
        if best is None or fit > best[0]:
            best = (fit, each, rows)
    if best is not None:
        return best[1], best[2]
    try:
        return None, list(text.records(lines, None, quote))
    except csv.Error:
        return None, []


def _width(rows: Sequence[text.Record]) -> int:
    """Return the most common number of cells."""
    return Counter(len(row.cells) for row in rows).most_common(1)[0][0]


def _has_images(rows: Sequence[text.Record], width: int) -> bool:
    """Return whether nearly all cells of a column are image names without another separator."""
    whole = [row.cells for row in rows if len(row.cells) == width][1:] or [rows[0].cells]
    return any(
        sum(text.is_image(cell) and not re.search(r"[,;\t|]", cell) for cell in column)
        >= 0.9 * len(column)
        for column in zip(*whole, strict=False)
    )


def _known(cells: Sequence[str]) -> set[str]:
    """Return the roles whose known column names are among the cells."""
    names = {cell.strip().lower() for cell in cells}
    names |= {name.rstrip("0123456789").rstrip("_") for name in names}
    return {role for role, known in columns.NAMES.items() if not names.isdisjoint(known)}


def _title_lines(rows: Sequence[text.Record], width: int) -> int:
    """Return the place of the header or of row 1, which is the number of title lines above.

    A line with data or with the names of columns is not a title.
    """
    head = rows[:_MOST_TITLES]
    for place, (_, cells) in enumerate(head):
        if len(_known(cells)) > 1:
            return place
        if any(map(text.is_image, cells)) or (len(cells) > 1 and all(map(text.is_number, cells))):
            break
    for place, (_, cells) in enumerate(head):
        is_padded = width > 1 and not any(cell.strip() for cell in cells[1:])
        is_title = (
            (len(cells) != width or is_padded)
            and not any(
                text.is_image(cell) or text.is_number(cell) for cell in cells if cell.strip()
            )
            and not _known(cells)
        )
        if not is_title or place + 1 == len(rows):
            return place
    return 0


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Return whether the first record is a header, compared with the records below."""
    if any(map(text.is_image, first)):
        return False
    if _known(first):
        return True
    for name, cells in zip(first, zip(*below, strict=False), strict=False):
        filled = [cell for cell in cells if cell.strip()]
        if filled and all(map(text.is_image, filled)):
            return True
        if (
            filled
            and all(map(text.is_number, filled))
            and name.strip()
            and not text.is_number(name)
        ):
            return True
    return False


def _commented_names(
    lines: Sequence[str], first_line: int, separator: str | None, quote: str, width: int
) -> list[str] | None:
    """Return the names in the comment above row 1, which is how numpy.savetxt writes a header."""
    for line in reversed(lines[: first_line - 1]):
        if not line.strip():
            continue
        if not text.is_comment(line):
            return None
        bare = line.lstrip(" \t").lstrip("#%/").lstrip(" ")
        cells = next((record.cells for record in text.records([bare], separator, quote)), [])
        return _filled(cells) if len(cells) == width and _known(cells) else None
    return None


def _filled(names: Iterable[str]) -> list[str]:
    """Return the names, with `unnamed` for an empty one: pandas leaves the index unnamed."""
    return [name or "unnamed" for name in names]
