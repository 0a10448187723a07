"""Flipped bits and cuts in the files of a build: each is refused, and the file named.

REALDB_FAULTS=500 tries as many; CI tries a few of the same, by the same seed.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

import realdb
from realdb.errors import StoreError
from realdb.store.store import Store

FAULTS = int(os.environ.get("REALDB_FAULTS", "40"))
QUERY = "select count(*), sum(label), sum(score) from rated_questions"


@pytest.fixture
def root(synthetic_store: Store, tmp_path: Path) -> Path:
    without = shutil.ignore_patterns("realdb.duckdb")
    return Path(shutil.copytree(synthetic_store.root, tmp_path / "store", ignore=without))


def figures(root: Path, model: Path) -> list[object]:
    return [realdb.accuracy(model, store=root), realdb.query(QUERY, store=root).fetchall()]


def test_damaged_tables_give_no_figure(root: Path, synthetic: Path) -> None:
    model = synthetic / "predictions" / "model_a.csv"
    expected = figures(root, model)
    files = sorted(root.glob("builds/*/tables/*.parquet"))
    assert len(files) >= 8
    rng = random.Random(0)
    for _ in range(FAULTS):
        path = rng.choice(files)
        content = path.read_bytes()
        damaged = bytearray(content)
        if rng.random() < 0.7:
            place = rng.randrange(8 * len(content))
            damaged[place // 8] ^= 1 << place % 8
        else:
            del damaged[rng.randrange(len(content)) :]
        path.chmod(0o644)
        path.write_bytes(damaged)
        try:
            with pytest.raises(StoreError) as caught:
                figures(root, model)
            assert caught.value.file == str(path)
            assert "realdb ingest" in str(caught.value)
            checks = {check.check: check.is_passed for check in realdb.verify(store=root)}
            assert checks[f"file of {path.stem}"] is False
        finally:
            path.write_bytes(content)
    assert figures(root, model) == expected
