"""The documentation site builds without a warning, and its pages request no other host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from needs import needs

ROOT = Path(__file__).parent.parent
# Attributes with addresses that a browser requests when it shows a page. It follows the `href` of a
# link only when somebody clicks.
REQUESTED = {"src", "srcset", "poster", "data", "action", "formaction", "background", "style"}
IS_EXTERNAL = re.compile(r"(?:https?:)?//[\w-]+\.[\w.-]+", re.IGNORECASE)
# In a style sheet.
STYLE = re.compile(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)")


class Requests(HTMLParser):
    """The addresses that a page requests: `found`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tag = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        # A canonical address, and the like, is not requested.
        is_requested = tag == "link" and dict(attrs).get("rel") not in ("canonical", "prev", "next")
        for name, value in attrs:
            if name in REQUESTED or (name == "href" and (is_requested or tag in ("use", "image"))):
                self.found.append(value or "")

    def handle_data(self, data: str) -> None:
        if self.tag == "style":
            self.found += styled(data)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self.tag = ""


def styled(text: str) -> list[str]:
    """Return the addresses of a style sheet."""
    return [first or second for first, second in STYLE.findall(text)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built site."""
    needs("mkdocs")
    needs("material")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert {page.stem for page in site.glob("*.html")} == pages | {"404"}


def test_no_page_requests_another_host(site: Path) -> None:
    found = {page.name: Requests(page.read_text("utf-8")).found for page in site.rglob("*.html")}
    assert all(found.values())
    assert {
        name: external
        for name, requests in found.items()
        if (external := [each for each in requests if IS_EXTERNAL.match(each)])
    } == {}


def test_no_style_or_picture_requests_another_host(site: Path) -> None:
    files = [*site.rglob("*.css"), *site.rglob("*.svg")]
    assert len(files) > 2
    found = [address for file in files for address in styled(file.read_text("utf-8"))]
    assert [address for address in found if IS_EXTERNAL.match(address)] == []


def test_no_setting_makes_scripts_request_another_host(site: Path) -> None:
    """Material's script asks GitHub for a repository, and unpkg.com for a diagram."""
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert 'data-md-component="source"' not in text
        assert 'class="mermaid"' not in text


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://example.org/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.org/css">',
        '<link rel="preconnect" href="https://fonts.example.org">',
        '<img srcset="https://example.org/a.png 2x">',
        "<style>@import 'https://example.org/a.css'</style>",
        "<style>p { background: url(https://example.org/a.png) }</style>",
    ],
)
def test_requests_are_found(html: str) -> None:
    assert [each for each in Requests(html).found if IS_EXTERNAL.match(each)]


def test_links_are_no_requests() -> None:
    html = '<a href="https://example.org">x</a><link rel="canonical" href="https://example.org">'
    assert Requests(html).found == []
