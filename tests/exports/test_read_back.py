"""Every export format is written and read back, and compared with the upstream files.

This is done with files of two seeds, to detect a reader that ignores its input.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import realdb
from realdb.exports import registry
from realdb.ingest.synthetic import write_synthetic
from realdb.store.store import Store

SOME = 120  # of 50,000 images
ANSWERS = ("no", "maybe", "yes")


class Seeded(NamedTuple):
    """Upstream files, the store of them, and a folder with a file for each of the first images.

    lists: the labels of each image in real.json
    """

    files: Path
    store: Store
    images: Path
    lists: list[list[int]]


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Seeded]:
    """Return the files of two seeds."""
    found = []
    for seed in (1, 2):
        folder = tmp_path_factory.mktemp("seed")
        write_synthetic(folder / "files", seed=seed, rated_images=120)
        (folder / "images").mkdir()
        for image in range(1, SOME + 1):
            name = folder / "images" / f"ILSVRC2012_val_{image:08d}.JPEG"
            name.write_text(str(image), encoding="ascii")
        with warnings.catch_warnings():  # the checksums are not the published ones
            warnings.simplefilter("ignore", realdb.RealdbWarning)
            store = realdb.ingest(folder / "files", store=folder / "store", parquet_only=True)
        lists = json.loads((folder / "files" / "real.json").read_bytes())
        found.append(Seeded(folder / "files", store, folder / "images", lists))
    return found


# The content of the files.


def label_rows(seeded: Seeded) -> list[tuple[int, ...]]:
    return sorted(
        (image, label, position)
        for image, labels in enumerate(seeded.lists, 1)
        for position, label in enumerate(labels)
    )


def first_lists(seeded: Seeded) -> list[list[int]]:
    return seeded.lists[:SOME]


def arrays(name: str) -> Callable[[Seeded], dict[str, Any]]:
    return lambda seeded: read_arrays(seeded.files / name)


def scores_of_the_rated(seeded: Seeded) -> list[list[float]]:
    """Return a row for each image that was rated: its scores."""
    with np.load(seeded.files / "scores.npz") as found:
        pairs = [(int(name[-13:-5]), int(label)) for name, label in found["info"]]
        scores = found["tensor"]
    place = {image: row for row, image in enumerate(sorted({image for image, _ in pairs}))}
    matrix = np.zeros((len(place), 1000), np.float32)
    for (image, label), score in zip(pairs, scores, strict=True):
        matrix[place[image], label] = score
    rows: list[list[float]] = matrix.tolist()
    return rows


def tree(seeded: Seeded) -> dict[str, list[int]]:
    """Return the images in the folder of each class: by their first labels."""
    ids = (seeded.files / "labels.txt").read_text(encoding="ascii").split()
    found: dict[str, list[int]] = {wordnet_id: [] for wordnet_id in ids}
    for image, labels in enumerate(first_lists(seeded), 1):
        if labels:
            found[ids[labels[0]]].append(image)
    return found


def votes(seeded: Seeded) -> list[tuple[int, int, int, str]]:
    """Return image, label, rater and answer of every vote of the main round."""
    with seeded.store.connect() as con:
        return con.execute(
            "select image_id, label, rater_id, answer from votes where round = 'main' order by all"
        ).fetchall()


# The content of an export.


def read_text(path: Path, delimiter: str) -> list[tuple[int, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file, delimiter=delimiter)
    return [tuple(map(int, row)) for row in rows]


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*table.to_pydict().values(), strict=True))


def read_json(path: Path) -> list[tuple[int, ...]]:
    return [tuple(row.values()) for row in json.loads(path.read_bytes())]


def read_json_lines(path: Path) -> list[tuple[int, ...]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [tuple(json.loads(line).values()) for line in lines]


def read_arrow(path: Path) -> list[tuple[Any, ...]]:
    with pa.OSFile(str(path)) as file:
        return rows_of(pa.ipc.open_file(file).read_all())


def read_sqlite(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as con:
        return con.execute("select * from labels").fetchall()


def read_duckdb(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute("from labels").fetchall()


def read_arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as found:
        return {name: found[name].tolist() for name in found.files}


def read_soft_labels(path: Path) -> list[list[float]]:
    with np.load(path) as found:
        rows: list[list[float]] = found["soft_labels"].tolist()
    return rows


def read_tree(path: Path) -> dict[str, list[int]]:
    return {
        folder.name: sorted(int(file.read_text(encoding="ascii")) for file in folder.iterdir())
        for folder in path.iterdir()
        if folder.is_dir()
    }


def read_list(path: Path) -> list[list[int]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            [int(label) for label in row["labels"].split()]
            for row in csv.DictReader(file, delimiter="\t")
        ]


def read_hf(path: Path) -> list[list[int]]:
    (file,) = (path / "data").iterdir()
    found: list[list[int]] = pq.read_table(file)["real_labels"].to_pylist()
    return found


def read_croissant(path: Path) -> list[tuple[Any, ...]]:
    """Find the table as a reader of Croissant does: by its record set and file object."""
    about = json.loads((path / "croissant.json").read_bytes())
    (records,) = (one for one in about["recordSet"] if one["name"] == "labels")
    sources = {field["source"]["fileObject"]["@id"] for field in records["field"]}
    (file,) = (one for one in about["distribution"] if {one["@id"]} == sources)
    return sorted(rows_of(pq.read_table(path / file["contentUrl"])))


def read_fiftyone(path: Path) -> list[list[int]]:
    return list(json.loads(path.read_bytes())["labels"].values())


def read_crowdkit(path: Path) -> list[tuple[Any, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            (*map(int, row["task"].split("/")), int(row["worker"]), row["label"])
            for row in csv.DictReader(file)
        ]


def read_cleanlab(path: Path) -> list[tuple[Any, ...]]:
    return sorted(
        (row["image_id"], row["label"], int(rater), ANSWERS[int(answer)])
        for row in pq.read_table(path).to_pylist()
        for rater, answer in row.items()
        if rater.isdecimal() and answer is not None
    )


class Way(NamedTuple):
    """How a format is read, and which part of the upstream files it has.

    what: what is exported, where that is not the format's own name
    """

    file: str
    read: Callable[[Path], Any]
    expected: Callable[[Seeded], Any]
    what: str | None = None


FIRST = f"image_id <= {SOME}"
# A new format needs its line here.
WAYS: dict[str, Way] = {
    "parquet": Way("a.parquet", lambda path: rows_of(pq.read_table(path)), label_rows, "labels"),
    "csv": Way("a.csv", lambda path: read_text(path, ","), label_rows, "labels"),
    "tsv": Way("a.tsv", lambda path: read_text(path, "\t"), label_rows, "labels"),
    "json": Way("a.json", read_json, label_rows, "labels"),
    "jsonl": Way("a.jsonl", read_json_lines, label_rows, "labels"),
    "arrow": Way("a.arrow", read_arrow, label_rows, "labels"),
    "sqlite": Way("a.sqlite", read_sqlite, label_rows, "labels"),
    "duckdb": Way("a.duckdb", read_duckdb, label_rows, "labels"),
    "store-duckdb": Way("a.duckdb", read_duckdb, label_rows, "store"),
    "store-sqlite": Way("a.sqlite", read_sqlite, label_rows, "store"),
    "real-json": Way(
        "a.json", lambda path: json.loads(path.read_bytes()), lambda seeded: seeded.lists
    ),
    "scores-npz": Way("a.npz", read_arrays, arrays("scores.npz")),
    "raters-npz": Way("a.npz", read_arrays, arrays("raters.npz")),
    "golden-npz": Way("a.npz", read_arrays, arrays("golden.npz")),
    "raters-golden-npz": Way("a.npz", read_arrays, arrays("raters_golden.npz")),
    "soft-labels": Way("a.npz", read_soft_labels, scores_of_the_rated, "rated"),
    "imagefolder": Way("a", read_tree, tree, "images"),
    "file-list": Way("a.tsv", read_list, first_lists, "images"),
    "hf": Way("a", read_hf, first_lists, "images"),
    "croissant": Way("a", read_croissant, label_rows),
    "fiftyone": Way("a.json", read_fiftyone, first_lists, "images"),
    "crowdkit": Way("a.csv", read_crowdkit, votes),
    "cleanlab": Way("a.parquet", read_cleanlab, votes),
}


@pytest.mark.parametrize("name", registry.EXPORT_FORMATS)
def test_a_format_is_read_back(
    name: str, two_seeds: list[Seeded], export: Callable[..., Path]
) -> None:
    assert name in WAYS, f"the export format {name!r} needs a reader: add it to WAYS"
    way, found = WAYS[name], []
    for seeded in two_seeds:
        options: dict[str, Any] = {"format": name, "force": True}
        if way.what == "images":
            options["where"] = FIRST
        if "images" in registry.EXPORT_FORMATS[name].options:
            options["images"] = seeded.images
        found.append(way.read(export(way.what or name, way.file, seeded.store, **options)))
        # No `==` in the assertion: pytest needs minutes to show the difference of long lists.
        is_same = found[-1] == way.expected(seeded)
        assert is_same, f"{name} does not hold what the files say"
    assert found[0] != found[1], f"{name}: the reader finds the same in the files of two seeds"
