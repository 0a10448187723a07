"""The cache of prepared tables, and the changes of the store while the pages are open."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

import realdb
from realdb.browse import prepared as module
from realdb.browse.prepared import Prepared, Watch
from realdb.browse.preparing import SORTED
from realdb.errors import DataError, StoreError
from realdb.schema.tables import TABLES
from realdb.store.store import Store, resolve


@pytest.fixture
def root(bare_store: Store, tmp_path: Path) -> Path:
    """Return a copy of a small store, which a test may change."""
    return Path(shutil.copytree(bare_store.root, tmp_path / "store"))


@pytest.fixture(scope="session")
def filled(bare_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache with the tables of the small store."""
    cache = tmp_path_factory.mktemp("filled")
    Watch(bare_store.root, cache=cache)
    return cache


@pytest.fixture
def own_cache(filled: Path, tmp_path: Path) -> Path:
    """Return a copy of that cache, which a test may change."""
    return Path(shutil.copytree(filled, tmp_path / "cache"))


def folders(cache: Path) -> list[Path]:
    return [path for path in cache.glob("[!.]*") if path.is_dir()]


def test_the_tables_have_the_rows_of_the_views(tables: Prepared, pages_store: Path) -> None:
    con = realdb.connect(store=pages_store)
    for name in SORTED:
        (expected,) = con.execute(f"select count(*), count(distinct t) from {name} as t").fetchall()
        (found,) = tables.con.execute(
            f"select count(*), count(distinct t) from {name} as t"
        ).fetchall()
        assert found == expected, name
    for name in ("rated_questions", "vote_evidence", "scored_predictions"):
        # A sum may differ in its last digit with the order of its parts.
        columns = ", ".join(
            f"round({column}, 9)" if str(kind) == "DOUBLE" else column
            for column, kind in zip(con.table(name).columns, con.table(name).types, strict=True)
        )
        sql = f"select {columns} from {name} order by all"
        expected = con.execute(sql).fetchall()
        assert len(expected) > 0
        assert tables.con.execute(sql).fetchall() == expected


def test_tables_are_prepared_once(root: Path, own_cache: Path) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    found = Watch(root, cache=own_cache, progress=never)
    assert [path.name for path in folders(own_cache)] == [found.current.key]
    assert not [*own_cache.glob(".realdb*")]


def test_a_damaged_cache_is_made_anew(root: Path, own_cache: Path) -> None:
    (folder,) = folders(own_cache)
    path = folder / "prepared.duckdb"
    path.write_bytes(path.read_bytes()[:5000])
    steps: list[int] = []
    found = Watch(root, cache=own_cache, progress=lambda _, done, __: steps.append(done))
    assert found.current.value("select count(*) from shown_images") == 50_000
    assert steps == sorted(steps) != []
    assert [path.name for path in folders(own_cache)] == [found.current.key]


def renewed(watch: Watch, key: str) -> None:
    """Wait until the tables are others."""
    end = time.monotonic() + 60
    while watch.current.key == key:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_change_of_the_store_is_seen(
    root: Path, synthetic: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_CHECKS", 0)
    watch = Watch(root, cache=own_cache)
    key, build = watch.current.key, watch.current.build_id
    assert watch.current.models == []
    with pytest.warns(realdb.RealdbWarning):  # the store has no original labels
        realdb.add(synthetic / "predictions" / "model_a.csv", store=root)
    renewed(watch, key)
    assert watch.current.models == ["model_a"]
    assert watch.notice is None
    assert watch.current.build_id == build
    # A rebuild, with classes.
    key = watch.current.key
    with pytest.warns(realdb.RealdbWarning):
        realdb.ingest(synthetic, store=root, parquet_only=True)
    renewed(watch, key)
    assert watch.current.models == ["model_a"]
    assert watch.current.build_id != build
    assert len(watch.current.classes) == 1_000


def test_a_store_that_becomes_damaged_keeps_its_pages(
    root: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_CHECKS", 0)
    watch = Watch(root, cache=own_cache)
    key = watch.current.key
    (root / "CURRENT").write_text("nothing")
    end = time.monotonic() + 20
    while "cannot" not in (watch.notice or ""):
        assert watch.current.key == key
        assert time.monotonic() < end
        time.sleep(0.05)


def test_only_the_last_tables_stay(root: Path, own_cache: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_KEPT", 2)
    for number in range(3):
        (own_cache / f"{number}").mkdir()
        os.utime(own_cache / f"{number}", (number, number))
    watch = Watch(root, cache=own_cache)
    watch._tidy()
    assert {path.name for path in folders(own_cache)} == {watch.current.key, "2"}


def test_files_are_the_models(root: Path, synthetic: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    shutil.copy(synthetic / "predictions" / "model_b.csv", file)
    watch = Watch(root, [file], cache=tmp_path / "cache")
    assert watch.current.models == ["mine"]
    assert watch.current.models_of_files == {"mine": ["mine"]}
    assert watch.current.source("mine") == str(file)
    assert watch.current.predictions is not None
    key = watch.current.key
    assert Watch(root, [file], cache=tmp_path / "cache").current.key == key
    file.write_text(file.read_text().replace(",1,", ",2,"))
    assert watch._key(resolve(root)) != key


def test_errors_of_files_have_their_fields(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("image,label\n1,2\n3,1000\n")
    with pytest.raises(DataError) as caught:
        Watch(root, [file], cache=tmp_path / "cache")
    assert (caught.value.file, caught.value.row, caught.value.value) == (str(file), 2, "1000")
    with pytest.raises(DataError):
        Watch(root, ["no such model"], cache=tmp_path / "cache")
    assert folders(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StoreError) as caught:
        Watch(root, cache=tmp_path / "cache")
    assert caught.value.file == str(tmp_path / "cache")


def test_all_names_are_those_of_tables_and_views() -> None:
    from realdb.queries import catalog

    assert {*SORTED} <= {*TABLES, *catalog.all_names()}
