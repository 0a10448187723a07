from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import realdb
from realdb.errors import DataError, QueryError, RealdbError, UsageError, did_you_mean
from realdb.exports import registry
from realdb.queries import catalog
from realdb.schema.tables import TABLES
from realdb.store.store import Store
from refusals import refused

NAMES = {*TABLES, *catalog.all_names(), *registry.EXPORT_FORMATS}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("contestd", ["contested"]),
        ("CONTESTED", ["contested"]),
        ("imagefoldr", ["imagefolder"]),
        ("all", []),
        ("", []),
        ("a name of nothing", []),
    ],
)
def test_only_near_names_are_suggested(name: str, found: list[str]) -> None:
    known = ["contested", "imagefolder", "labels"]
    text = did_you_mean(name, known, "elsewhere")
    assert [each for each in known if each in text] == found
    assert ("elsewhere" in text) == (not found)


@pytest.fixture(scope="module")
def store(
    synthetic_store: Store, synthetic: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a store with stored models, for calls that are refused."""
    root = Path(shutil.copytree(synthetic_store.root, tmp_path_factory.mktemp("errors") / "store"))
    realdb.add(synthetic / "predictions", store=root)
    return root


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    ("ask", "kind", "lists"),
    [
        (lambda _: realdb.views("all"), QueryError, "realdb views"),
        (lambda _: realdb.view_sql("all"), QueryError, "realdb views"),
        (
            lambda store: realdb.export("all", "-", format="csv", store=store),
            QueryError,
            "realdb views",
        ),
        (
            lambda store: realdb.export("images", "-", format="zebra", store=store),
            UsageError,
            "realdb export --help",
        ),
        (lambda store: realdb.remove("all", store=store), DataError, "realdb models"),
        (
            lambda store: realdb.scores(left_out_raters=[1, 2, 3, 4, 5], store=store),
            UsageError,
            "from raters",
        ),
    ],
)
def test_no_error_lists_all_names(
    ask: Callable[[object], object],
    kind: type[RealdbError],
    lists: str,
    store: Path,
) -> None:
    """If no name is near, the error names the command that lists them."""
    with refused(kind, lists) as caught:
        ask(store)
    words = {word.strip("',:.?;()") for word in str(caught.value).split()}
    assert len(words & NAMES) <= 3, words
    assert len(words) < 30
