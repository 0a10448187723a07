from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import realdb
from realdb.api import labels
from realdb.errors import QueryError, UsageError
from realdb.store.store import Store
from refusals import refused


@pytest.fixture(autouse=True)
def _synthetic_is_the_store(synthetic_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALDB_HOME", str(synthetic_store.root))


@pytest.fixture(scope="module")
def lists(synthetic: Path) -> list[list[int]]:
    found: list[list[int]] = json.loads((synthetic / "real.json").read_text())
    return found


def at(threshold: float, synthetic: Path, lists: list[list[int]]) -> list[set[int]]:
    """Return the labels at another operating point, from the files themselves."""
    scored: dict[int, set[int]] = {}
    with np.load(synthetic / "scores.npz") as scores:
        for (name, label), score in zip(scores["info"], scores["tensor"], strict=True):
            kept = scored.setdefault(int(name[15:23]), set())
            if score >= threshold:
                kept.add(int(label))
    return [scored.get(image, set(published)) for image, published in enumerate(lists, start=1)]


def test_arrays_match_real_json(lists: list[list[int]]) -> None:
    found = realdb.real_labels()
    assert [one.tolist() for one in found] == lists
    assert {one.dtype for one in found} == {np.dtype(np.int16)}
    assert any(list(one) != sorted(one) for one in lists), "the order would not be seen"


def test_the_published_labels(real_store: Store, upstream: Path) -> None:
    found = realdb.real_labels(store=real_store.root)
    assert [one.tolist() for one in found] == json.loads((upstream / "real.json").read_text())
    assert realdb.real_labels("matrix", store=real_store.root).sum() == 57_553


@pytest.mark.cases(2)
@pytest.mark.parametrize("threshold", [0, 0.5, 0.8, 0.99, 1])
def test_the_matrix(threshold: float, synthetic: Path, lists: list[list[int]]) -> None:
    matrix = realdb.real_labels("matrix", threshold=threshold)
    assert matrix.shape == (50_000, 1000)
    assert matrix.dtype == np.bool_
    expected = np.zeros_like(matrix)
    for row, kept in enumerate(at(threshold, synthetic, lists)):
        expected[row, list(kept)] = True
    assert (matrix == expected).all()
    arrays = realdb.real_labels(threshold=threshold)
    assert [set(one.tolist()) for one in arrays] == at(threshold, synthetic, lists)


def test_packed_bits(lists: list[list[int]]) -> None:
    packed = realdb.real_labels("packed")
    assert packed.shape == (50_000, 125)
    assert packed.dtype == np.uint8
    for row in range(0, 50_000, 501):
        classes = [c for c in range(1000) if packed[row, c // 8] >> (7 - c % 8) & 1]
        assert classes == sorted(lists[row])
    assert (np.unpackbits(packed, axis=1) == realdb.real_labels("matrix")).all()


def test_a_torch_tensor() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tensor = realdb.real_labels("torch")
    assert (tuple(tensor.shape), tensor.dtype) == ((50_000, 1000), torch.bool)
    assert (tensor.numpy() == realdb.real_labels("matrix")).all()


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    find: Any = importlib.util.find_spec
    without = lambda name, *rest: None if name == "torch" else find(name, *rest)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", without)
    with refused(UsageError, "matrix", parameter="form", value="torch"):
        realdb.real_labels("torch")


def test_invalid_arguments_are_refused(bare_store: Store) -> None:
    with refused(UsageError, "arrays, matrix, packed, torch", parameter="form", value="set"):
        realdb.real_labels("set")  # type: ignore[call-overload]
    with refused(UsageError, parameter="threshold", value=80):
        realdb.real_labels(threshold=80)
    with refused(QueryError, "scores.npz", value="labels_at", count=1):
        realdb.real_labels(threshold=0.5, store=bare_store.root)
    assert len(realdb.real_labels(store=bare_store.root)) == 50_000


def test_padded() -> None:
    table = labels.padded(np.array([1, 1, 1, 50_000]), np.array([5, 3, 9, 0], np.int16))
    assert table.shape == (50_000, 3)
    assert table.dtype == np.int16
    assert table[[0, 1, -1]].tolist() == [[5, 3, 9], [-1, -1, -1], [0, -1, -1]]
    choices = np.array([[9, 1], [-1, 4], [7, 0]], np.int16)
    hits = labels.hits_of(choices, table[[0, 1, -1]])
    assert hits.tolist() == [[True, False], [False, False], [False, True]]
