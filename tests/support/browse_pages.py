"""What several tests of the pages use."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode

# A model and a label set with a name that a page must escape.
MARKUP = "<script>alert(1)</script> \"'&\u202e"
# Addresses of all kinds of pages.
PAGES = (
    "/images",
    "/images?page=3&sort=wrong-models",
    "/image/1",
    "/image/50000",
    "/classes",
    "/classes?sort=accuracy",
    "/class/0",
    "/class/999",
    "/raters",
    "/models",
    "/model?model=model_a",
    "/model?" + urlencode({"model": MARKUP}),
    "/compare",
    "/compare?a=model_b&b=model_a",
    "/compare?a=model_b&b=model_b",
    "/label-sets",
    "/views",
    "/views/flips",
    "/views/labels_at",
    "/views/images",
    "/sql",
    "/sql?q=from+accuracy",
)


def text_of(page: str) -> str:
    """Return the text of a page, with single blanks."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())
