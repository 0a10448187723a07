"""The blocks of docs/recipes.md, run where their library is installed.

A dozen images get brighter with their number, and the model tells them by it: whatever a library
does to them, and in whatever order, each must come out with its own name to be right.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import tarfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import realdb
from realdb.store.store import Store

RECIPES = Path(__file__).parent.parent / "docs" / "recipes.md"
COUNT = 12
pytestmark = [
    # Warnings of the libraries.
    pytest.mark.filterwarnings("ignore"),
]


def sections() -> dict[str, list[str]]:
    """Return the blocks of code below each heading."""
    found = {}
    for section in RECIPES.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, _, body = section.partition("\n")
        found[heading] = re.findall(r"```(?:python|text)\n(.*?)```", body, re.DOTALL)
    return found


def need(*names: str) -> list[Any]:
    """Return these modules; skip if one is not installed or does not work here."""
    found = []
    for name in names:
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            pytest.skip(f"{name} is not installed")
        try:
            found.append(importlib.import_module(name))
        except Exception as error:  # any error of a build for another machine
            pytest.skip(f"{name} cannot be imported here: {error}")
    return found


def run(heading: str, **names: Any) -> Any:
    """Run the block below a heading and return its result, of all images."""
    block = sections()[heading][0]
    exec(compile(block, f"{RECIPES.name}: {heading}", "exec"), names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return names["result"] if "result" in names else names["metric"].compute()


class Images:
    """The images: `names` by image id, `labels` the first ReaL label of each, `wordnet_ids`."""

    def __init__(self, folder: Path, store: Store) -> None:
        rows = realdb.query(
            """
            select images.image_id, images.file_name, labels.label, classes.wordnet_id
            from images
            inner join labels on images.image_id = labels.image_id and labels.position = 0
            inner join classes on images.original_label = classes.label
            order by images.image_id
            limit 12
            """,
            store=store.root,
        ).fetchall()
        self.folder = folder
        self.ids, self.names, labels, self.wordnet_ids = zip(*rows, strict=True)
        self.labels = np.array(labels)

    def pictures(self) -> Iterator[Any]:
        (image,) = need("PIL.Image")
        for place in range(COUNT):
            pixels = np.full((40, 40, 3), 20 + 18 * place, np.uint8)
            yield image.fromarray(pixels)

    def write(self, layout: str) -> Path:
        """Write each image to its place in `layout`, and return the folder."""
        for picture, name, wordnet_id in zip(
            self.pictures(), self.names, self.wordnet_ids, strict=True
        ):
            path = self.folder / layout.format(name=name, wordnet_id=wordnet_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path, "JPEG")
        return self.folder

    def told(self, images: Any) -> np.ndarray[Any, Any]:
        """Return logits of all images, an array (12, …): by how bright they are."""
        assert len(images) == COUNT
        brightness = np.asarray(images, np.float64).reshape(COUNT, -1).mean(axis=1)
        logits = np.zeros((COUNT, 1000), np.float32)
        logits[np.arange(COUNT), self.labels[brightness.argsort().argsort()]] = 1
        return logits


@pytest.fixture
def images(synthetic_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Images:
    monkeypatch.setenv("REALDB_HOME", str(synthetic_store.root))
    monkeypatch.chdir(tmp_path)
    return Images(tmp_path / "images", synthetic_store)


@pytest.fixture
def model(images: Images) -> Callable[[Any], Any]:
    """Return a torch model: a tensor of images to logits."""
    (torch,) = need("torch")
    return lambda inputs: torch.from_numpy(images.told(inputs.numpy()))


def is_right(result: realdb.Accuracy) -> bool:
    return (result.real_accuracy, result.predicted_images) == (1, COUNT)


def test_a_recipe_is_short() -> None:
    found = sections()
    wanted = {"timm", "torchvision", "TensorFlow Datasets", "Hugging Face", "Keras", "open_clip"}
    assert wanted < set(found)
    for heading, blocks in found.items():
        assert blocks, heading
        for block in blocks:
            assert len(block.splitlines()) <= 8, heading
            assert all(len(line) <= 100 for line in block.splitlines())
            if not block.startswith("%"):
                compile(block, heading, "exec")


def test_timm(images: Images, model: Any) -> None:
    need("PIL", "torchvision", "timm")
    folder = images.write("{wordnet_id}/{name}")
    assert is_right(run("timm", folder=str(folder), model=model))


def test_torchvision(images: Images, model: Any) -> None:
    torch, *_ = need("torch", "PIL", "torchvision")
    folder = images.write("val/{wordnet_id}/{name}")
    # What torchvision leaves beside the images when it unpacks them.
    classes = {wordnet_id: (wordnet_id,) for wordnet_id in images.wordnet_ids}
    torch.save((classes, list(images.wordnet_ids)), folder / "meta.bin")
    assert is_right(run("torchvision", folder=folder, model=model))


def test_torchmetrics(images: Images, model: Any) -> None:
    torch, *_ = need("torch", "torchmetrics")
    pixels = torch.arange(COUNT)[:, None, None, None].expand(-1, 3, 4, 4)
    order = torch.randperm(COUNT).tolist()
    loader = [(pixels[order], [images.names[place] for place in order])]
    shares = run("torchmetrics", loader=loader, model=model)
    assert shares["real_accuracy"].item() == 1


def test_tensorflow_datasets(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the real builder with a tar of images: TensorFlow Datasets makes the fields."""
    tf, tfds, _ = need("tensorflow", "tensorflow_datasets", "PIL")
    folder = images.write("flat/{name}")
    manual = images.folder / "downloads" / "manual"
    manual.mkdir(parents=True)
    with tarfile.open(manual / "ILSVRC2012_img_val.tar", "w") as tar:
        for name in images.names:
            tar.add(folder / "flat" / name, name)
    builder = tfds.builder("imagenet2012_real", data_dir=images.folder)
    real = {name: [int(label)] for name, label in zip(images.names, images.labels, strict=True)}
    # It would download real.json.
    monkeypatch.setattr(type(builder), "_get_real_labels", lambda *_: real)
    monkeypatch.setenv("TFDS_DATA_DIR", str(images.folder))
    config = tfds.download.DownloadConfig(manual_dir=manual)
    builder.download_and_prepare(download_config=config)
    example = next(iter(tfds.as_numpy(builder.as_dataset(split="validation"))))
    place = images.names.index(example["file_name"].decode())
    assert example["real_label"].tolist() == [images.labels[place]]

    def prepare(example: Any) -> Any:
        return {**example, "image": tf.image.resize(example["image"], (8, 8)), "real_label": 0}

    names = {"folder": images.folder, "prepare": prepare, "model": images.told}
    assert is_right(run("TensorFlow Datasets", **names))


