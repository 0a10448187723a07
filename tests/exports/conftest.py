"""Fixtures of the export tests: the call, into a folder with special characters."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import realdb
from realdb.store.store import Store, resolve

# Values and column names that are difficult for a format.
AWKWARD = """
select
    1 as "a,b",
    'it''s "quoted", with a	tab and' || chr(10) || 'a line' as "say ""what""; drop table x --",
    cast(null as integer) as "nothing at all",
    '' as "empty'",
    0.1e0 + 0.2e0 as "Zahl_ä",
    true as "select",
    9007199254740993 as big
union all
select 2, 'NULL', 7, 'x', 1e-300, false, -1
order by 1
"""
COLUMNS = [
    "a,b",
    'say "what"; drop table x --',
    "nothing at all",
    "empty'",
    "Zahl_ä",
    "select",
    "big",
]
ROWS = [
    (
        *(1, 'it\'s "quoted", with a\ttab and\na line', None, "", 0.30000000000000004, True),
        9007199254740993,
    ),
    (2, "NULL", 7, "x", 1e-300, False, -1),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder whose name has spaces and quotes."""
    folder = tmp_path / 'it\'s a "folder"'
    folder.mkdir()
    return folder


@pytest.fixture
def export(synthetic_store: Store, folder: Path) -> Callable[..., Path]:
    """Return a function that exports WHAT to a file name and returns the path."""

    def export(what: str, name: str, store: Store = synthetic_store, **options: Any) -> Path:
        done = realdb.export(what, folder / name, store=store.root, **options)
        assert done.out == folder / name
        assert [path.name for path in folder.glob(".*")] == [], "something was left beside it"
        return done.out

    return export


@pytest.fixture
def awkward() -> tuple[str, list[str], list[tuple[Any, ...]]]:
    """Return a query, its columns and its rows."""
    return AWKWARD, COLUMNS, ROWS


@pytest.fixture(scope="session")
def modelled_store(
    synthetic_store: Store, short_predictions: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Store:
    """Return a store of the generated files with two models."""
    root = tmp_path_factory.mktemp("modelled") / "store"
    without = shutil.ignore_patterns("realdb.duckdb")
    store = resolve(Path(shutil.copytree(synthetic_store.root, root, ignore=without)))
    with warnings.catch_warnings():  # the files do not have all images
        warnings.simplefilter("ignore", realdb.RealdbWarning)
        realdb.add(*short_predictions, store=root)
    return store


@pytest.fixture(scope="session")
def real_modelled_store(
    real_store: Store, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Store:
    """Return a store of the real files with the models ViT and ResNet50."""
    root = tmp_path_factory.mktemp("modelled") / "store"
    store = resolve(Path(shutil.copytree(real_store.root, root)))
    models = (real_data / "predictions" / name for name in ("ViT.csv", "ResNet50.csv"))
    realdb.add(*models, store=root)
    return store
