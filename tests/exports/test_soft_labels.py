from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import realdb
from realdb.errors import QueryError, UsageError
from realdb.store.store import Store
from refusals import refused

Export = Callable[..., Path]


# Generated stores also have 50,000 images; these are enough, rated and not.
SOME = {"format": "soft-labels", "where": "image_id <= 3000"}


def expected(store: Store, by: str) -> np.ndarray:
    """Fill the matrix a cell at a time."""
    with store.connect() as con:
        images = dict(
            con.execute("select image_id, is_rated from images where image_id <= 3000").fetchall()
        )
        matrix = np.zeros((len(images), 1000), np.float32)
        place = {image: row for row, image in enumerate(sorted(images))}
        for image, label in con.execute("select image_id, label from labels").fetchall():
            if not images.get(image, True):
                matrix[place[image], label] = 1
        if by == "score":
            for image, label, score in con.execute(
                "select image_id, label, score from scores where image_id <= 3000"
            ).fetchall():
                matrix[place[image], label] = score
        else:
            said: dict[tuple[int, int], list[str]] = {}
            for image, label, answer in con.execute(
                "select image_id, label, answer from votes "
                "where round = 'main' and image_id <= 3000"
            ).fetchall():
                said.setdefault((image, label), []).append(answer)
            for (image, label), answers in said.items():
                matrix[place[image], label] = answers.count("yes") / len(answers)
    return matrix


@pytest.mark.parametrize("by", ["score", "votes"])
def test_npz_holds_the_matrix(export: Export, synthetic_store: Store, by: str) -> None:
    path = export("images", "soft.npz", by=by, **SOME)
    with np.load(path, allow_pickle=False) as found:
        soft = found["soft_labels"]
        assert soft.dtype == np.float32
        np.testing.assert_array_equal(soft, expected(synthetic_store, by))
        assert found["image_ids"].dtype == np.int32
        assert found["image_ids"].tolist() == list(range(1, 3001))
        assert found["file_names"][1] == "ILSVRC2012_val_00000002.JPEG"
        notice = json.loads(str(found["notice"]))
        assert "Apache-2.0" in notice["license"]
        unrated = ~found["is_rated"]
        assert unrated.any()
        assert not unrated.all()
        assert (soft[unrated].sum(axis=1) == 1).all()


def test_parquet_has_the_same_labels(export: Export, synthetic_store: Store) -> None:
    table = pq.read_table(export("images", "soft.parquet", **SOME))
    assert table.column_names == ["image_id", "file_name", "is_rated", "soft_label"]
    cells = table["soft_label"].combine_chunks().flatten().to_numpy()
    np.testing.assert_array_equal(cells.reshape(3000, 1000), expected(synthetic_store, "score"))
    assert b"Apache-2.0" in table.schema.metadata[b"license"]


def test_only_the_selected_images(export: Export, synthetic_store: Store) -> None:
    path = export("images", "some.npz", format="soft-labels", where="image_id in (3, 7)")
    with np.load(path) as found:
        assert found["image_ids"].tolist() == [3, 7]
        whole = expected(synthetic_store, "score")
        np.testing.assert_array_equal(found["soft_labels"], whole[[2, 6]])


def test_refusals(export: Export, bare_store: Store) -> None:
    with refused(UsageError, ".npz", ".parquet", parameter="out", value=".csv"):
        export("soft-labels", "soft.csv")
    with refused(UsageError, "score, votes", parameter="by", value="size"):
        export("soft-labels", "soft.npz", by="size")
    with refused(UsageError, parameter="threshold"):
        export("soft-labels", "soft.npz", threshold=0.5)
    with refused(QueryError, "scores.npz", value="scores"):
        export("soft-labels", "soft.npz", store=bare_store)


def test_real_data(export: Export, real_store: Store) -> None:
    with np.load(export("soft-labels", "soft.npz", store=real_store)) as found:
        soft, rated = found["soft_labels"], found["is_rated"]
    assert soft.shape == (50_000, 1000)
    assert rated.sum() == 24_889
    # In float32 the labels are also the cells of 0.8 and more.
    assert np.count_nonzero(soft >= 0.8) == 57_553
    assert soft[~rated].sum() == 25_111
    assert np.count_nonzero(soft) == 184_962 + 25_111
    lists = realdb.real_labels(store=real_store.root)
    assert np.flatnonzero(soft[1] >= 0.8).tolist() == sorted(lists[1].tolist())
