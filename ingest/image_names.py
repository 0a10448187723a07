"""The rule for names of validation images, in predictions and in files of original labels."""

from __future__ import annotations

import re

# The eight digits identify the image. Case, folders before them (with / or \), the WordNet id of
# the class after them, suffixes and surrounding blanks are ignored. Search for the pattern at the
# end of a text: with \Z in Python, with $ in DuckDB (RE2). The rest is the same in both.
PATTERN = (
    r"(?:^[ \t]*|[/\\])(?i:ILSVRC2012_val_)?([0-9]{8})(?:_n[0-9]{8})?(?:\.[A-Za-z0-9]+)*[ \t]*"
)
_NUMBER = r"[ \t]*([0-9]+)(?:\.0*)?[ \t]*"


def number(value: object) -> int | None:
    """Return the number of the image that `value` names; None if it is not the name of an image.

    `value` is a number from 1 or a file name, as text, bytes (TensorFlow's type for text) or an
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
    """Return whether `text` is the file name of an image, not only its number."""
    if not any(map(str.isdecimal, text)) or text.strip().isdecimal():
        return False
    return number(text) is not None


def file_name(image_id: int) -> str:
    """Return the published file name of an image."""
    return f"ILSVRC2012_val_{image_id:08d}.JPEG"
