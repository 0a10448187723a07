"""The pages in Chromium: console, accessibility, width, links, keys, history."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urldefrag, urlencode

import pytest

from browse_pages import MARKUP, PAGES
from browser import Visit, visit

# One of each kind. A long list is like another.
_ALIKE = ("/image/50000", "/class/999", "/views/images", "/classes?sort=accuracy")
SHOWN = [page for page in PAGES if page not in _ALIKE]
SHOWN += ["/images?wrong=model_a&rated=yes&flag=mine:blurry", "/sql?q=from+nothing", "/image/5"]
WIDTHS = (390, 1440)


@pytest.fixture(scope="module")
def window(chromium: Any, address: str) -> Iterator[Visit]:
    """Return one window for all tests that leave it as it was."""
    with visit(chromium, f"{address}/views/labels") as found:
        yield found


def open_page(window: Visit, url: str) -> None:
    window.problems.clear()
    window.page.goto(url, wait_until="load")


def test_pages_have_no_problem(window: Visit, address: str) -> None:
    page = window.page
    found: dict[str, object] = {}
    for path in SHOWN:
        open_page(window, address + path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            if window.overflow() > 0:
                found[f"{path} at {width}"] = window.overflow()
        problems = [window.violations(), dark_violations(window), window.problems]
        if any(problems):
            found[path] = problems
    assert found == {}
    assert {url.split("/")[2] for url in window.requests} == {address.partition("//")[2]}


def dark_violations(window: Visit) -> list[str]:
    """Return what axe-core finds in the dark scheme, in which only colours differ."""
    window.page.emulate_media(color_scheme="dark")
    options = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    run = "options => axe.run(options).then(found => found.violations.map(each => each.id))"
    found: list[str] = window.page.evaluate(run, options)
    window.page.emulate_media(color_scheme="light")
    return found


def test_all_links_lead_somewhere(window: Visit, address: str) -> None:
    links: set[str] = set()
    for path in SHOWN:
        open_page(window, address + path)
        found = window.page.eval_on_selector_all(
            "a[href], link[href], script[src], img[src]", "all => all.map(e => e.href || e.src)"
        )
        links |= {urldefrag(url).url for url in found}
    assert all(link.startswith(address) for link in links)
    # Of links that differ in a number or value only, some are enough.
    kinds: dict[str, list[str]] = {}
    for link in sorted(links):
        path, _, query = link.partition("?")
        names = "&".join(part.partition("=")[0] for part in query.split("&"))
        kinds.setdefault(f"{path.strip('0123456789').rstrip('/')}?{names}", []).append(link)
    assert len(kinds) > 40
    broken = [link for same in kinds.values() for link in same[:2] if not answers(link)]
    assert broken == []


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def focused(window: Visit) -> str:
    return str(window.page.evaluate("document.activeElement.href || ''"))


def test_keys_of_the_grid(window: Visit, address: str) -> None:
    page = window.page
    open_page(window, f"{address}/images?rated=yes")
    assert page.locator(".keys kbd").first.is_visible()
    links = page.eval_on_selector_all(".results .grid a", "all => all.map(e => e.href)")
    for key, at in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        assert focused(window) == links[at]
    page.keyboard.press("Enter")
    page.wait_for_url("**/image/*")
    assert page.url == links[1]
    page.go_back()
    for key, number in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2)):
        with page.expect_navigation():
            page.keyboard.press(key)
        assert page.url == f"{address}/images?rated=yes&page={number}"


def test_keys_of_an_image(window: Visit, address: str) -> None:
    page = window.page
    open_page(window, f"{address}/image/1?labels=1")
    for key, image_id in (("j", 2), ("ArrowRight", 3), ("k", 2), ("ArrowLeft", 1)):
        with page.expect_navigation():
            page.keyboard.press(key)
        assert page.url == f"{address}/image/{image_id}?labels=1"
    assert page.locator(".keys").first.is_visible()


def test_keys_are_letters_in_a_field(window: Visit, address: str) -> None:
    page = window.page
    open_page(window, f"{address}/images")
    page.locator("input[name=real_class]").press_sequentially("jk")
    page.keyboard.press("ArrowLeft")
    assert page.locator("input[name=real_class]").input_value() == "jk"
    assert page.url == f"{address}/images"


def test_filters_back_and_reload(window: Visit, address: str) -> None:
    page = window.page
    open_page(window, f"{address}/images")
    page.locator(".facet", has_text="Rated").locator("a", has_text="yes").click()
    count = page.locator(".facet a", has_text="wrong").first.locator(".count").inner_text()
    page.locator(".facet a", has_text="wrong").first.click()
    assert page.locator("h1 + p strong").inner_text() == count
    state, text = page.url, page.locator("main").inner_text()
    assert "rated=yes" in state
    page.reload()
    assert page.locator("main").inner_text() == text
    page.go_back()
    assert page.url == f"{address}/images?rated=yes"
    page.go_forward()
    assert (page.url, page.locator("main").inner_text()) == (state, text)
    page.locator("a.active").first.click()
    page.locator(".pager a[rel=next]").first.click()
    assert "page=2" in page.url


def test_the_forms(window: Visit, address: str) -> None:
    page = window.page
    open_page(window, f"{address}/images?rated=yes")
    selects = page.locator("select[name=differ]")
    selects.nth(0).select_option("model_a")
    selects.nth(1).select_option("model_b")
    page.locator("form button").click()
    assert "rated=yes" in page.url
    assert page.locator("h1 + p").inner_text().count("model_") == 2
    open_page(window, f"{address}/compare")
    page.locator("select[name=a]").select_option("model_b")
    page.locator("select[name=b]").select_option(MARKUP)
    page.locator("form button").click()
    assert page.url == f"{address}/compare?{urlencode({'a': 'model_b', 'b': MARKUP})}"
    open_page(window, f"{address}/sql")
    query = "\nselect\t1 + 1 as two, '\u202e'\n  -- <b>é</b>\n"
    page.locator("textarea").fill(query)
    page.locator("form button").click()
    assert page.locator("tbody td").first.inner_text() == "2"
    assert page.locator("textarea").input_value() == query
    with page.expect_download() as download:
        page.locator("a[download]").first.click()
    assert download.value.suggested_filename == "query.csv"


def test_pages_work_without_scripts(chromium: Any, address: str) -> None:
    with visit(chromium, f"{address}/images", java_script_enabled=False) as found:
        page = found.page
        page.locator(".facet a", has_text="wrong").first.click()
        page.locator(".grid a").first.click()
        assert page.locator("h1").inner_text().startswith("Image ")
        page.locator(".pager a[rel=next]").first.click()
        assert "wrong=" in page.url


def test_pictures_are_drawn(window: Visit, address: str) -> None:
    page = window.page
    open_page(window, f"{address}/image/4")
    sizes = page.eval_on_selector_all("img", "all => all.map(e => e.naturalWidth)")
    assert sizes == [300]
    open_page(window, f"{address}/images")
    # Not wait_for_function: from its second try on it needs eval, which the pages' policy forbids.
    page.eval_on_selector_all("img", "all => Promise.all(all.map(e => e.decode()))")
    sizes = page.eval_on_selector_all("img", "all => all.map(e => e.naturalWidth)")
    assert len(sizes) == 7
    assert all(sizes)
