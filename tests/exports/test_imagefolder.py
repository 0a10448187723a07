from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from realdb.errors import DataError, UsageError
from realdb.exports import place
from realdb.store.store import Store
from refusals import refused

Export = Callable[..., Path]


def name(image: int) -> str:
    return f"ILSVRC2012_val_{image:08d}"


# Generated stores also have 50,000 images; these are enough.
IMAGES = 150
SOME = {"format": "imagefolder", "where": f"image_id <= {IMAGES}"}


@pytest.fixture
def lists(synthetic: Path) -> list[list[int]]:
    """Return the ReaL labels of some images, image 1 first."""
    found: list[list[int]] = json.loads((synthetic / "real.json").read_bytes())[:IMAGES]
    return found


@pytest.fixture
def images(tmp_path: Path, lists: list[list[int]]) -> Path:
    """Return a folder with a file per image; odd images in a subfolder, with another suffix."""
    folder = tmp_path / "the images"
    (folder / "n01440764").mkdir(parents=True)
    (folder / "._ILSVRC2012_val_00000001.JPEG").write_text("not an image")
    (folder / "labels.txt").write_text("not an image")
    for image in range(1, len(lists) + 1):
        inside = f"n01440764/{name(image)}_n01440764.jpg" if image % 2 else f"{name(image)}.JPEG"
        (folder / inside).write_text(str(image), encoding="ascii")
    return folder


def read(path: Path) -> dict[str, set[int]]:
    """Return the images in each folder, read from the content of the files."""
    return {
        folder.name: {int(file.read_text(encoding="ascii")) for file in folder.iterdir()}
        for folder in path.iterdir()
        if folder.is_dir() and any(folder.iterdir())
    }


def expected(store: Store, labels: list[list[int]]) -> dict[str, set[int]]:
    with store.connect() as con:
        ids = dict(con.execute("select label, wordnet_id from classes").fetchall())
    found: dict[str, set[int]] = {}
    for image, those in enumerate(labels, 1):
        for label in those:
            found.setdefault(ids[label], set()).add(image)
    return found


# Copies and links, and each choice of labels, are among the few.
@pytest.mark.cases(3)
@pytest.mark.parametrize("which", ["first", "all", None])
@pytest.mark.parametrize("copy", [True, None])
def test_each_image_is_in_the_folders_of_its_labels(
    export: Export,
    synthetic_store: Store,
    images: Path,
    lists: list[list[int]],
    which: str | None,
    copy: bool | None,
) -> None:
    path = export("images", "tree", images=images, per_image=which, copy=copy, **SOME)
    kept = lists if which == "all" else [labels[:1] for labels in lists]
    assert read(path) == expected(synthetic_store, kept)
    files = [file for folder in path.iterdir() if folder.is_dir() for file in folder.iterdir()]
    assert {file.is_symlink() for file in files} == {copy is None}
    assert {file.name for file in files} <= {file.name for file in images.rglob("*")}
    # Sorted, the folders are in the order of the class ids.
    with synthetic_store.connect() as con:
        rows = con.execute("select wordnet_id from classes order by label").fetchall()
    assert [(folder.name,) for folder in sorted(path.iterdir()) if folder.is_dir()] == rows
    assert len(rows) == 1000
    assert "Apache-2.0" in json.loads((path / place.MARK).read_bytes())["license"]


def test_output_beside_the_images_can_be_replaced(export: Export, images: Path) -> None:
    inside = os.path.relpath(images / "tree", images.parent / 'it\'s a "folder"')
    first = read(export("images", inside, images=images, **SOME))
    assert read(export("images", inside, images=images, force=True, **SOME)) == first


def test_missing_images_are_named_and_counted(
    export: Export, images: Path, lists: list[list[int]]
) -> None:
    labelled = [image for image, labels in enumerate(lists, 1) if labels]
    for image in labelled[:5]:
        next(images.rglob(f"{name(image)}*")).unlink()
    with pytest.raises(DataError) as caught:
        export("images", "tree", images=images, **SOME)
    error = caught.value
    assert (error.file, error.count, error.parameter) == (str(images), 5, "where")
    assert error.value == f"{name(labelled[0])}.JPEG"
    assert f"{len(labelled):,}" in str(error)
    assert all(name(image) in str(error) for image in labelled[:3])
    assert not any(name(image) in str(error) for image in labelled[3:5])
    kept = ", ".join(map(str, labelled[5:]))
    path = export("imagefolder", "tree", images=images, where=f"image_id in ({kept})")
    assert set.union(*read(path).values()) == set(labelled[5:])


def test_refusals(export: Export, images: Path, tmp_path: Path) -> None:
    with refused(UsageError, parameter="images"):
        export("imagefolder", "tree")
    with refused(UsageError, "first, all", parameter="per_image", value="last"):
        export("imagefolder", "tree", images=images, per_image="last")
    with refused(DataError, parameter="images"):
        export("imagefolder", "tree", images=tmp_path / "nowhere")
    (images / f"{name(1)}.png").write_text("1", encoding="ascii")
    with refused(DataError, "00000001", column="image", value=1, count=2):
        export("images", "tree", images=images, **SOME)


def test_torchvision_reads_it(export: Export, images: Path, lists: list[list[int]]) -> None:
    """Runs only if torchvision is installed."""
    datasets = pytest.importorskip(
        "torchvision.datasets", reason="torchvision is not installed: pip install torchvision"
    )
    path = export("images", "tree", images=images, **SOME)
    found = datasets.ImageFolder(path, allow_empty=True)
    judged = {int(Path(file).read_text(encoding="ascii")): label for file, label in found.samples}
    assert judged == {image: labels[0] for image, labels in enumerate(lists, 1) if labels}


def test_real_data(export: Export, real_store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for image in range(1, 201):
        (folder / f"{name(image)}.JPEG").write_text(str(image), encoding="ascii")
    path = export(
        "imagefolder",
        "t",
        images=folder,
        per_image="all",
        store=real_store,
        where="image_id <= 200",
    )
    with real_store.connect() as con:
        rows = con.execute(
            "select c.wordnet_id, l.image_id from labels as l join classes as c using (label) "
            "where l.image_id <= 200"
        ).fetchall()
    found = {(folder, image) for folder, images in read(path).items() for image in images}
    assert found == set(rows)
