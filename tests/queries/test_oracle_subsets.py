"""The subsets of the images against plain Python, as in test_oracle.py: real data and made up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from realdb.ingest import predictions
from realdb.queries import catalog
from realdb.store.store import Store

Image = dict[str, Any]

# The rule of each subset for an image, its labels, the votes on its questions, and its models.
SUBSETS: dict[str, Callable[[Image], bool]] = {
    "rated": lambda image: image["is_rated"] is True,
    "unrated": lambda image: image["is_rated"] is False,
    "multi_label": lambda image: len(image["labels"]) >= 2,
    "no_label": lambda image: not image["labels"],
    "original_rejected": lambda image: (
        bool(image["labels"]) and image["original"] not in image["labels"]
    ),
    "unanimous": lambda image: (
        bool(image["votes"]) and all(len(set(those)) == 1 for those in image["votes"].values())
    ),
    "contested": lambda image: any(is_contested(those) for those in image["votes"].values()),
    "golden": lambda image: image["golden"] > 0,
    "animals": lambda image: image["original"] < 398,
    "objects": lambda image: image["original"] >= 398,
    "hard": lambda image: sum(image["wrong"]) > len(image["wrong"]) / 2,
}
# The columns of some subsets that the others do not have.
EXTRAS: dict[str, Callable[[Image], tuple[int, ...]]] = {
    "unanimous": lambda image: (
        len(image["votes"]),
        sum(set(those) == {"yes"} for those in image["votes"].values()),
    ),
    "contested": lambda image: (sum(map(is_contested, image["votes"].values())),),
    "golden": lambda image: (image["golden"],),
    "hard": lambda image: (len(image["wrong"]), sum(image["wrong"])),
}
# On the published files.
COUNTS = {
    "rated": 24_889,
    "unrated": 25_111,
    "multi_label": 7_443,
    "no_label": 3_163,
    "original_rejected": 46_837 - 42_164,
    "unanimous": 1_882,
    "contested": 7_223,
    "golden": 155,
    "animals": 398 * 50,
    "objects": 602 * 50,
    "hard": 4_715,
}


def is_contested(answers: list[str]) -> bool:
    return answers.count("no") >= 2 and answers.count("yes") >= 2


def images_of(con: duckdb.DuckDBPyConnection) -> dict[int, Image]:
    """Return the inputs of the rules, image by image."""
    images: dict[int, Image] = {}
    for image, name, original, is_rated in con.execute("from images").fetchall():
        images[image] = {
            **{"file_name": name, "original": original, "is_rated": is_rated},
            **{"labels": [], "votes": defaultdict(list), "golden": 0, "wrong": []},
        }
    for image, label, _ in con.execute("from labels order by image_id, position").fetchall():
        images[image]["labels"].append(label)
    for when, image, label, _, answer in con.execute("from votes").fetchall():
        if when == "main":
            images[image]["votes"][label].append(answer)
    for image, _, _, golden in con.execute("from questions").fetchall():
        images[image]["golden"] += golden is not None
    for _, image, rank, label, _ in con.execute("from predictions").fetchall():
        if rank == 1 and images[image]["labels"]:
            images[image]["wrong"].append(label not in images[image]["labels"])
    return images


@pytest.fixture(scope="module", params=["real", "synthetic"])
def judged(request: pytest.FixtureRequest) -> tuple[duckdb.DuckDBPyConnection, dict[int, Image]]:
    opened: Store = request.getfixturevalue(f"{request.param}_store")
    files: Path = request.getfixturevalue("real_data" if request.param == "real" else "synthetic")
    con = opened.connect()
    for path in sorted((files / "predictions").glob("*.csv")):
        predictions.add(con, path)
    catalog.install(con, opened.names, SUBSETS)
    return con, images_of(con)


@pytest.mark.parametrize("name", SUBSETS)
def test_subset(judged: tuple[duckdb.DuckDBPyConnection, dict[int, Image]], name: str) -> None:
    con, images = judged
    wanted = {
        (
            *(number, image["file_name"], image["original"], len(image["labels"])),
            image["labels"][0] if image["labels"] else None,
            *(EXTRAS[name](image) if name in EXTRAS else ()),
        )
        for number, image in images.items()
        if SUBSETS[name](image)
    }
    found = con.execute(f"from {name}").fetchall()
    assert len(found) == len(wanted)
    assert sorted(set(found) ^ wanted)[:5] == []


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_the_published_files(real_store: Store, real_data: Path, name: str) -> None:
    with real_store.connect() as con:
        if name == "hard":
            for path in sorted((real_data / "predictions").glob("*.csv")):
                predictions.add(con, path)
        catalog.install(con, real_store.names, [name])
        assert con.table(name).count("*").fetchall() == [(COUNTS[name],)]


@pytest.mark.parametrize("name", SUBSETS)
def test_all_start_with_the_same_columns(name: str) -> None:
    view = catalog.find(name)
    assert view.about.key == ("image_id",)
    assert list(view.about.columns)[:5] == [
        "image_id",
        "file_name",
        "original_label",
        "label_count",
        "first_label",
    ]
