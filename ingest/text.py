"""Read text: the encoding of a file, its lines and its cells."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError
from . import image_names

HEAD = 1 << 16
# A line of predictions is shorter, also with 1,000 values of 20 digits or 10,000 columns. DuckDB
# silently drops a last line that is longer than its limit.
LONGEST_LINE = 1_000_000
# The limit of Python's csv module, which reads files that DuckDB cannot read unchanged.
LONGEST_CELL = 131_072
# The separators in order of preference, if several fit equally.
SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "pipe", " ": "blank"}
_COMMENTS = ("#", "%", "//")
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Compiled only on use, because most files need none of them.
_NUMBER = r"(?i)\s*[-+]?(\d+[.,]?\d*|[.,]\d+)(e[-+]?\d+)?\s*|\s*[-+]?(nan|inf)\s*"
_IMAGE = rf"(?i)(?:{image_names.PATTERN})\Z"
_NAMED_IMAGE = r"(?i)ILSVRC2012_val_\d{8}"
# The default format of numpy.savetxt, also for class ids.
SAVETXT = r"-?\d\.\d{18}e[-+]\d\d"


class Record(NamedTuple):
    """The cells of a record, and the number of its first line, from 1."""

    line: int
    cells: list[str]


def encoding_of(head: bytes) -> str | None:
    """Return the encoding of a text that begins with `head`; None if it is not text.

    Content without a byte order mark and without NUL bytes counts as UTF-8, and is checked later.
    """
    for mark, name in sorted(_MARKS.items(), key=lambda each: -len(each[0])):
        if head.startswith(mark):
            return name
    if b"\0" not in head:
        return "utf-8-sig"
    sample = head[: 1024 // 4 * 4]
    sample = sample[: len(sample) // 4 * 4]
    for name in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            continue
        # In a wrong encoding the bytes decode to characters that predictions do not have.
        if text and all(each.isprintable() or each in "\r\n\t" for each in text):
            letters = sum(each < "\x80" for each in text)
            if letters > len(text) / 2:
                return name
    return None


def head(path: Path) -> tuple[bytes, bool]:
    """Return the beginning of a file, with at least three lines, and whether it is the whole file.

    Raises DataError if a line is too long.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        if len(head) < HEAD or head.count(b"\n") > 2:
            return head, not file.read(1)
        # The file has long lines, or other line ends.
        head += file.read(3 * LONGEST_LINE)
        is_whole = not file.read(1)
    start = 0
    for number, end in enumerate(re.finditer(rb"\r\n?|\n|\Z", head), 1):
        if end.start() - start > LONGEST_LINE:
            raise too_long(path, number)
        start = end.end()
    return head, is_whole


def lines(text: str) -> list[str]:
    r"""Return the lines with their ends; line ends are \n, \r\n and \r only."""
    return re.findall(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+\Z", text)


def records(
    lines: Iterable[str], separator: str | None, quote: str = '"', *, strict: bool = False
) -> Iterator[Record]:
    """Yield the cells of the lines that are not blank and not a comment.

    `strict` raises csv.Error if a quote is not closed, or is followed by other text.
    """
    start = 1

    def content() -> Iterator[str]:
        nonlocal start
        is_inside = False
        for number, line in enumerate(lines, 1):
            if not is_inside:
                if not line.strip() or is_comment(line):
                    continue
                start = number
                if separator == " ":
                    line = line.strip().replace("\t", " ")
                if separator == "|" and (line := unruled(line)) == "":
                    continue
            is_inside ^= bool(line.count(quote) % 2)
            yield line

    reader = csv.reader(
        content(),
        # A character that no text has: the line is one cell.
        delimiter=separator or "\x1f",
        quotechar=quote,
        skipinitialspace=separator == " ",
        strict=strict,
    )
    for cells in reader:
        yield Record(start, cells)


def is_comment(line: str) -> bool:
    """Return whether a line is a comment; //server/ILSVRC2012_val_00000001.JPEG is a path."""
    text = line.lstrip()
    return text.startswith(_COMMENTS) and not (text.startswith("//") and names_an_image(text))


def unruled(line: str) -> str:
    """Return a line of a Markdown table without outer pipes; '' for the rule below the header.

    The shells of databases print such a rule as well.
    """
    text = line.strip()
    if not text.strip("|-:+= "):
        return ""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "|" else line


def is_image(cell: str) -> bool:
    """Return whether a cell is the name of a validation image, not a number."""
    return re.search(_IMAGE, cell) is not None


def names_an_image(text: str) -> bool:
    """Return whether a text contains the published name of a validation image."""
    return re.search(_NAMED_IMAGE, text) is not None


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, also with a decimal comma."""
    return re.fullmatch(_NUMBER, cell) is not None


def undecodable(path: Path, encoding: str) -> DataError:
    """Return the error for a file with invalid bytes; it names the first one."""
    content = path.read_bytes()
    name = {"utf-8-sig": "UTF-8"}.get(encoding, encoding.upper())
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "replace")
        line = len(lines(before + "."))
        value = f"0x{content[error.start : error.start + 1].hex()}"
        return DataError(
            f"{path}: line {line:,} is not valid {name} text: byte {value} at offset "
            f"{error.start:,}",
            file=path,
            value=value,
            remedy="Save the file as UTF-8",
        )
    return DataError(f"{path} is not valid {name} text", file=path, remedy="Save the file as UTF-8")


def too_long(path: Path, line: int) -> DataError:
    """Return the error for a line that is too long."""
    return DataError(
        f"{path}: line {line:,} is longer than {LONGEST_LINE:,} bytes",
        file=path,
        remedy="Write one line for each image, or use Parquet or a NumPy array",
    )
