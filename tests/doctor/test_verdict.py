"""The doctor detects labels among predictions by the rule of `realdb accuracy`."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

import realdb
from realdb.api.doctor import mistakes, verdict
from realdb.schema.tables import CLASSES, IMAGES
from realdb.store.store import Store


@pytest.fixture(scope="module")
def labels(synthetic_store: Store) -> dict[str, npt.NDArray[Any]]:
    """Return each image's original and first ReaL label (-1 for none), and whether it was rated."""
    with synthetic_store.connect(["images", "labels"]) as con:
        rows = con.execute(
            """
            select
                i.image_id,
                i.is_rated,
                i.original_label as original,
                coalesce(l.label, -1) as real
            from images as i
            left join labels as l on i.image_id = l.image_id and l.position = 0
            order by i.image_id
            """
        ).fetchnumpy()
    return {name: np.asarray(column) for name, column in rows.items()}


def of(labels: dict[str, npt.NDArray[Any]], kind: str, is_used: Any, wrong: int = 0) -> pa.Table:
    """Return the labels of these images as predictions; the first `wrong` are another class."""
    label = labels[kind][is_used].copy()
    label[:wrong] = (label[:wrong] + 1) % 1000
    return pa.table({"image": labels["image_id"][is_used], "label": label})


def first(is_used: npt.NDArray[np.bool_], count: int) -> npt.NDArray[np.bool_]:
    return is_used & (np.cumsum(is_used) <= count)


@pytest.mark.parametrize("kind", ["original", "ReaL"])
@pytest.mark.parametrize(
    ("rated", "wrong", "verb"),
    [
        (500, 25, "are"),
        (500, 26, None),
        (499, 0, "may be"),
        (499, 25, None),
        (10, 0, "may be"),
        (9, 0, None),
    ],
)
def test_original_labels_are_detected_on_rated_images(
    kind: str, rated: int, wrong: int, verb: str | None
) -> None:
    """The two kinds of labels differ on the rated images. There are 1,000 images."""
    image = np.arange(1, 1001)
    label = image % 1000
    other = np.where(image <= rated, (label + 1) % 1000, label)
    original, real = (label, other) if kind == "original" else (other, label)
    truth = mistakes.Truth(
        is_real=np.zeros((IMAGES + 1, CLASSES + 1), np.bool_),
        has_real=np.arange(IMAGES + 1) <= 1000,
        original=np.full(IMAGES + 1, -1, np.int16),
        is_rated=np.arange(IMAGES + 1) <= rated,
    )
    truth.is_real[image, real] = True
    truth.original[image] = original
    stated = np.where(image <= wrong, (label + 2) % 1000, label)
    found, reason = verdict.judge(
        truth,
        image,
        stated,
        stated,
        real=mistakes.real_hits(truth, image, stated),
        original=mistakes.Share(int((stated == original).sum()), 1000),
        confidence=np.empty(0),
    )
    assert (found == "suspicious") == (verb is not None)
    if verb:
        assert f"these {verb} the {kind} labels".lower() in reason.lower()
        assert f"{rated - wrong} of {rated} rated images" in reason


def test_unrated_images_do_not_count_for_the_verdict(
    labels: dict[str, npt.NDArray[Any]], synthetic_store: Store
) -> None:
    unrated = of(labels, "original", ~labels["is_rated"].astype(bool))
    found = realdb.doctor(unrated, store=synthetic_store.root)
    assert found.original_accuracy == found.real_accuracy == 1
    assert (found.verdict, found.findings) == ("sound", ())


def test_a_real_model_on_unrated_images(real_data: Path, real_store: Store) -> None:
    rows = realdb.query(
        "select p.image_id, p.label from predictions as p "
        "inner join images as i on p.image_id = i.image_id where not i.is_rated",
        real_data / "predictions" / "ResNet50.csv",
        store=real_store.root,
    )
    found = realdb.doctor(rows.to_arrow_table(), store=real_store.root)
    assert (found.verdict, found.images) == ("sound", 25_111)
    assert found.original_accuracy == pytest.approx(0.9992, abs=5e-5)


def test_all_images_count_without_is_rated(
    labels: dict[str, npt.NDArray[Any]], bare_store: Store
) -> None:
    """All images count: at least 98 % of at least 200."""
    scored = labels["real"] >= 0
    for count, wrong, is_doubtful in ((200, 4, True), (200, 5, False), (199, 0, False)):
        predictions = of(labels, "real", first(scored, count), wrong)
        found = realdb.doctor(predictions, store=bare_store.root)
        assert ("may be the ReaL labels" in found.reason) == is_doubtful
        assert "rated" not in found.reason


def test_scores_npz_is_enough_for_is_rated(
    labels: dict[str, npt.NDArray[Any]], source_folder: Path, ingest: Callable[..., Store]
) -> None:
    """Neither `doctor` nor `accuracy` warns about predictions that agree on unrated images only."""
    for path in source_folder.iterdir():
        if "raters" in path.name or path.name == "golden.npz":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    store = ingest()
    assert "votes" not in store.tables
    unrated = of(labels, "original", ~labels["is_rated"].astype(bool))
    assert realdb.doctor(unrated, store=store.root).verdict == "sound"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert realdb.accuracy(unrated, store=store.root).original_accuracy == 1
        realdb.add(unrated, model="unrated", store=store.root)
        realdb.leaderboard("unrated", store=store.root)
    assert not [one for one in caught if "original labels" in str(one.message)]
