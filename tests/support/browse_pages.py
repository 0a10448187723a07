"""What several tests of the pages use."""

from __future__ import annotations

import html
import re

# A model and a label set with a name that a page must escape.
MARKUP = "<script>alert(1)</script> \"'&\u202e"


def text_of(page: str) -> str:
    """Return the text of a page, with single blanks."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())
