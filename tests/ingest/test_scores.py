from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realdb.errors import DataError
from realdb.ingest.scores import read_scores

Change = Callable[..., None]
Refusal = Callable[..., DataError]


def test_scores_keep_the_order_of_the_file(synthetic: Path) -> None:
    scores = read_scores(synthetic / "scores.npz")
    with np.load(synthetic / "scores.npz") as found:
        assert scores.score.dtype == np.float64
        assert np.array_equal(scores.score, found["tensor"])
        assert scores.questions.label.tolist() == found["info"][:, 1].astype(int).tolist()


def test_0_and_1_are_scores(tmp_path: Path) -> None:
    info = np.array([["ILSVRC2012_val_00000001.JPEG", label] for label in ("0", "1")])
    np.savez(tmp_path / "scores.npz", tensor=np.array([0.0, 1.0]), info=info)
    assert read_scores(tmp_path / "scores.npz").score.tolist() == [0, 1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-9, np.nextafter(1, 2), 80.0])
def test_scores_outside_0_to_1_are_refused(change: Change, refusal: Refusal, value: float) -> None:
    def spoil(tensor: Any) -> Any:
        tensor[[3, 5]] = value
        return tensor

    change("scores.npz", tensor=spoil)
    error = refusal("scores.npz")
    assert (error.file, error.column, error.row) == ("scores.npz", "tensor", 3)
    assert (error.value, error.count) == (str(value), 2)


@pytest.mark.parametrize(
    ("other", "count"), [(lambda tensor: tensor[1:], 3_194), (lambda t: np.append(t, 0.5), 3_196)]
)
def test_different_numbers_of_scores_and_questions_are_refused(
    change: Change, refusal: Refusal, other: Any, count: int
) -> None:
    change("scores.npz", tensor=other)
    error = refusal("scores.npz")
    assert (error.file, error.row, error.count) == ("scores.npz", None, count)
    assert f"{count:,} " in str(error)
    assert "3,195 " in str(error)
