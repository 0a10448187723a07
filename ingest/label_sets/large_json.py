"""Read some members of a large JSON object, and skip the others.

The brackets, quotes and commas show where the object's members begin and end. Only the wanted
members are decoded. This takes 2 s for 200 MB, independent of the other members. A parser that
decodes all members takes 6 to 40 s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from ...errors import DataError

_CHUNK = 1 << 18
# The largest wanted member, in bytes: it is read into memory.
_LARGEST = 50_000_000
# An object with more members is not the published file.
_MOST = 10_000
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_KEY = re.compile(rb'\s*"([^"\\]{0,100})"\s*:')
_BOM = b"\xef\xbb\xbf"


def members(
    path: Path, wanted: Collection[str], refuse: Callable[..., DataError]
) -> dict[str, bytes]:
    """Return the JSON texts of the members `wanted` of the object in a file, if they exist.

    Raises the error that `refuse` returns if the file is not a JSON object or is cut short, or if a
    member is repeated or too large.
    """
    found: dict[str, bytes] = {}
    begin = None
    with path.open("rb") as file:
        for place, end in enumerate(_borders(path, refuse)):
            if begin is not None:
                file.seek(begin)
                key = _KEY.match(file.read(min(end - begin, 200)))
                name = key[1].decode("utf-8", "replace") if key else ""
                if name in found:
                    raise refuse(f"it has {name} twice", column=name, count=2)
                if key and name in wanted:
                    if end - begin > _LARGEST:
                        raise refuse(
                            f"{name} has {end - begin:,} bytes; the limit is {_LARGEST:,}",
                            column=name,
                            count=end - begin,
                        )
                    file.seek(begin + key.end())
                    found[name] = file.read(end - begin - key.end())
            if place > _MOST:
                break
            begin = end + 1
    return found


def pairs(content: bytes, refuse: Callable[..., DataError]) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a JSON object one by one, which needs little memory.

    Raises the error that `refuse` returns if the text is not an object or repeats a name.
    """
    decoder, seen = json.JSONDecoder(), set()
    try:
        text = content.decode("utf-8")
        place, end = _expect(text, 0, "{"), ","
        if text[_expect(text, place, "") :].startswith("}"):
            return
        while end == ",":
            name, place = decoder.raw_decode(text, _expect(text, place, ""))
            value, place = decoder.raw_decode(text, _expect(text, _expect(text, place, ":"), ""))
            if not isinstance(name, str) or name in seen:
                raise refuse(f"an object has {name!r} more than once", value=name, count=2)
            seen.add(name)
            yield name, value
            place = _expect(text, place, ",}")
            end = text[place - 1]
    except (ValueError, RecursionError) as error:
        raise refuse(f"it is not valid JSON, or is cut short: {error}") from None


def _expect(text: str, place: int, signs: str) -> int:
    """Return the place after blanks and one of `signs`; ValueError for another character."""
    while text[place : place + 1].isspace():
        place += 1
    if signs and text[place : place + 1] not in tuple(signs):
        raise ValueError(f"expected {' or '.join(signs)} at character {place}")
    return place + bool(signs)


def _borders(path: Path, refuse: Callable[..., DataError]) -> Iterator[int]:
    """Yield the place of the object's opening bracket, of its commas, and of the closing one."""
    import numpy as np

    depth, in_string, offset, carried = 0, False, 0, b""
    with path.open("rb") as file:
        head = file.read(1 << 10)
        skipped = len(_BOM) if head.startswith(_BOM) else 0
        if not head[skipped:].lstrip().startswith(b"{"):
            raise refuse("it is not a JSON object", value=head[:20].decode("latin-1"))
        file.seek(skipped)
        offset = skipped
        while chunk := carried + file.read(_CHUNK):
            is_last = len(chunk) == len(carried)
            if b"\\" in chunk:
                chunk = _ESCAPE.sub(b"  ", chunk)
            # If the chunk ends with a backslash, the escaped character is in the next chunk.
            carried = b"\\" if chunk.endswith(b"\\") and not is_last else b""
            codes = np.frombuffer(chunk[: len(chunk) - len(carried)], np.uint8)
            if not len(codes):
                continue
            inside = np.logical_xor.accumulate(codes == ord('"')) ^ in_string
            # { and [ differ from } and ] by 2, and from each other by 32.
            folded = codes | 0x20
            change = (folded == ord("{")).view(np.int8) - (folded == ord("}")).view(np.int8)
            change[inside] = 0
            depths = depth + np.cumsum(change, dtype=np.int32)
            borders = (depths == 1) & (codes == ord(",")) & ~inside
            borders |= (depths == 0) & (change < 0)
            if offset == skipped:
                borders[np.flatnonzero(change > 0)[:1]] = True
            for place in np.flatnonzero(borders).tolist():
                yield offset + place
            if (depths < 0).any():
                raise refuse("it is not valid JSON: a closing bracket has no opening bracket")
            depth, in_string = int(depths[-1]), bool(inside[-1])
            offset += len(codes)
    if depth or in_string:
        raise refuse("it is cut short: the end of its object is missing", count=offset)
