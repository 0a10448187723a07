from __future__ import annotations

import functools
import importlib.util
import json
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import realdb
from realdb.errors import DataError, UsageError
from realdb.store.store import Store
from refusals import refused

BATCH = 500
Logits = npt.NDArray[np.float64]


@pytest.fixture(autouse=True)
def _synthetic_is_the_store(synthetic_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALDB_HOME", str(synthetic_store.root))


@pytest.fixture(scope="module")
def names() -> list[str]:
    """Return the images in the order of class folders: not that of their names."""
    order = np.random.default_rng(0).permutation(50_000)
    return [f"val/n{row % 7:08d}/ILSVRC2012_val_{row + 1:08d}.JPEG" for row in order]


@functools.cache
def drawn() -> list[Logits]:
    """Return logits without ties of some batches; the first choice is often a class below 20."""
    rng = np.random.default_rng(1)
    found = [rng.random((BATCH, 1000)) for _ in range(10)]
    for logits in found:
        logits[:, :20] += 0.98
    return found


def batches() -> Iterator[Logits]:
    """Yield logits of 50,000 images: each batch is drawn once, and then repeated."""
    for start in range(0, 50_000, BATCH):
        yield drawn()[start // BATCH % len(drawn())]


def by_hand(real: list[list[int]], names: list[str], topk: tuple[int, ...]) -> dict[int, float]:
    """Return the accuracy in per cent, computed by the usual loop."""
    orders = [np.argsort(-logits, axis=1)[:, : max(topk)].tolist() for logits in drawn()]
    hits: dict[int, list[bool]] = {k: [] for k in topk}
    for row, name in enumerate(names):
        order = orders[row // BATCH % len(orders)][row % BATCH]
        labels = real[int(name[-13:-5]) - 1]
        if labels:
            for k in topk:
                hits[k].append(any(choice in labels for choice in order[:k]))
    return {k: float(np.mean(hits[k])) * 100 for k in topk}


def test_the_loop(names: list[str], synthetic: Path) -> None:
    expected = by_hand(json.loads((synthetic / "real.json").read_text()), names, (1, 3, 5, 10))
    for topk in ((1, 5), (10, 3)):
        stand_in = realdb.RealLabelsImagenet(names, topk=topk)
        for logits in batches():
            stand_in.add_result(logits)
        assert stand_in.get_accuracy() == pytest.approx({k: expected[k] for k in topk}, abs=1e-9)
        assert list(stand_in.get_accuracy()) == list(topk)
        assert stand_in.get_accuracy(topk[0]) == stand_in.get_accuracy()[topk[0]]
        assert stand_in.sample_idx == 50_000
        with refused(DataError, "0 images", count=1, parameter="output"):
            stand_in.add_result(np.zeros((1, 1000)))


@pytest.fixture
def timms(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return timm's class out of the installed wheel; its other modules would need torchvision."""
    pytest.importorskip("torch", reason="torch is not installed")
    found = importlib.util.find_spec("timm")
    if found is None or not found.submodule_search_locations:
        pytest.skip("timm is not installed")
    path = Path(found.submodule_search_locations[0]) / "data" / "real_labels.py"
    spec = importlib.util.spec_from_file_location("timms_real_labels", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "timms_real_labels", module)
    spec.loader.exec_module(module)
    return module.RealLabelsImagenet


@pytest.mark.parametrize("is_published", [True, False])
def test_timms_own_class(
    is_published: bool, timms: Any, names: list[str], synthetic: Path, request: Any
) -> None:
    """The default labels of both are the published ones, and both can read a file."""
    import torch

    real_json = None if is_published else str(synthetic / "real.json")
    store = request.getfixturevalue("real_store").root if is_published else None
    theirs = timms(names, real_json, (1, 5))
    ours = realdb.RealLabelsImagenet(names, real_json, (1, 5), store=store)
    for logits in batches():
        for one in (theirs, ours):
            one.add_result(torch.from_numpy(logits))
    assert ours.get_accuracy() == pytest.approx(theirs.get_accuracy(), abs=1e-9)
    assert ours.get_accuracy(k=5) == pytest.approx(theirs.get_accuracy(k=5), abs=1e-9)
    assert ours.is_correct == theirs.is_correct


def test_labels_from_a_file(names: list[str], source_folder: Path) -> None:
    lists = json.loads((source_folder / "real.json").read_text())
    lists[int(names[0][-13:-5]) - 1] = [7, 3]
    path = shutil.copy(source_folder / "real.json", source_folder / "mine.json")
    Path(path).write_text(json.dumps(lists))
    stand_in = realdb.RealLabelsImagenet(names, real_json=path, topk=[1])
    assert math.isnan(stand_in.get_accuracy(1))
    one_hot = np.zeros((1, 1000))
    one_hot[0, 3] = 1
    stand_in.add_result(one_hot)
    assert stand_in.get_accuracy() == {1: 100}


def test_invalid_arguments_are_refused(names: list[str], tmp_path: Path) -> None:
    with refused(DataError, "50,000", count=2, parameter="filenames"):
        realdb.RealLabelsImagenet(names[:2])
    with refused(DataError, count=1, parameter="filenames", column="image"):
        realdb.RealLabelsImagenet([*names[:-1], names[0]])
    with refused(UsageError, parameter="topk", value=(0,)):
        realdb.RealLabelsImagenet(names, topk=(0,))
    (tmp_path / "real.json").write_text("[[1]]")
    for name, facts, fields in (
        ("real.json", ["50,000"], {"count": 1, "row": None, "column": None}),
        ("none.json", ["No such file"], {}),
    ):
        path = tmp_path / name
        with refused(DataError, path, *facts, file=path, parameter="real_json", **fields) as error:
            realdb.RealLabelsImagenet(names, path)
        assert str(error.value).count(str(path)) == 1
    with refused(DataError, parameter="filenames"):
        realdb.RealLabelsImagenet([[1], [2, 3]])
    stand_in = realdb.RealLabelsImagenet(names)
    for wrong in (np.zeros(1000), np.zeros((1, 1000), int)):
        with refused(DataError, wrong.dtype, parameter="output", value=wrong.shape):
            stand_in.add_result(wrong)
    with refused(DataError, row=0, column="label", value=0, count=1000):
        stand_in.add_result(np.full((1, 1000), np.nan))
    assert stand_in.sample_idx == 0
    with refused(UsageError, "1, 5", parameter="k", value=3):
        stand_in.get_accuracy(3)
