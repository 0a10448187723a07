"""What the tests share: where the real files are, and a store built from them once."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

import realdb
from realdb.ingest.synthetic import write_synthetic
from realdb.schema.store import Store

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder with the real files: `upstream/` and `predictions/` stand in it.

    It is REALDB_TEST_DATA, else a folder `shared` beside the checkout. Where it is absent the test
    is skipped, or fails with REALDB_REQUIRE_DATA=1.
    """
    folder = Path(os.environ.get("REALDB_TEST_DATA") or CHECKOUT.parent / "shared")
    if (folder / "upstream" / "real.json").is_file():
        return folder
    reason = f"the real files are not here: set REALDB_TEST_DATA (looked for {folder}/upstream)"
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
    with warnings.catch_warnings():
        # Their checksums are not the published ones, and the ingest says so.
        warnings.simplefilter("ignore", realdb.RealdbWarning)
        return realdb.ingest(synthetic, store=tmp_path_factory.mktemp("synthetic_store"))


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's own store, cache and settings out of every test, and the network too."""
    monkeypatch.setenv("REALDB_HOME", str(tmp_path / "no store here"))
    monkeypatch.setenv("REALDB_CACHE", str(tmp_path / "no cache here"))
    monkeypatch.setenv("REALDB_OFFLINE", "1")
