from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from realdb.errors import DataError
from realdb.ingest.questions import Questions, read_questions, require_same

Change = Callable[..., None]
Refusal = Callable[..., DataError]


def info_of(image_ids: Any, labels: Any) -> Any:
    names = [f"ILSVRC2012_val_{image_id:08d}.JPEG" for image_id in image_ids]
    pairs = list(zip(names, map(str, labels), strict=True))
    return np.array(pairs, "<U28").reshape(-1, 2)


def written(folder: Path, info: Any) -> Path:
    np.savez_compressed(folder / "any.npz", info=info)
    return folder / "any.npz"


def questions(*pairs: tuple[int, int], name: str = "any.npz") -> Questions:
    image_id, label = np.array(pairs, np.int32).reshape(-1, 2).T
    return Questions(path=Path(name), image_id=image_id, label=label.astype(np.int16))


@given_any(
    st.lists(st.tuples(st.integers(1, 50_000), st.integers(0, 999)), unique=True, max_size=60)
)
def test_questions_come_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]]
) -> None:
    image_ids, labels = [list(column) for column in zip(*pairs, strict=True)] or [[], []]
    path = written(tmp_path_factory.getbasetemp(), info_of(image_ids, labels))
    read = read_questions(path)
    assert (read.path, len(read)) == (path, len(pairs))
    assert (read.image_id.dtype, read.image_id.tolist()) == (np.int32, image_ids)
    assert (read.label.dtype, read.label.tolist()) == (np.int16, labels)


def test_every_class_and_the_outermost_images_are_read(tmp_path: Path) -> None:
    labels = [*range(1000), *range(1000)]
    images = [1] * 1000 + [50_000] * 1000
    read = read_questions(written(tmp_path, info_of(images, labels)))
    assert read.label.tolist() == labels
    assert read.image_id.tolist() == images


def test_keys_sort_by_image_then_label() -> None:
    pairs = [(2, 0), (1, 999), (50_000, 999), (1, 0)]
    order = np.argsort(questions(*pairs).keys)
    assert [pairs[place] for place in order] == sorted(pairs)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], []),
        ([(2, 7)], [True]),
        (
            [(1, 5), (2, 8), (2, 7), (2, 6), (9, 999), (9, 9)],
            [True, False, True, False, False, True],
        ),
    ],
)
def test_has(asked: list[tuple[int, int]], found: list[bool]) -> None:
    assert questions((9, 9), (2, 7), (1, 5)).has(questions(*asked).keys).tolist() == found


def test_an_empty_list_has_no_question() -> None:
    assert questions().has(questions((1, 1)).keys).tolist() == [False]


# Names and labels ---------------------------------------------------------------------------------


@pytest.mark.cases(16)
@pytest.mark.parametrize("name", ["scores.npz", "raters.npz", "golden.npz", "raters_golden.npz"])
@pytest.mark.parametrize(
    "bad",
    [
        "ILSVRC2012_val_00000000.JPEG",
        "ILSVRC2012_val_00050001.JPEG",
        "ILSVRC2012_val_99999999.JPEG",
        "ILSVRC2012_val_0000001.JPEG",
        "ILSVRC2012_val_0000001x.JPEG",
        "ILSVRC2012_val_-0000001.JPEG",
        "ILSVRC2012_val_0000000\u0661.JPEG",
        "ILSVRC2012_val_00000001.jpeg",
        "ILSVRC2012_val_00000001.JPE",
        "ILSVRC2012_test00000001.JPEG",
        "n01440764_10026.JPEG",
        "",
    ],
)
def test_other_image_names_are_refused(
    change: Change, refusal: Refusal, name: str, bad: str
) -> None:
    change(name, info=lambda info: with_cell(info, 3, 0, bad))
    error = refusal(name)
    assert (error.file, error.row, error.column) == (name, 3, "image")
    assert (error.value, error.count) == (bad, 1)
    assert f"info[3, 0] is {bad!r}" in str(error)


@pytest.mark.cases(17)
@pytest.mark.parametrize("name", ["scores.npz", "raters.npz", "golden.npz", "raters_golden.npz"])
@pytest.mark.parametrize(
    "bad",
    [
        "1000",
        "x",
        "",
        "007",
        "00",
        "01",
        "-1",
        "1.0",
        "1 ",
        " 1",
        "1\0" + "1",
        "\0" + "1",
        "\u0663",
    ],
)
def test_invalid_labels_are_refused(change: Change, refusal: Refusal, name: str, bad: str) -> None:
    change(name, info=lambda info: with_cell(info, -1, 1, bad))
    error = refusal(name)
    assert (error.file, error.column, error.value, error.count) == (name, "label", bad, 1)
    assert f"info[{error.row}, 1] is {bad!r}" in str(error)


def with_cell(info: Any, row: int, column: int, text: str) -> Any:
    info[row, column] = text
    return info


def test_errors_count_rows_across_blocks(tmp_path: Path) -> None:
    info = info_of(range(1, 20_001), [7] * 20_000)
    info[[10_000, 10_005, 19_000], 1] = "no"
    with pytest.raises(DataError) as caught:
        read_questions(written(tmp_path, info))
    error = caught.value
    assert (error.row, error.column, error.value, error.count) == (10_000, "label", "no", 2)
    assert "info[10000, 1] is 'no'" in str(error)
    assert "rows 8192-16383" in str(error)


@pytest.mark.parametrize("name", ["scores.npz", "raters.npz"])
@pytest.mark.parametrize("dtype", ["<U15", "<U28"])
def test_older_files_with_wrong_names_are_recognised(
    change: Change, refusal: Refusal, name: str, dtype: str
) -> None:
    def as_before(info: Any) -> Any:
        old_names = [f"image_{row:05d}.png" for row in range(len(info))]
        return np.array(list(zip(old_names, info[:, 1], strict=True)), dtype)

    change(name, info=as_before)
    error = refusal(name)
    assert (error.file, error.row, error.column) == (name, 0, "image")
    assert error.value == "image_00000.png"
    assert "bcd006f" in str(error)


@pytest.mark.parametrize("name", ["scores.npz", "raters.npz", "golden.npz", "raters_golden.npz"])
def test_a_repeated_question_is_refused(change: Change, refusal: Refusal, name: str) -> None:
    change(name, info=lambda info: np.vstack([info[:5], info[2:3], info[6:]]))
    error = refusal(name)
    assert (error.file, error.row, error.column, error.count) == (name, 2, "info", 1)
    assert "rows 2 and 5" in str(error)


# Two files that must ask the same -----------------------------------------------------------------


def test_the_same_questions_are_the_same() -> None:
    require_same(questions((1, 2), (3, 4)), questions((1, 2), (3, 4)))


@pytest.mark.parametrize(
    ("others", "row", "count"),
    [
        ([(1, 2)], None, 2),
        ([(3, 4), (1, 2)], 0, 2),
        ([(1, 2), (3, 5)], 1, 1),
        ([(1, 2), (4, 4)], 1, 1),
    ],
)
def test_other_questions_are_refused(
    others: list[tuple[int, int]], row: int | None, count: int
) -> None:
    with pytest.raises(DataError) as caught:
        require_same(questions((1, 2), (3, 4), name="a.npz"), questions(*others, name="b.npz"))
    assert (caught.value.file, caught.value.row, caught.value.count) == ("a.npz", row, count)
    assert "b.npz" in str(caught.value)
