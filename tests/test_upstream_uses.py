"""The three uses in the README of reassessed-imagenet, compared with realdb.

Its code is followed with its mistakes mended: `i + i` for `i + 1` in the names, `json.load` of a
path, and the labels of an unsorted image looked up by its place.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import realdb
from realdb.store.store import Store

# The figures of the usual loop on these files.
REAL_ACCURACY = {"ViT": 39_337 / 46_837, "ResNet50": 38_855 / 46_837}


@pytest.fixture(autouse=True)
def _real_is_the_store(real_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALDB_HOME", str(real_store.root))


@pytest.fixture(params=list(REAL_ACCURACY))
def predicted(request: Any, real_data: Path) -> tuple[str, list[str], np.ndarray[Any, Any]]:
    """Return a model's name, the file names in the order of its file, and its class for each."""
    path = real_data / "predictions" / f"{request.param}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes = np.array([int(row["predicted_class"]) for row in rows])
    return request.param, [row["file_name"] for row in rows], classes


def test_numpy(predicted: Any, upstream: Path) -> None:
    model, names, classes = predicted
    published = json.loads((upstream / "real.json").read_text())
    in_order = classes[np.argsort(names)]
    for real_labels in (published, realdb.real_labels()):
        is_correct = [
            pred in real_labels[i] for i, pred in enumerate(in_order) if len(real_labels[i])
        ]
        assert np.mean(is_correct) == REAL_ACCURACY[model]
    by_name = {f"ILSVRC2012_val_{i + 1:08d}.JPEG": one for i, one in enumerate(published)}
    is_correct = [
        pred in by_name[name] for name, pred in zip(names, classes, strict=True) if by_name[name]
    ]
    assert np.mean(is_correct) == REAL_ACCURACY[model]
    assert realdb.accuracy(in_order).real_accuracy == REAL_ACCURACY[model]
    by_image = dict(zip(names, classes.tolist(), strict=True))
    assert realdb.accuracy(by_image).real_accuracy == REAL_ACCURACY[model]
    matrix = realdb.real_labels("matrix")
    hits = matrix[np.arange(50_000), in_order][matrix.any(axis=1)]
    assert hits.mean() == REAL_ACCURACY[model]


def add_all(to: Any, classes: Any, wrap: Any) -> Any:
    """Give logits to a class like timm's, as timm's validate.py does, batch by batch."""
    for some in np.array_split(classes, 100):
        logits = np.zeros((len(some), 1000), np.float32)
        logits[np.arange(len(some)), some] = 1
        to.add_result(wrap(logits))
    return to.get_accuracy(k=1)


def test_pytorch(predicted: Any) -> None:
    """By the stand-in for timm's class; see the next test for timm's own."""
    model, names, classes = predicted
    ours = realdb.RealLabelsImagenet(names, topk=(1,))
    assert add_all(ours, classes, np.asarray) == pytest.approx(100 * REAL_ACCURACY[model])


def test_pytorch_through_timm(predicted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    found = importlib.util.find_spec("timm")
    if found is None or not found.submodule_search_locations:
        pytest.skip("timm is not installed")
    # By its path: the rest of timm needs torchvision.
    path = Path(found.submodule_search_locations[0]) / "data" / "real_labels.py"
    spec = importlib.util.spec_from_file_location("timms_real_labels", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "timms_real_labels", module)
    spec.loader.exec_module(module)
    model, names, classes = predicted
    theirs = add_all(module.RealLabelsImagenet(names, topk=(1,)), classes, torch.from_numpy)
    ours = add_all(realdb.RealLabelsImagenet(names, topk=(1,)), classes, torch.from_numpy)
    assert ours == pytest.approx(theirs, abs=1e-9)
    assert ours == pytest.approx(100 * REAL_ACCURACY[model])


def test_tensorflow_datasets(predicted: Any, upstream: Path) -> None:
    """The fields are file_name, original_label and real_label."""
    model, names, classes = predicted
    wordnet_ids = (upstream / "labels.txt").read_text().split()
    originals = (upstream / "validation_labels.txt").read_text().split()
    published = json.loads((upstream / "real.json").read_text())
    theirs = {
        f"ILSVRC2012_val_{i:08d}.JPEG": (wordnet_ids.index(original), labels)
        for i, (original, labels) in enumerate(zip(originals, published, strict=True), start=1)
    }
    ours = realdb.query(
        """
        select
            images.file_name,
            images.original_label,
            coalesce(
                list(labels.label order by labels.position) filter (labels.label is not null), []
            ) as real_label
        from images
        left join labels on images.image_id = labels.image_id
        group by all
        """
    ).fetchall()
    assert {name: (original, labels) for name, original, labels in ours} == theirs
    predicted_by_name = dict(zip(names, classes.tolist(), strict=True))
    examples = [(predicted_by_name[name], original, labels) for name, original, labels in ours]
    is_correct = [pred in labels for pred, _, labels in examples if labels]
    assert np.mean(is_correct) == REAL_ACCURACY[model]
    result = realdb.accuracy(predicted_by_name)
    assert result.real_accuracy == REAL_ACCURACY[model]
    is_original = [pred == original for pred, original, _ in examples]
    assert result.original_accuracy == np.mean(is_original)
