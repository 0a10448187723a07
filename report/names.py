"""Names of models and classes as charts show them: visible, and short enough to fit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

# Control characters, direction marks, other line ends, surrogates and what XML does not allow. The
# library that draws ends the process at a control character.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
ELLIPSIS = "…"


def visible(text: str) -> str:
    r"""Return text that can be drawn in one line: a newline becomes \n, an ESC \x1b."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def drawable(value: Any) -> Any:
    """Return a value with all of its texts `visible`, in lists and dicts too."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): drawable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [drawable(each) for each in value]
    return value


def short(name: str, most: int) -> str:
    """Return a name of at most `most` characters: a longer one has `…` in its middle."""
    name = visible(name)
    if len(name) <= most:
        return name
    end = (most - len(ELLIPSIS)) // 2
    return name[: most - len(ELLIPSIS) - end] + ELLIPSIS + name[len(name) - end :]


def shortened(names: Iterable[str], most: int = 28) -> dict[str, str]:
    """Return the short form of each name. Different names have different short forms."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        form, number = short(name, most), 1
        while form in taken:
            number += 1
            mark = f" ({number})"
            form = short(name, most - len(mark)) + mark
        taken.add(form)
        found[name] = form
    return found
