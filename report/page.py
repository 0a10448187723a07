"""The page of a report: its parts, and how they are written as HTML or as Markdown.

All text is data. The template escapes it, and a `Name`, which a user chose, is isolated from the
direction of the text around it.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"
# What ends a script or begins a comment in it, and line ends of JavaScript that JSON allows.
_IN_JSON = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_IN_SCRIPT = re.compile(r"<(?=/script|!--)", re.IGNORECASE)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
# A name of more characters is broken over lines in a table.
_LONG = 28


class Name(str):
    """Text that a user chose, such as a model's name."""

    __slots__ = ()


class Whole(str):
    """Text that no line break divides, such as 5.70e-10."""

    __slots__ = ()


# A sentence or a cell: its parts in order.
Text = str | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table. Numbers are aligned to the right, and code is monospaced."""

    title: Text
    kind: str = "text"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table. `name` is its caption, which no other table of the page has."""

    name: Text
    columns: Sequence[Column]
    rows: Sequence[Sequence[Text]]
    note: Text | None = None
    part: str = "table"

    @property
    def label(self) -> str:
        """The caption for assistive technology."""
        return plain(self.name)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A small JPEG picture. `name` is that of its file, without suffix."""

    name: str
    jpeg: bytes
    width: int
    height: int
    alt: str

    @property
    def address(self) -> str:
        """The picture as an address that holds it."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


@dataclass(frozen=True, kw_only=True)
class Item:
    """An image of the data: what is known of it, in a table, and its picture."""

    title: str
    text: Text
    table: Table
    picture: Picture | None = None
    part: str = "item"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart and the table of its data.

    specification: the chart, for both colour schemes
    configurations: the configuration of each colour scheme, light first
    svg: the drawing, for Markdown
    """

    name: str
    title: str
    caption: Text
    table: Table
    specification: Mapping[str, Any]
    configurations: Mapping[str, Mapping[str, Any]]
    svg: str = ""
    part: str = "figure"


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A paragraph."""

    text: Text
    part: str = "paragraph"


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading within a section."""

    text: Text
    part: str = "heading"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Paragraphs as a list. `kind` is list, or notes for warnings."""

    items: Sequence[Text]
    kind: str = "list"
    part: str = "listing"


@dataclass(frozen=True, kw_only=True)
class Code:
    """Lines to copy, such as a command. `name` says what they are."""

    name: str
    text: str
    part: str = "code"


Part = Table | Item | Figure | Paragraph | Heading | Listing | Code


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section. `name` is its anchor."""

    name: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report."""

    title: Text
    date: str
    version: str
    sections: Sequence[Section]

    @property
    def figures(self) -> list[Figure]:
        """All charts."""
        return [
            part for section in self.sections for part in section.parts if isinstance(part, Figure)
        ]


def parts_of(text: Text) -> Sequence[str]:
    """Return the parts of a text."""
    return (text,) if isinstance(text, str) else text


def plain(text: Text) -> str:
    """Return a text without marks."""
    return "".join(parts_of(text))


def require(*, has_charts: bool) -> None:
    """Raise UsageError if a package of the extra `report` is not installed."""
    for package in ("jinja2", *(("altair", "vl_convert") if has_charts else ())):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UsageError(
                f"a report needs the package {package}, which cannot be imported "
                f"({str(error).splitlines()[0]})",
                value=package,
                remedy="Install it with: pip install 'realdb[report]'",
            ) from None


def html(page: Page, bundle: str = "") -> str:
    """Return the page as HTML that needs no other file. `bundle` is the script that draws charts.

    A policy in the page allows its own scripts alone, by their checksums, and no request.
    """
    figures = {
        figure.name: {"chart": figure.specification, "configurations": figure.configurations}
        for figure in page.figures
    }
    scripts = [script(bundle), _read("draw.js")] if figures else []
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            style=_markup(_read("report.css")),
            scripts=[_markup(each) for each in scripts],
            specifications=_markup(json_in_script(figures)),
            policy=" ".join(f"'sha256-{_sha256(each)}'" for each in scripts) or "'none'",
        )
    )


def json_in_script(value: object) -> str:
    """Return JSON that cannot end the script element that it is in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return "".join(_IN_JSON.get(character, character) for character in text)


def script(text: str) -> str:
    """Return JavaScript that cannot end the script element that it is in."""
    return _IN_SCRIPT.sub(r"\\x3c", text)


def _sha256(text: str) -> str:
    # A browser reads CRLF and CR as LF before it computes the checksum.
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


@cache
def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8").strip()


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters |= {"parts": parts_of, "plain": plain}
    made.tests["name"] = lambda part: isinstance(part, Name)
    made.tests["whole"] = lambda part: isinstance(part, Whole)
    made.tests["long"] = lambda part: len(part) > _LONG
    return made


def _markup(text: str) -> str:
    import markupsafe

    return markupsafe.Markup(text)


# Markdown


def markdown(page: Page, folder: Path) -> None:
    """Write the page to `folder`: report.md, and its charts and pictures in images/."""
    images = folder / "images"
    images.mkdir(parents=True)
    lines = [f"# {escaped(page.title)}", "", f"{escaped(page.date)}, realdb {page.version}", ""]
    for section in page.sections:
        lines += [f"## {escaped(section.title)}", ""]
        for part in section.parts:
            lines += [*_lines(part, images), ""]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"
    (folder / "report.md").write_text(text, encoding="utf-8", newline="\n")


def escaped(text: Text) -> str:
    """Return text for Markdown, with neither markup nor HTML, in one line."""
    one_line = " ".join(plain(text).split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "&#64;")):
        one_line = one_line.replace(character, entity)
    # An address would become a link.
    return re.sub(r"(?<=\w)://", "&#58;//", _MARKDOWN.sub(r"\\\1", one_line))


def _lines(part: Part, images: Path) -> Iterable[str]:
    match part:
        case Table():
            yield f"**{escaped(part.name)}**"
            yield ""
            yield from _table(part)
            if part.note:
                yield from ("", escaped(part.note))
        case Item():
            yield f"### {escaped(part.title)}"
            yield ""
            if part.picture:
                name = f"{part.picture.name}.jpeg"
                (images / name).write_bytes(part.picture.jpeg)
                yield f"![{escaped(part.picture.alt)}](images/{name})"
                yield ""
            yield escaped(part.text)
            yield ""
            yield from _table(part.table)
        case Figure():
            (images / f"{part.name}.svg").write_text(part.svg, encoding="utf-8", newline="\n")
            yield f"### {escaped(part.title)}"
            yield ""
            yield f"![{escaped(part.title)}](images/{part.name}.svg)"
            yield ""
            yield escaped(part.caption)
            yield ""
            yield from ("<details><summary>Data</summary>", "", *_table(part.table))
            if part.table.note:
                yield from ("", escaped(part.table.note))
            yield from ("", "</details>")
        case Paragraph():
            yield escaped(part.text)
        case Heading():
            yield f"### {escaped(part.text)}"
        case Listing():
            yield from (f"- {escaped(item)}" for item in part.items)
        case Code():
            yield escaped(part.name)
            yield ""
            # A fence that is longer than any in the text.
            fence = "`" * (1 + max([2, *map(len, re.findall("`+", part.text))]))
            yield from (fence, part.text, fence)


def _table(table: Table) -> Iterable[str]:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    yield line(escaped(column.title) for column in table.columns)
    yield line("---:" if column.kind == "number" else "---" for column in table.columns)
    for row in table.rows:
        yield line(map(escaped, row))
