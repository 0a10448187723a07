"""A warm process computes the same figures as the view, bit by bit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import realdb
from realdb.api import warm
from realdb.errors import DataError, RealdbWarning
from realdb.ingest.synthetic import write_synthetic
from realdb.store.store import Store
from refusals import refused

IMAGES = 50_000


def by_view(labels: npt.NDArray[Any], store: Store) -> realdb.Accuracy:
    rows = realdb.accuracy_table(labels, store=store.root)
    (row,) = rows.fetchall()
    return realdb.Accuracy(**dict(zip(rows.columns, row, strict=True)))


def near_original(store: Store, wrong: int, seed: int = 0) -> npt.NDArray[Any]:
    """Return the original labels, every `wrong`-th of them another one."""
    images = realdb.query("select original_label from images order by image_id", store=store.root)
    labels = np.array([label for (label,) in images.fetchall()])
    places = slice(seed, None, wrong)
    labels[places] = np.random.default_rng(seed).integers(0, 1000, len(labels[places]))
    return labels


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the tables that are opened; it is empty if DuckDB is not needed."""
    asked: list[str] = []
    connect = Store.connect

    def noted(store: Store, tables: Any = None) -> Any:
        asked.extend(tables or ["all"])
        return connect(store, tables)

    monkeypatch.setattr(Store, "connect", noted)
    return asked


@pytest.mark.parametrize("wrong", [2, 3, 7, 10])
def test_figures_match_the_views(wrong: int, synthetic_store: Store, answered: list[str]) -> None:
    labels = near_original(synthetic_store, wrong, seed=wrong)
    expected = by_view(labels, synthetic_store)
    found = realdb.accuracy(labels, store=synthetic_store.root)
    assert found == expected
    assert {type(value) for value in vars(found).values()} == {str, int, float, type(None)}
    answered.clear()
    assert realdb.accuracy(labels, store=synthetic_store.root, model="vit").model == "vit"
    assert not answered


def test_the_real_labels(real_store: Store) -> None:
    """ReaL accuracy of the original labels, as in FACTS, and of meaningless labels."""
    labels = near_original(real_store, 60_000, seed=IMAGES)
    with pytest.warns(RealdbWarning, match=r"\bpredictions\b.* 24,889 of 24,889 "):
        found = realdb.accuracy(labels, store=real_store.root)
    assert (found.correct_images, found.scored_images) == (42_164, 46_837)
    labels = np.random.default_rng(0).integers(0, 1000, IMAGES)
    with pytest.warns(RealdbWarning, match=r"\bpredictions\b.*realdb\.doctor"):
        found = realdb.accuracy(labels, store=real_store.root)
    with pytest.warns(RealdbWarning, match=r"\bpredictions\b.*realdb\.doctor"):
        assert found == by_view(labels, real_store)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<u2", "<i4", "<u4", ">i8", "<u8"])
def test_all_integer_types(dtype: str, synthetic_store: Store) -> None:
    labels = near_original(synthetic_store, 3)
    expected = realdb.accuracy(labels, store=synthetic_store.root)
    apart = np.repeat(labels.astype(dtype), 2)[::2]
    assert realdb.accuracy(apart, store=synthetic_store.root) == expected


def test_other_arrays_and_rules_use_the_views(synthetic_store: Store, answered: list[str]) -> None:
    labels = near_original(synthetic_store, 3)
    root = synthetic_store.root
    assert warm.accuracy(labels[:, None], root, "m") is None
    assert warm.accuracy(labels.astype(float), root, "m") is None
    assert warm.accuracy(labels, root / "none", "m") is None
    for place, wrong in ((7, -1), (49_999, 1000)):
        out = labels.copy()
        out[place] = wrong
        with refused(DataError, row=place + 1, column="label", value=wrong, count=1):
            realdb.accuracy(out, store=root)
    for choice in ({"empty": "wrong"}, {"threshold": 0.5}, {"order": "file-name"}):
        answered.clear()
        realdb.accuracy(labels, store=root, **choice)
        assert answered


def test_a_store_without_original_labels(bare_store: Store, synthetic_store: Store) -> None:
    labels = near_original(synthetic_store, 3)
    with pytest.warns(RealdbWarning, match="original accuracy"):
        found = realdb.accuracy(labels, store=bare_store.root)
    assert found.original_accuracy is None
    with pytest.warns(RealdbWarning, match="original accuracy"):
        assert found == by_view(labels, bare_store)


@pytest.mark.filterwarnings("ignore::realdb.errors.RealdbWarning")
def test_a_new_build_is_noticed(synthetic_store: Store, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(synthetic_store.root, root, ignore=shutil.ignore_patterns("realdb.duckdb"))
    labels = near_original(synthetic_store, 3)
    before = realdb.accuracy(labels, store=root)
    assert before == realdb.accuracy(labels, store=synthetic_store.root)
    write_synthetic(tmp_path / "others", seed=1)
    built = realdb.ingest(tmp_path / "others", store=root, parquet_only=True)
    after = realdb.accuracy(labels, store=root)
    assert after == by_view(labels, built) != before
