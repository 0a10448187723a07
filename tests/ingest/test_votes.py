from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from realdb.errors import DataError
from realdb.ingest.votes import ANSWERS, read_votes

FILES = ("golden.npz", "raters.npz", "raters_golden.npz")
NOTHING = len(ANSWERS)
Change = Callable[..., None]
Refusal = Callable[..., DataError]


@pytest.fixture(params=FILES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of each file of votes in turn."""
    found: str = request.param
    return found


@given_any(
    said=arrays.arrays(
        np.int8,
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=7),
        elements=st.integers(0, NOTHING),
    ),
    data=st.data(),
)
def test_answers_match_numpys_nonzero(
    tmp_path_factory: pytest.TempPathFactory, said: Any, data: st.DataObject
) -> None:
    raters, questions = said.shape
    ids = data.draw(st.lists(st.integers(0, 32_767), min_size=raters, max_size=raters, unique=True))
    tensor = np.eye(NOTHING + 1)[said][:, :, :NOTHING]
    info = [[f"ILSVRC2012_val_{image:08d}.JPEG", "7"] for image in range(1, questions + 1)]
    path = tmp_path_factory.getbasetemp() / "any.npz"
    np.savez_compressed(path, tensor=tensor, info=np.array(info, "<U28"), ids=np.array(ids))
    votes = read_votes(path)
    assert votes.rater_ids.tolist() == ids
    assert votes.questions.image_id.tolist() == [*range(1, questions + 1)]
    for found, wanted in zip(
        (votes.rater, votes.question, votes.answer), np.nonzero(tensor), strict=True
    ):
        assert found.tolist() == wanted.tolist()


def test_columns_are_narrow_and_keep_the_order_of_the_file(synthetic: Path, name: str) -> None:
    votes = read_votes(synthetic / name)
    with np.load(synthetic / name) as found:
        wanted = np.nonzero(found["tensor"])
        assert votes.rater_ids.tolist() == found["ids"].tolist()
    columns = (votes.rater, votes.question, votes.answer)
    assert [column.dtype for column in columns] == [np.int16, np.int32, np.int8]
    assert np.array_equal(np.stack(columns), np.stack(wanted))


def test_progress_is_reported_per_rater(synthetic: Path) -> None:
    told: list[tuple[str, int, int]] = []
    read_votes(synthetic / "golden.npz", lambda *step: told.append(step))
    assert told == [("reading golden.npz", done, 5) for done in range(1, 6)]


def test_the_dense_tensor_is_never_in_memory(upstream: Path) -> None:
    """It is 377 MB; the answers are 6.5 MB, and `info` 41 MB that are read in blocks as well."""
    tracemalloc.start()
    try:
        votes = read_votes(upstream / "raters.npz")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(votes.answer) == 924_810
    assert peak < 60e6


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0, 0.5, -1.0, -0.0, 5e-324])
def test_a_cell_that_is_neither_0_nor_1_is_refused(
    change: Change, refusal: Refusal, name: str, value: float
) -> None:
    def spoil(tensor: Any) -> Any:
        tensor[[2, 2], [7, 9], [1, 0]] = value
        return tensor

    change(name, tensor=spoil)
    error = refusal(name)
    assert (error.file, error.column, error.row) == (name, "tensor", 2)
    assert (error.value, error.count) == (str(value), 2)
    assert f"tensor[2, 7, 1] is {value}" in str(error)


def test_two_answers_of_a_rater_to_a_question_are_refused(
    change: Change, refusal: Refusal, name: str, source_folder: Path
) -> None:
    def spoil(tensor: Any) -> Any:
        tensor[1, [4, 8]] = 1
        return tensor

    change(name, tensor=spoil)
    with np.load(source_folder / name) as members:
        rater_id, (file_name, label) = members["ids"][1], members["info"][4]
    image_id = int(file_name[15:23])
    error = refusal(name)
    assert (error.file, error.column, error.row) == (name, "tensor", 1)
    assert (error.value, error.count) == ("4", 2)
    for fact in (f"rater {rater_id} ", "question 4 ", f"image {image_id}, ", f"label {label}; "):
        assert fact in str(error)


@pytest.mark.parametrize(("place", "rater_id"), [(1, None), (1, -1), (1, 32_768), (0, 2**40)])
def test_invalid_ids_are_refused(
    change: Change, refusal: Refusal, name: str, place: int, rater_id: int | None
) -> None:
    def spoil(ids: Any) -> Any:
        ids[place] = ids[0] if rater_id is None else rater_id
        return ids

    change(name, ids=spoil)
    error = refusal(name)
    assert (error.file, error.column) == (name, "ids")
    assert error.count == (1 if rater_id is None else None)
    assert rater_id is None or error.value == str(rater_id)
    assert ("32767" in str(error)) == (rater_id is not None)


@pytest.mark.parametrize(
    ("member", "other"),
    [
        pytest.param("tensor", lambda t: np.append(t, t[:, :, :1] * 0, axis=2), id="4 answers"),
        pytest.param("tensor", lambda tensor: tensor[:, :, :2], id="2 answers"),
        pytest.param("tensor", lambda tensor: tensor[1:], id="a rater fewer than ids"),
        pytest.param("tensor", lambda tensor: tensor[:, 1:], id="a question fewer than info"),
        pytest.param("tensor", lambda tensor: tensor.transpose(2, 1, 0).copy(), id="turned round"),
        pytest.param("ids", lambda ids: np.append(ids, 9), id="an id more"),
        pytest.param("info", lambda info: info[:-1], id="a question fewer"),
    ],
)
def test_a_tensor_that_does_not_match_ids_and_info_is_refused(
    change: Change, refusal: Refusal, source_folder: Path, name: str, member: str, other: Any
) -> None:
    change(name, **{member: other})
    with np.load(source_folder / name) as members:
        shape = members["tensor"].shape
        expected = (len(members["ids"]), len(members["info"]), 3)
    error = refusal(name)
    assert (error.file, error.column, error.value) == (name, "tensor", str(shape))
    assert str(expected) in str(error)
