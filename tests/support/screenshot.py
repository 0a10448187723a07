"""A terminal's screen as an SVG picture that loads nothing from other hosts.

`REALDB_UPDATE_README=1 pytest tests/test_readme.py` draws docs/img/explain.svg, and without the
variable the test compares the picture's text with what the command prints.
"""

from __future__ import annotations

import html
import io
import re
from collections import defaultdict

# The reader's own monospaced font: rich's template loads one from another host.
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
# A piece of text with its place. rich writes spaces as &#160;.
PIECE = re.compile(r'<text class="[^"]*" x="([\d.]+)" y="([\d.]+)" textLength=[^>]*>(.*?)</text>')


def draw(command: str, output: str, *, width: int) -> str:
    """Return a picture of a command and its output, which may have the escape codes of colours."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=width, file=io.StringIO(), highlight=False)
    console.print(Text("$ ", style="bold green") + Text(command, style="bold"))
    console.print(Text.from_ansi(output.rstrip()), soft_wrap=True)
    template = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = re.sub(r"<!--.*?-->", "", template).replace("Fira Code, monospace", FONT)
    svg = console.export_svg(title="", code_format=template, unique_id="realdb")
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def lines(svg: str) -> list[str]:
    """Return the lines of text that a picture shows, without the spaces between words."""
    found: dict[float, list[tuple[float, str]]] = defaultdict(list)
    for x, y, text in PIECE.findall(svg):
        found[float(y)].append((float(x), html.unescape(text)))
    rows = ("".join(text for _, text in sorted(found[y])) for y in sorted(found))
    return [squeezed for squeezed in map(squeeze, rows) if squeezed]


def squeeze(text: str) -> str:
    """Return a line without its spaces: where rich breaks a line into pieces is its own affair."""
    return re.sub(r"\s", "", text)
