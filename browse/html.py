"""The templates, and how they write values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup, escape

from ..exports.lines import visible_cell
from .pictures import SIZES
from .prepared import Prepared

# The threshold of real.json, which bars of scores mark.
THRESHOLD = 0.8


class Html:
    """The templates. Every value is escaped, wherever it comes from."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("realdb.browse"),
            autoescape=True,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
            finalize=_finalize,
        )
        self._environment.filters |= {
            "exact": exact,
            "integer": integer,
            "share": share,
            "number": number,
            "signed": signed,
            "query": query,
            "slug": slug,
        }
        self._environment.globals |= {
            "class_text": class_text,
            "threshold": THRESHOLD,
            "sizes": SIZES,
        }

    def render(self, template: str, **values: Any) -> str:
        """Return the text of a template."""
        return self._environment.get_template(template).render(values)


def exact(value: str) -> Markup:
    """Return a text as it is, for a field of a form, which sends it back."""
    return escape(value)


def _finalize(value: Any) -> Any:
    """Show None as nothing, and characters that change the text around them as their escapes."""
    if value is None:
        return ""
    if type(value) is str and not value.isprintable():
        return "\n".join(map(visible_cell, value.split("\n")))
    return value


def integer(value: int | None) -> str:
    """Return a whole number with commas."""
    return "" if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """Return a share with four decimals."""
    return "" if value is None else f"{value:.4f}"


def number(value: float | None) -> str:
    """Return a number with four significant digits."""
    return "" if value is None else f"{value:.4g}"


def signed(value: float | None) -> str:
    """Return a number with its sign and four decimals."""
    return "" if value is None else f"{value:+.4f}"


def query(values: Mapping[str, object]) -> str:
    """Return the part of an address after `?`, with the `?`."""
    return f"?{urlencode({name: str(value) for name, value in values.items()})}"


def slug(text: str) -> str:
    """Return a text as the id of an element."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def class_text(prepared: Prepared, label: int | None) -> str:
    """Return the name of a class with its id."""
    if label is None:
        return ""
    name = prepared.class_names.get(label)
    return f"{name} ({label})" if name else f"class {label}"
