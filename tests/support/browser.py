"""Chromium for the tests of pages: what a page draws, logs, requests, and how accessible it is.

Tests use the fixture `chromium`, which is skipped where Chromium or Playwright is missing. With
REALDB_REQUIRE_EXTRAS=1 they fail there.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from needs import missing, needs

# Phone, tablet, laptop.
WIDTHS = (390, 768, 1440)
SCHEMES = ("light", "dark")
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str:
    """Return the path of Chromium; skip the test where there is none."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        missing("Chromium is not installed: apt-get install chromium")
    return path


@contextlib.contextmanager
def started() -> Iterator[Any]:
    """Yield a Playwright browser."""
    path = executable()
    needs("axe_playwright_python")
    with needs("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


class Visit:
    """One page in a window of its own, and what happened on it.

    page: the Playwright page
    problems: what the console logged as an error or a warning, and uncaught exceptions
    requests: the addresses that the page requested, without those of `data:` and `blob:`
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._log)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._request)

    def _log(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.requests.append(request.url)

    def violations(self) -> list[tuple[str, str]]:
        """Return what axe-core finds: a rule and the first element that breaks it."""
        axe = needs("axe_playwright_python.sync_playwright").Axe()
        found = axe.run(self.page).response["violations"]
        return [(each["id"], each["nodes"][0]["html"][:200]) for each in found]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width


@contextlib.contextmanager
def visit(
    browser: Any, address: str, *, scheme: str = "light", width: int = 1440, **options: Any
) -> Iterator[Visit]:
    """Open an address in a new window with the colour scheme and the width in pixels."""
    viewport = {"width": width, "height": 900}
    context = browser.new_context(color_scheme=scheme, viewport=viewport, **options)
    try:
        found = Visit(context.new_page())
        found.page.goto(address, wait_until="load")
        yield found
    finally:
        context.close()
