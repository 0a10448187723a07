"""Files written by PyTorch and by Hugging Face's datasets."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import realdb
from needs import needs
from realdb.errors import DataError, UsageError
from realdb.ingest import predictions
from realdb.ingest.locate import expand
from realdb.store.store import Store

WITHOUT_TORCH = (
    "torch is not installed here, 750 MB that `dev` does not ask for: pip install torch to run this"
)
NAMES = [f"ILSVRC2012_val_{image:08d}.JPEG" for image in range(1, 50_001)]
REAL_ACCURACY = 0.8398701880991524  # of ViT.csv: FACTS, and the README


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason=WITHOUT_TORCH)


@pytest.fixture(scope="module")
def datasets() -> Any:
    library = needs("datasets")
    library.disable_progress_bars()
    return library


@pytest.fixture(scope="module")
def vit(real_data: Path) -> Any:
    """Return ViT's class ids, by image."""
    path = str(real_data / "predictions" / "ViT.csv")
    found = duckdb.read_csv(path).order("file_name").fetchnumpy()["predicted_class"]
    return np.array(found, np.int64)


def top5(vit: Any) -> Any:
    return (vit[:, None] + np.arange(5)) % 1000


def logits(torch: Any, vit: Any) -> Any:
    """Return logits whose highest is ViT's class, with a gradient, as a model returns them."""
    held = torch.randn(50_000, 1000, generator=torch.Generator().manual_seed(0))
    held[torch.arange(50_000), torch.from_numpy(vit)] = 50
    return held.requires_grad_()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda torch, vit: torch.from_numpy(vit), id="top-1"),
        pytest.param(lambda torch, vit: torch.from_numpy(top5(vit)), id="top-5"),
        pytest.param(lambda torch, vit: torch.from_numpy(top5(vit).T.copy()).T, id="transposed"),
        pytest.param(logits, id="logits"),
        pytest.param(lambda torch, vit: logits(torch, vit).half(), id="float16"),
        pytest.param(lambda torch, vit: logits(torch, vit).bfloat16(), id="bfloat16"),
        pytest.param(
            lambda torch, vit: {"logits": logits(torch, vit), "targets": torch.zeros(5)}, id="dict"
        ),
    ],
)
def test_a_tensor(
    make: Callable[[Any, Any], Any], torch: Any, vit: Any, real_store: Store, tmp_path: Path
) -> None:
    torch.save(make(torch, vit), tmp_path / "ViT.pt")
    found = realdb.accuracy(tmp_path / "ViT.pt", store=real_store.root)
    assert found.real_accuracy == REAL_ACCURACY


class Harm:
    """An object that runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("harm",)


def test_code_in_a_file_is_not_run(
    torch: Any, tmp_path: Path, refuse: Callable[..., DataError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"logits": Harm()}, "harm.pt")
    error = refuse("harm.pt")
    assert error.file == "harm.pt"
    assert error.remedy
    assert "torch.save(logits, FILE)" in error.remedy
    assert "weights_only" not in str(error)  # torch's message recommends an unsafe way to load it
    torch.save(Harm(), "old.pt", _use_new_zipfile_serialization=False)
    Path("harm.pkl").write_bytes(pickle.dumps(Harm()))
    for name in ("old.pt", "harm.pkl"):
        error = refuse(name)
        assert error.file == name
        assert "pickle" in str(error)
    assert not Path("harm").exists()


def test_objects_other_than_tensors_are_refused(
    torch: Any, tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    torch.save([1, 2], tmp_path / "list.pt")
    error = refuse(tmp_path / "list.pt")
    assert (error.file, error.value) == (str(tmp_path / "list.pt"), "list")


@pytest.fixture
def dataset(datasets: Any, vit: Any) -> Any:
    return datasets.Dataset.from_dict({"file_name": NAMES, "prediction": vit.tolist()})


def as_class_label(dataset: Any) -> Any:
    datasets = needs("datasets")
    names = [f"class {label}" for label in range(1000)]
    return dataset.cast_column("prediction", datasets.ClassLabel(names=names))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda dataset: dataset, id="as it is"),
        pytest.param(lambda dataset: dataset.shuffle(seed=0), id="shuffled"),
        pytest.param(as_class_label, id="ClassLabel"),
        pytest.param(lambda dataset: dataset.with_format("numpy"), id="numpy"),
    ],
)
def test_a_dataset(change: Callable[[Any], Any], dataset: Any, real_store: Store) -> None:
    found = realdb.accuracy(change(dataset), store=real_store.root)
    assert found.real_accuracy == REAL_ACCURACY


@pytest.mark.parametrize("shards", [1, 3])
def test_a_dataset_on_disk(shards: int, dataset: Any, real_store: Store, tmp_path: Path) -> None:
    as_class_label(dataset).save_to_disk(tmp_path / "ViT", num_shards=shards)
    found = realdb.accuracy(tmp_path / "ViT", store=real_store.root)
    assert found.real_accuracy == REAL_ACCURACY


def test_a_dataset_with_lists(datasets: Any, vit: Any, real_store: Store, tmp_path: Path) -> None:
    ranked = datasets.Dataset.from_dict({"image": NAMES, "label": top5(vit).tolist()})
    ranked.save_to_disk(tmp_path / "ViT")
    found = realdb.accuracy(tmp_path / "ViT", store=real_store.root)
    assert found.real_accuracy == REAL_ACCURACY
    assert found.real_top5_accuracy is not None
    assert found.real_top5_accuracy > REAL_ACCURACY


def test_several_splits(
    datasets: Any,
    tmp_path: Path,
    refuse: Callable[..., DataError],
    predictions_table: duckdb.DuckDBPyConnection,
) -> None:
    rows = datasets.Dataset.from_dict({"image": [1, 2], "label": [3, 4]})
    splits = datasets.DatasetDict({"a": rows, "b": rows})
    splits.save_to_disk(tmp_path / "both")
    (source,) = expand([tmp_path / "both"])
    error = refuse(source.predictions)
    assert error.file == str(tmp_path / "both")
    assert str(error).endswith(f"{tmp_path}/both/a, {tmp_path}/both/b")
    with pytest.raises(UsageError, match="a, b") as caught:
        predictions.add(predictions_table, splits)
    assert (caught.value.parameter, caught.value.count) == ("predictions", 2)
