"""What names a validation image: one rule for predictions and for files of original labels."""

from __future__ import annotations

import re

# The eight digits decide. Upper or lower case, any folder before them (after / or \), the class's
# WordNet id behind them, any extensions and blanks around the whole change nothing. To be searched
# for at the end of a text, which is \Z in Python and $ in DuckDB (RE2); all else means the same to
# both.
PATTERN = (
    r"(?:^[ \t]*|[/\\])(?i:ILSVRC2012_val_)?([0-9]{8})(?:_n[0-9]{8})?(?:\.[A-Za-z0-9]+)*[ \t]*"
)
_NUMBER = r"[ \t]*([0-9]+)(?:\.0*)?[ \t]*"


def number(value: object) -> int | None:
    """Return the number of the image that `value` names; None where it names none.

    `value` is a number from 1 or a file name, as text, bytes (as TensorFlow gives text) or an
    integer. The number may be out of range.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return None
    text = str(value)
    found = re.search(PATTERN + r"\Z", text) or re.fullmatch(_NUMBER, text)
    return int(found[1]) if found else None


def is_file_name(text: str) -> bool:
    """Say whether `text` names an image by its file, not by its number alone."""
    if not any(map(str.isdecimal, text)) or text.strip().isdecimal():
        return False
    return number(text) is not None


def file_name(image_id: int) -> str:
    """Return the published file name of an image."""
    return f"ILSVRC2012_val_{image_id:08d}.JPEG"