def test_hugging_face(images: Images, model: Any) -> None:
    datasets, transformers, *_ = need("datasets", "transformers", "PIL", "torchvision")
    folder = images.write("flat/{name}")
    # As the published Parquet files are: the file's bytes and its name.
    files = [
        {"bytes": (folder / "flat" / name).read_bytes(), "path": f"{name[:-5]}_{wordnet_id}.JPEG"}
        for name, wordnet_id in zip(images.names, images.wordnet_ids, strict=True)
    ]
    order = np.random.default_rng(0).permutation(COUNT)
    data = datasets.Dataset.from_dict(
        {"image": [files[place] for place in order], "label": [0] * COUNT},
        features=datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")}),
    )
    (folder / "data").mkdir()
    data.to_parquet(folder / "data" / "validation-00000-of-00001.parquet")
    names = {
        "source": str(folder / "data"),
        "processor": transformers.ViTImageProcessor(size={"height": 16, "width": 16}),
        "model": lambda pixel_values: SimpleNamespace(logits=model(pixel_values)),
    }
    assert is_right(run("Hugging Face", **names))


def test_keras(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    need("torch", "tensorflow", "PIL")
    (keras,) = need("keras")
    folder = images.write("{wordnet_id}/{name}")

    @keras.saving.register_keras_serializable()
    class Teller(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            brightness = keras.ops.mean(inputs, axis=(1, 2, 3))
            places = keras.ops.argsort(keras.ops.argsort(brightness))
            return keras.ops.one_hot(keras.ops.take(images.labels, places), 1000)

    model = keras.Sequential([keras.layers.Input((224, 224, 3)), Teller()])
    assert is_right(run("Keras", folder=folder, model=model))


def test_open_clip(images: Images, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The weights are random, so only the number of predictions is compared."""
    torch, *_ = need("torch", "PIL", "torchvision")
    (clip,) = need("open_clip")
    tower = {"width": 32, "heads": 2, "layers": 1}
    text = {"context_length": 77, "vocab_size": 49408, **tower}
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "head_width": 32}
    (tmp_path / "tiny-for-a-test.json").write_text(
        str({"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}).replace("'", '"')
    )
    clip.add_model_config(tmp_path / "tiny-for-a-test.json")
    monkeypatch.setattr(clip, "OPENAI_IMAGENET_TEMPLATES", clip.OPENAI_IMAGENET_TEMPLATES[:2])

    def load(preprocess: Any) -> Iterator[Any]:
        batch = torch.stack([preprocess(picture) for picture in images.pictures()])
        yield batch, images.names

    names = {"name": "tiny-for-a-test", "weights": None, "load": load}
    with torch.inference_mode():
        result = run("open_clip", **names)
    assert (result.predicted_images, result.scored_images) == (COUNT, COUNT)
    assert result.real_top5_accuracy is not None


@pytest.mark.usefixtures("images")
def test_a_notebook_shows_a_table() -> None:
    shown = run("In a notebook")._repr_mimebundle_()
    assert "mine" in shown["text/html"]
    assert shown["text/html"].startswith("<table")


@pytest.mark.usefixtures("images")
def test_jupysql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("HOME", str(tmp_path))
    shells, _ = need("IPython.core.interactiveshell", "sql")
    shell = shells.InteractiveShell()
    try:
        for line in sections()["In a notebook"][1].splitlines():
            done = shell.run_cell(line)
            done.raise_error()
        expected = realdb.query("select count(*) from labels").fetchall()[0][0]
        assert [row[0] for row in done.result] == [expected]
        assert "<table" in done.result._repr_html_()
    finally:
        shell.history_manager.end_session()
