from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realdb.errors import QueryError
from realdb.store.store import Store
from refusals import refused

Export = Callable[..., Path]


def read(path: Path) -> dict[str, Any]:
    """Check the form that FiftyOne documents for its labels.json; return what the file holds."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert set(found) == {"classes", "labels", "realdb"}
    assert len(set(found["classes"])) == 1000
    assert all(isinstance(name, str) for name in found["classes"])
    for name, labels in found["labels"].items():
        assert Path(name).suffix == ""
        assert all(isinstance(label, int) and 0 <= label < 1000 for label in labels)
    return found


def test_holds_every_label(export: Export, synthetic: Path) -> None:
    found = read(export("fiftyone", "labels.json"))
    assert list(found["labels"].values()) == json.loads((synthetic / "real.json").read_bytes())
    assert next(iter(found["labels"])) == "ILSVRC2012_val_00000001"
    assert "Apache-2.0" in found["realdb"]["license"]


def test_only_the_selected_images(export: Export) -> None:
    some = read(export("images", "labels.json", format="fiftyone", where="image_id in (2, 9)"))
    assert list(some["labels"]) == ["ILSVRC2012_val_00000002", "ILSVRC2012_val_00000009"]


def test_missing_classes_are_refused(export: Export, bare_store: Store) -> None:
    with refused(QueryError, "realdb ingest FOLDER", value="classes"):
        export("fiftyone", "labels.json", store=bare_store)


@pytest.mark.filterwarnings("ignore")  # warnings of FiftyOne's imports
def test_fiftyone_imports_it(export: Export, tmp_path: Path) -> None:
    """Runs only if FiftyOne is installed. Last run with fiftyone 1.22.1, without MongoDB.

    The importer is the one that Dataset.from_dir uses; the dataset itself would want a database.
    """
    importers = pytest.importorskip(
        "fiftyone.utils.data.importers", reason="fiftyone is not installed: pip install fiftyone"
    )
    path = export("images", "labels.json", format="fiftyone", where="image_id <= 1200")
    found = read(path)
    for name in found["labels"]:
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{name}.JPEG").touch()
    importer = importers.FiftyOneImageClassificationDatasetImporter(
        data_path=str(tmp_path / "images"), labels_path=str(path)
    )
    with importer:
        got = {
            Path(image).stem: [one.label for one in label.classifications]
            for image, _, label in importer
        }
    assert got == {
        name: [found["classes"][label] for label in labels]
        for name, labels in found["labels"].items()
    }


def test_real_data(export: Export, real_store: Store, upstream: Path) -> None:
    found = read(export("fiftyone", "labels.json", store=real_store))
    assert list(found["labels"].values()) == json.loads((upstream / "real.json").read_bytes())
    assert found["classes"] == (upstream / "labels.txt").read_text(encoding="ascii").split()
