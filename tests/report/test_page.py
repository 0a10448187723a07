"""Tests of report/page.py and report/cells.py: text is data in the page and in Markdown."""

from __future__ import annotations

import json
import math
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from browser import visit
from needs import needs
from realdb.errors import UsageError
from realdb.report import cells, page
from realdb.report.page import Name
from refusals import refused

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>window.alerted = 1</script>",
    "<!-- a comment",
    "'\"><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "m" * 300,
    "\U0001f98a emoji \U0001f469\u200d\U0001f52c",
    "שלום עולם",
    "a|b | c",
    "# [link](https://example.org) `code` *bold* https://example.org",
    "line\u2028separators\u2029here",
)


def a_page(name: str) -> page.Page:
    """Return a page with the name everywhere."""
    table = page.Table(
        name=Name(f"Table of {name}"),
        columns=[page.Column(title=Name(name)), page.Column(title="Number", kind="number")],
        rows=[[Name(name), "1"], [("before ", Name(name), " after"), "2"]],
        note=name,
    )
    data = page.Table(
        name=Name(f"Data of {name}"),
        columns=[page.Column(title="Model")],
        rows=[[Name(name)]],
    )
    chart = {"data": {"values": [{"model": name}]}, "mark": "point", "encoding": {}}
    figure = page.Figure(
        name="one",
        title=name,
        caption=name,
        table=data,
        specification=chart,
        configurations={"light": {"background": "transparent"}, "dark": {}},
        svg="<svg/>",
    )
    parts: list[page.Part] = [
        table,
        figure,
        page.Paragraph(text=name),
        page.Heading(text=name),
        page.Listing(items=[name], kind="notes"),
        page.Code(name=name, text=f"{name}\n```\n{name}"),
        page.Item(
            title=name,
            text=name,
            table=data,
            picture=page.Picture(name="image-1", jpeg=b"jpeg", width=1, height=1, alt=name),
        ),
    ]
    return page.Page(
        title=Name(name),
        date="2026-11-26",
        version="1",
        sections=[page.Section(name="all", title="All", parts=parts)],
    )


