from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as given_any
from hypothesis import settings
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


@settings(max_examples=50, deadline=None)
@given_any(
    st.lists(st.tuples(st.integers(1, 50_000), st.integers(0, 999)), unique=True, max_size=60)
)
def test_what_is_written_is_read(
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


def test_nothing_is_among_no_questions() -> None:
    assert questions().has(questions((1, 1)).keys).tolist() == [False]


# Names and labels ---------------------------------------------------------------------------------


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
def test_a_name_that_is_no_validation_image_s_is_refused(
    change: Change, refusal: Refusal, name: str, bad: str
) -> None:
    change(name, info=lambda info: with_cell(info, 3, 0, bad))
    message = str(refusal(name))
    assert message.startswith(f"{name}: info[3, 0] is {bad!r}; a name ILSVRC2012_val_00000001.JPEG")
    assert "(1 such among rows 0-" in message
    assert "Download it again" in message


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
def test_a_label_that_is_no_class_id_is_refused(
    change: Change, refusal: Refusal, name: str, bad: str
) -> None:
    change(name, info=lambda info: with_cell(info, -1, 1, bad))
    message = str(refusal(name))
    assert message.startswith(f"{name}: info[")
    assert f", 1] is {bad!r}; a class id 0 to 999 is expected (1 such " in message
    assert "Download it again" in message


def with_cell(info: Any, row: int, column: int, text: str) -> Any:
    info[row, column] = text
    return info


def test_the_row_of_a_later_block_and_the_number_of_offenders_are_right(tmp_path: Path) -> None:
    info = info_of(range(1, 20_001), [7] * 20_000)
    info[[10_000, 10_005, 19_000], 1] = "no"
    with pytest.raises(DataError) as caught:
        read_questions(written(tmp_path, info))
    assert "info[10000, 1] is 'no'" in str(caught.value)
    assert "(2 such among rows 8192-16383)" in str(caught.value)


@pytest.mark.parametrize("name", ["scores.npz", "raters.npz"])
@pytest.mark.parametrize("dtype", ["<U15", "<U28"])
def test_the_files_from_before_the_names_were_mended_are_recognised(
    change: Change, refusal: Refusal, name: str, dtype: str
) -> None:
    def as_before(info: Any) -> Any:
        old_names = [f"image_{row:05d}.png" for row in range(len(info))]
        return np.array(list(zip(old_names, info[:, 1], strict=True)), dtype)

    change(name, info=as_before)
    message = str(refusal(name))
    assert message.startswith(f"{name} names its images 'image_00000.png'")
    assert "from before commit bcd006f" in message
    assert "Download the file of that commit or a later one" in message


@pytest.mark.parametrize("name", ["scores.npz", "raters.npz", "golden.npz", "raters_golden.npz"])
def test_a_question_that_stands_twice_is_refused(
    change: Change, refusal: Refusal, name: str
) -> None:
    change(name, info=lambda info: np.vstack([info[:5], info[2:3], info[6:]]))
    message = str(refusal(name))
    assert message.startswith(f"{name}: 1 questions stand twice in info, such as image ")
    assert " in rows 2 and 5. Download it again" in message


# Two files that must ask the same -----------------------------------------------------------------


def test_the_same_questions_are_the_same() -> None:
    require_same(questions((1, 2), (3, 4)), questions((1, 2), (3, 4)))


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ([(1, 2)], "a.npz asks 2 questions and b.npz 1; they must be the same. Are two of the"),
        ([(3, 4), (1, 2)], "a.npz and b.npz differ in 2 of 2 questions, first in row 0 of info"),
        ([(1, 2), (3, 5)], "a.npz and b.npz differ in 1 of 2 questions, first in row 1 of info"),
        ([(1, 2), (4, 4)], "a.npz and b.npz differ in 1 of 2 questions, first in row 1 of info"),
    ],
)
def test_other_questions_are_refused(others: list[tuple[int, int]], reason: str) -> None:
    with pytest.raises(DataError) as caught:
        require_same(questions((1, 2), (3, 4), name="a.npz"), questions(*others, name="b.npz"))
    assert str(caught.value).startswith(reason)
