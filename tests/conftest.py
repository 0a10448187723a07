"""Fixtures of all tests: the folder of the real files, and stores built once."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import real_files
from connections import empty_connection

import browser
import campaigns
import realdb
from needs import needs, needs_spark
from realdb.api.spark import SparkSession, connect
from realdb.errors import DataError, QueryError
from realdb.ingest import predictions
from realdb.ingest.synthetic import write_synthetic
from realdb.schema.tables import create_table
from realdb.store.store import Store, resolve

# Spark forks its Java process next to gRPC's threads. gRPC must not handle the fork.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
campaigns.load_profile()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave what collection makes, a million objects, out of garbage collection.

    Going through them takes a tenth of the time of all tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave most cases of large matrices out of a plain pytest."""
    items[:], left_out = campaigns.few_cases(items)
    if left_out:
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder with the real files, which has `upstream/` and `predictions/`.

    It is REALDB_TEST_DATA, else a folder `shared` beside the checkout. Where it is absent the test
    is skipped, or fails with REALDB_REQUIRE_DATA=1.
    """
    if real_files.are_there():
        return real_files.FOLDER
    reason = (
        "the real files are not here: set REALDB_TEST_DATA "
        f"(looked for {real_files.FOLDER}/upstream)"
    )
    if os.environ.get("REALDB_REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def upstream(real_data: Path) -> Path:
    """Return the folder of the real upstream files."""
    return real_data / "upstream"


@pytest.fixture(scope="session")
def real_store(upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store built from the real files."""
    return realdb.ingest(upstream, store=tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of generated files in the upstream formats, and `predictions/` in it."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic(folder)
    return folder


@pytest.fixture(scope="session")
def synthetic_store(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store built from the generated files."""
    return quiet_ingest(synthetic, tmp_path_factory.mktemp("synthetic_store"))


@pytest.fixture(scope="session")
def short_predictions(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return files of two models, each with 2,000 of the generated predictions."""
    folder = tmp_path_factory.mktemp("short")
    for name in ("model_a.csv", "model_b.csv"):
        lines = (synthetic / "predictions" / name).read_text(encoding="utf-8").splitlines()
        (folder / name).write_text("\n".join([*lines[:2_001], ""]), encoding="utf-8")
    return sorted(folder.iterdir())


def quiet_ingest(source: Path, root: Path, **options: Any) -> Store:
    """Build a store of files whose checksums are not the published ones, without the warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", realdb.RealdbWarning)
        return realdb.ingest(source, store=root, **options)


@pytest.fixture
def source_folder(synthetic: Path, tmp_path: Path) -> Path:
    """Return a folder with a copy of the generated files, for a test to change."""
    without = shutil.ignore_patterns("predictions")
    return Path(shutil.copytree(synthetic, tmp_path / "given", ignore=without))


@pytest.fixture
def change(source_folder: Path) -> Callable[..., None]:
    """Return a function that writes an .npz of `source_folder` anew, with other arrays.

    `change("golden.npz", ids=new, info=lambda info: info[:9], tensor=None)`: None leaves it out.
    """

    def change(name: str, **arrays: Any) -> None:
        with np.load(source_folder / name, allow_pickle=False) as found:
            members = dict(found)
        for member, new in arrays.items():
            members[member] = new(members[member]) if callable(new) else new
        kept = {member: array for member, array in members.items() if array is not None}
        np.savez_compressed(source_folder / name, **kept)

    return change


@pytest.fixture
def ingest(source_folder: Path, tmp_path: Path) -> Callable[..., Store]:
    """Return a function that builds a store of its own, of `source_folder` by default.

    It has no realdb.duckdb, which takes longer than all the rest, unless `parquet_only` is False.
    """

    def ingest(source: Path = source_folder, **options: Any) -> Store:
        return quiet_ingest(source, tmp_path / "store", **{"parquet_only": True, **options})

    return ingest


@pytest.fixture(scope="session")
def old_store(synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store for ingests that must be refused."""
    root = tmp_path_factory.mktemp("old") / "store"
    return resolve(Path(shutil.copytree(synthetic_store.root, root)))


@pytest.fixture
def refusal(source_folder: Path, old_store: Store) -> Callable[..., DataError]:
    """Return a function that ingests `source_folder`, which must be refused, and returns the error.

    `refusal("golden.npz")` leaves only that file in the folder first, which is quicker. Whatever
    the reason, it is one DataError of one line, and the store that was there is still in force,
    with all its files and none beside them.
    """

    def refusal(*only: str, source: Path = source_folder, **options: Any) -> DataError:
        for path in source_folder.iterdir() if only else ():
            if path.name not in only:
                path.unlink()
        before = sorted(old_store.root.rglob("*"))
        with pytest.raises(DataError) as caught:
            quiet_ingest(source, old_store.root, **options)
        assert resolve(old_store.root) == old_store
        assert sorted(old_store.root.rglob("*")) == before
        assert not list(old_store.root.rglob("*.partial"))
        assert "\n" not in str(caught.value)
        return caught.value

    return refusal


@pytest.fixture(scope="session")
def bare_store(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store built from real.json alone: no votes, no classes, no original labels."""
    folder = tmp_path_factory.mktemp("bare")
    shutil.copy(synthetic / "real.json", folder)
    return quiet_ingest(folder, tmp_path_factory.mktemp("bare_store"))


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to an in-memory database without tables."""
    with empty_connection() as con:
        yield con


@pytest.fixture
def predictions_table() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection with an empty table `predictions` and nothing else."""
    with empty_connection() as con:
        create_table(con, "predictions")
        yield con


@pytest.fixture
def refuse(predictions_table: duckdb.DuckDBPyConnection) -> Callable[..., DataError]:
    """Return a function that adds predictions, which must be refused, and returns the error.

    Whatever the reason, it is one DataError of one line, and the connection is as it was.
    """
    con = predictions_table

    def state() -> list[list[tuple[Any, ...]]]:
        kinds = ("duckdb_tables()", "duckdb_views() where not internal", "predictions")
        return [con.execute(f"from {kind}").fetchall() for kind in kinds]

    def refuse(source: object, **options: Any) -> DataError:
        before = state()
        with pytest.raises(DataError) as caught:
            predictions.add(con, source, **options)
        assert state() == before
        assert "\n" not in str(caught.value)
        return caught.value

    return refuse


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Yield a headless Chromium, driven by Playwright."""
    with browser.started() as found:
        yield found


@pytest.fixture(scope="session")
def sail_address() -> Iterator[str]:
    """Yield the address of a Sail server, which speaks Spark Connect."""
    needs("pyspark")
    server = needs("pysail.spark").SparkConnectServer()
    server.start(background=True)
    _, port = server.listening_address
    yield f"sc://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="session")
def sail(sail_address: str) -> Iterator[SparkSession]:
    """Yield a session of Sail."""
    with connect(sail_address) as engine:
        yield engine


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Yield a session of Apache Spark in a Java process beside this one."""
    needs_spark()
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(connect("local[2]"))
        except QueryError:
            # The fork that starts Java may die while gRPC's threads (Sail's) are busy.
            engine = stack.enter_context(connect("local[2]"))
        # Spark needs more time to compile a plan than to run it on a few rows.
        engine.spark.conf.set("spark.sql.codegen.wholeStage", "false")
        yield engine


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's own store, cache and settings out of every test, and the network too."""
    monkeypatch.setenv("REALDB_HOME", str(tmp_path / "no store here"))
    monkeypatch.setenv("REALDB_CACHE", str(tmp_path / "no cache here"))
    monkeypatch.setenv("REALDB_OFFLINE", "1")
