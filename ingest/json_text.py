"""Parse JSON files in any Unicode encoding, with limits.

Numbers stay text, because a later stage reads the values of all formats in the same way.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import IO, Any

from ..errors import DataError

# The parsed values need several times the memory of the text.
MOST_BYTES = 256 * 2**20
# An escape: a pair of surrogates, a lone surrogate, or any other.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_BLANK = re.compile(r"\s*")
_SHOWN = 40


def begins(head: bytes) -> bool:
    """Return whether a file that begins with `head` is JSON, in any encoding."""
    text = head.decode(json.detect_encoding(head), "ignore")
    return text.removeprefix("\ufeff").lstrip()[:1] in ("{", "[")


def is_lines(path: Path, *, is_named_so: bool) -> bool:
    """Return whether the file has a value in each line: the first line is one, and more follow.

    `is_named_so` is for a file with such a suffix: a single line is enough.
    """
    with _opened(path) as file:
        try:
            first = file.readline(MOST_BYTES).strip()
            if (first[:1], first[-1:]) not in (("{", "}"), ("[", "]")):
                return False
            others = (line.strip() for line in file)
            second = next((line for line in others if line), "")
        except UnicodeDecodeError:
            return False
    return second[:1] == first[:1] or (is_named_so and not second)


def load(path: Path) -> Any:
    """Return the value in the file, or the list of values if there are several.

    Raises DataError, with the line, if the file is not JSON, is too large, is nested too deeply, or
    has a key twice in one object.
    """
    _require_size(path)
    content = path.read_bytes()
    encoding = json.detect_encoding(content)
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _undecodable(path, error) from None
    del content
    return _parse(text, str(path))


def load_lines(path: Path) -> list[Any]:
    """Return the value of each line. Raises DataError as `load` does."""
    _require_size(path)
    values = []
    with _opened(path) as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    values.append(_parse(line, str(path), number))
        except UnicodeDecodeError as error:
            raise _undecodable(path, error) from None
    return values


def _opened(path: Path) -> IO[str]:
    with path.open("rb") as file:
        encoding = json.detect_encoding(file.read(4))
    return path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding)


def _undecodable(path: Path, error: UnicodeDecodeError) -> DataError:
    return DataError(
        f"{path} is not valid {error.encoding.upper()} text: {error}",
        file=path,
        remedy="Save the file as UTF-8",
    )


def _require_size(path: Path) -> None:
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise DataError(
            f"{path} has {size:,} bytes; realdb reads JSON of up to {MOST_BYTES:,} bytes, because "
            "it must fit into memory",
            file=path,
            value=size,
            remedy="Write Parquet or CSV. If each image has 1,000 numbers, save an array with "
            "numpy.save",
        )


class _RepeatedKeyError(ValueError):
    def __init__(self, key: str, count: int) -> None:
        super().__init__(key)
        self.key = key
        self.count = count


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(members)
    if len(held) < len(members):
        seen: set[str] = set()
        for name, _ in members:
            if name in seen:
                raise _RepeatedKeyError(name, len(members) - len(held))
            seen.add(name)
    return held


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=str, parse_int=str, parse_constant=str
)


def _parse(text: str, where: str, line: int | None = None) -> Any:
    """Return the parsed value of `text`; `line` is its line in a file with a value in each line."""
    _require_no_surrogate(text, where, line)
    try:
        return _values(text, is_line=line is not None)
    except json.JSONDecodeError as error:
        raise _refusal(error, where, line) from None
    except RecursionError:
        raise DataError(
            f"{_at(where, line)}: lists and objects are nested too deeply",
            row=line,
            remedy="Use few levels: the images, the choices of an image, and the label and score "
            "of a choice",
        ) from None
    except _RepeatedKeyError as error:
        raise DataError(
            f"{_at(where, line)}: the key {error.key[:_SHOWN]!r} occurs twice in one object, and "
            f"{error.count:,} keys of this object repeat an earlier one",
            row=line,
            value=error.key,
            count=error.count,
            remedy="Write each key of an object once",
        ) from None


def _values(text: str, *, is_line: bool) -> Any:
    values = []
    start = _blank_from(text, 0)
    while True:
        value, end = _DECODER.raw_decode(text, start)
        values.append(value)
        start = _blank_from(text, end)
        if start == len(text):
            return values[0] if len(values) == 1 else values
        if is_line or not isinstance(value, dict | list):
            raise json.JSONDecodeError("Extra data", text, start)


def _blank_from(text: str, start: int) -> int:
    found = _BLANK.match(text, start)
    return found.end() if found else start


def _at(where: str, line: int | None) -> str:
    return where if line is None else f"{where}: line {line}"


def _require_no_surrogate(text: str, where: str, line: int | None) -> None:
    """Refuse lone surrogates, because they are not characters and cannot be written."""
    if not _SURROGATE.search(text):
        return
    lone = [found for found in _ESCAPE.finditer(text) if found[1]]
    if lone:
        number = line or text.count("\n", 0, lone[0].start()) + 1
        raise DataError(
            f"{_at(where, number)} has the escape {lone[0][0]}, a lone surrogate, which is not a "
            f"character ({len(lone):,} such escapes)",
            row=line,
            value=lone[0][0],
            count=len(lone),
            remedy="Write the names again: the text was cut within a character, or decoded with "
            "surrogateescape",
        )


def _refusal(error: json.JSONDecodeError, where: str, line: int | None) -> DataError:
    """Return the error for invalid JSON: the place, the cause and the remedy."""
    text, place = error.doc, error.pos
    before, after = text[max(place - 200, 0) : place].rstrip(), text[place : place + 1]
    cause, remedy = error.msg, "Write the file with json.dump"
    rest = text[place : place + 200].lstrip(" \t\r\n,")
    if not text[place:].strip() or "Unterminated string" in error.msg:
        cause, remedy = "it ends within a value", "It may be cut short: write or copy it again"
    elif (before[-1:] == "," and rest[:1] in ("]", "}")) or "trailing comma" in error.msg:
        cause, remedy = (
            "a comma follows the last value",
            "Remove the comma, or write the file with json.dump",
        )
    elif after == "'" or text[place : place + 4] in ("None", "True", "Fals"):
        cause = "it is a printed Python value"
    number = line or error.lineno
    return DataError(
        f"{_at(where, number)}, column {error.colno} is not valid JSON: {cause}",
        row=line,
        value=text[place : place + _SHOWN].strip() or None,
        remedy=remedy,
    )
