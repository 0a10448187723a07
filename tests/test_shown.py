from __future__ import annotations

import dataclasses
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

import realdb
from realdb.api.shown import Shown, ShownList
from realdb.store.store import Store

EVIL = "<script>alert('&\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}')</script>"


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Inner(Shown):
    name: str
    share: float | None
    numbers: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Outer(Shown):
    name: str
    inner: Inner
    several: tuple[Inner, ...]
    rows: duckdb.DuckDBPyRelation


class Cells(HTMLParser):
    """The tags of HTML, which must be closed in order, and the texts between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def outer() -> Outer:
    one = Inner(name=EVIL, share=1 / 3, numbers=(1, 2))
    rows = duckdb.connect().sql("select i as n, 'text ' || i as t from range(50) as r(i)")
    return Outer(name="a", inner=one, several=(one, Inner(name="b", share=None)), rows=rows)


def test_text(outer: Outer) -> None:
    text = repr(outer)
    assert text.startswith("Outer\n  name  a\n")
    assert "\x1b" not in text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["name", "share", "numbers"] in lines
    assert ["b", "None", "none"] in lines
    assert ["0", "text", "0"] in lines
    assert ["4", "text", "4"] in lines
    assert ["5", "text", "5"] not in lines, "only the first rows"
    assert text.count("0.333333") == 2


def test_html(outer: Outer) -> None:
    found = Cells(outer._repr_html_())
    assert found.tags == {"table", "caption", "tr", "th", "td"}
    assert "\x1b" not in outer._repr_html_()
    assert {"Outer", "name", "a", "0.333333", "1, 2", "text 4", "…"} <= {*found.texts}
    assert any("<script>" in text for text in found.texts), "as text"


def test_a_closed_connection_is_no_error() -> None:
    con = duckdb.connect()
    one = Inner(name="a", share=0.0)
    outer = Outer(name="a", inner=one, several=(), rows=con.sql("select 1 as number"))
    con.close()
    assert "closed" in repr(outer)
    assert "closed" in outer._repr_html_()


def test_a_list(outer: Outer) -> None:
    checks = ShownList(outer.several)
    assert checks == list(outer.several)
    assert repr(checks).split()[0] == "name"
    assert len(repr(checks).splitlines()) == 3
    assert Cells(checks._repr_html_()).tags == {"table", "tr", "th", "td"}
    assert repr(ShownList()) == "[]"


RESULTS: dict[str, Callable[[Path, Path, Path], Any]] = {
    "Accuracy": lambda file, store, _: realdb.accuracy(file, store=store),
    "Diagnosis": lambda file, store, _: realdb.doctor(file, store=store),
    "Diagnoses": lambda file, store, _: realdb.doctor([file, file], store=store),
    "Finding": lambda file, store, _: realdb.doctor(file, store=store).tried[0],
    "Explanation": lambda file, store, _: realdb.explain(26, file, store=store),
    "Relabelling": lambda file, store, _: realdb.scores(file, store=store).labels,
    "Rescored": lambda file, store, _: realdb.scores(file, store=store),
    "Recomputation": lambda _, store, __: realdb.verify_scores(store=store),
    "Checks": lambda _, store, __: realdb.verify(store=store),
    "Check": lambda _, store, __: realdb.verify(store=store)[0],
    "Exported": lambda _, store, out: realdb.export("images", out / "o.csv", store=store),
    "Example": lambda _, store, __: realdb.demo(store=store)[0],
}


@pytest.mark.cases(5)
@pytest.mark.parametrize("name", RESULTS)
def test_results(name: str, synthetic: Path, synthetic_store: Store, tmp_path: Path) -> None:
    file = synthetic / "predictions" / "model_a.csv"
    result = RESULTS[name](file, synthetic_store.root, tmp_path)
    text = repr(result)
    assert len(text.splitlines()) > 2
    assert "(" + "file" not in text, "no dataclass in a line"
    assert max(map(len, text.splitlines())) < 250
    html = Cells(result._repr_html_())
    if name in ("Diagnosis", "Diagnoses"):
        assert (text, html.tags) == (str(result), {"pre"})
        return
    fields = dataclasses.fields(result[0] if name == "Checks" else result)
    for field in fields:
        assert field.name in text
        assert field.name in html.texts