class Seen(HTMLParser):
    """The elements and the text of a page, without scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.text = ""
        self.scripts: list[str] = []
        self._in = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        self.tags[tag] = self.tags.get(tag, 0) + 1
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts.append(data)
        elif self._in != "style":
            self.text += data


def seen(name: str) -> Seen:
    needs("jinja2")
    return Seen(page.html(a_page(name), "window.vegaEmbed = () => Promise.resolve()"))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_the_page(name: str) -> None:
    found, plain = seen(name), seen("plain")
    assert found.tags == plain.tags
    assert found.text.count(name) == plain.text.count("plain") >= 12
    # The data, the script that draws, and the script of the page.
    assert len(found.scripts) == 3
    assert json.loads(found.scripts[0])["one"]["chart"]["data"]["values"] == [{"model": name}]


def test_no_script_of_a_name_runs(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    for name in HOSTILE[:4]:
        bundle = "window.vegaEmbed = () => Promise.resolve(window.drawn = 1)"
        path.write_text(page.html(a_page(name), bundle), encoding="utf-8")
        with visit(chromium, path.as_uri(), width=390) as found:
            assert found.page.evaluate("[window.drawn, window.alerted]") == [1, None]
            assert (found.problems, found.overflow()) == ([], 0)
            assert found.requests == [path.as_uri()]
            assert found.page.locator("tbody bdi").first.inner_text() == name


def test_the_policy_refuses_other_scripts_and_requests(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    html = page.html(a_page("x"), "window.vegaEmbed = () => Promise.resolve()")
    other = "<script>window.alerted = 1</script><img alt='' src='https://example.invalid/a.png'>"
    path.write_text(html.replace("</main>", f"{other}</main>"), encoding="utf-8")
    with visit(chromium, path.as_uri()) as found:
        assert found.page.evaluate("window.alerted") is None
        assert len(found.problems) == 2
        assert all("Content Security Policy" in problem for problem in found.problems)


def test_a_page_without_charts_has_no_script() -> None:
    needs("jinja2")
    whole = page.Page(title="Title", date="2026-11-26", version="1", sections=[])
    html = page.html(whole, "unused")
    assert Seen(html).scripts == []
    assert "script-src 'none'" in html


def test_json_and_scripts_cannot_end_their_element() -> None:
    value = {name: list(HOSTILE) for name in HOSTILE}
    text = page.json_in_script(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)
    script = page.script('a = "</SCRIPT><!-- </script>"; b = 1 < 2')
    assert not re.search("</script|<!--", script, re.IGNORECASE)
    assert script.endswith("b = 1 < 2")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_markdown(name: str, tmp_path: Path) -> None:
    page.markdown(a_page(name), tmp_path / "one")
    page.markdown(a_page("plain"), tmp_path / "two")
    one, two = (
        (tmp_path / each / "report.md").read_text(encoding="utf-8") for each in ("one", "two")
    )
    assert one.count("\n") == two.count("\n")
    # In the lines of code nothing is markup.
    code = re.compile(r"^(`{3,}).*?^\1$", re.DOTALL | re.MULTILINE)
    one, two = code.sub("", one), code.sub("", two)
    separators = re.compile(r"(?<!\\)\|")
    assert [len(separators.findall(line)) for line in one.splitlines()] == [
        len(separators.findall(line)) for line in two.splitlines()
    ]
    assert {*re.findall("<[^>]*>", one)} == {"<details>", "<summary>", "</summary>", "</details>"}


def test_markdown_shows_names_as_they_are(tmp_path: Path) -> None:
    markdown = needs("markdown")
    for at, name in enumerate(HOSTILE[:10]):
        page.markdown(a_page(name), tmp_path / str(at))
        text = (tmp_path / str(at) / "report.md").read_text(encoding="utf-8")
        found = Seen(markdown.markdown(text, extensions=["tables", "fenced_code"]))
        assert found.text.count(name) >= 7, name
        # The chart and the picture.
        assert found.tags["img"] == 2
        assert not {*found.tags} & {"script", "svg", "a"}


def test_shares_and_differences() -> None:
    assert cells.percent(0.8398701880991524) == "83.99"
    assert cells.percent(None) == cells.interval(None, 1.0) == cells.of(1, 0) == cells.MISSING
    assert cells.interval(0.836521, 0.843164) == "83.65 to 84.32"
    assert cells.points(0.010291) == "+1.03"
    assert cells.points(-1e-9) == cells.points(0.0) == "0.00"
    assert cells.points_interval(-0.01, 0.02) == "-1.00 to +2.00"
    assert (cells.ranks(3, 3), cells.ranks(1, 4)) == ("3", "1 to 4")


@pytest.mark.parametrize(
    ("log10", "text"),
    [
        (0.0, "1"),
        (math.log10(0.143840), "0.144"),
        (math.log10(5.70087e-10), "5.70e-10"),
        (-1234.5, "3.16e-1235"),
        (-4.0000001, "1.00e-4"),
        (-400.0, "1.00e-400"),
        (None, cells.MISSING),
        (math.nan, cells.MISSING),
    ],
)
def test_p_is_never_zero(log10: float | None, text: str) -> None:
    assert cells.p_value(log10) == text


def test_values_of_a_table() -> None:
    assert [cells.plain(value) for value in (None, True, 3, 0.1234567, math.nan, "x")] == [
        *(cells.MISSING, "yes", "3", "0.123457", cells.MISSING, "x")
    ]


@pytest.mark.parametrize("package", ["jinja2", "altair", "vl_convert"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for needed in ("jinja2", "altair", "vl_convert"):
        monkeypatch.setitem(sys.modules, needed, object())
    monkeypatch.setitem(sys.modules, package, None)
    with refused(UsageError, package, "pip install 'realdb[report]'", value=package):
        page.require(has_charts=True)
    if package != "jinja2":
        page.require(has_charts=False)
