from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realdb.errors import DataError
from realdb.ingest.labels import read_real_labels

Refusal = Callable[..., DataError]
IMAGES = 50_000


def written(folder: Path, lists: Any) -> Path:
    (folder / "real.json").write_text(json.dumps(lists))
    return folder / "real.json"


def lists(**special: Any) -> list[Any]:
    """Return 50,000 lists [7], but for the special ones: `image_3=[1, 2]`."""
    found: list[Any] = [[7] for _ in range(IMAGES)]
    for image, labels in special.items():
        found[int(image.removeprefix("image_")) - 1] = labels
    return found


def test_a_row_a_label_with_its_place_in_the_list(tmp_path: Path) -> None:
    read = read_real_labels(written(tmp_path, lists(image_1=[999, 0, 5], image_2=[])))
    assert [read.image_id.dtype, read.label.dtype, read.position.dtype] == [
        np.int32,
        np.int16,
        np.int16,
    ]
    assert read.image_id.tolist() == [1, 1, 1, *range(3, IMAGES + 1)]
    assert read.label[:4].tolist() == [999, 0, 5, 7]
    assert read.position.tolist() == [0, 1, 2, *[0] * (IMAGES - 2)]


def test_no_label_at_all_is_read(tmp_path: Path) -> None:
    read = read_real_labels(written(tmp_path, [[]] * IMAGES))
    assert len(read.image_id) == len(read.label) == len(read.position) == 0


def test_white_space_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text(json.dumps(lists(), indent=1))
    assert len(read_real_labels(tmp_path / "real.json").label) == IMAGES


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"real\.json cannot be read"):
        read_real_labels(tmp_path / "real.json")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged or cut short: it is no JSON (Expecting value"),
        (b"<!doctype html>", "damaged or cut short: it is no JSON (Expecting value"),
        (b"\xff\xfe\xff", "damaged or cut short: it is no JSON ("),
        (b"\x80abc", "damaged or cut short: it is no JSON ("),
        (b"[" * 100_000, "damaged or cut short: it is no JSON ("),
        (b"{}", "a list of lists of class ids is expected, image 1 first"),
        (b"null", "a list of lists of class ids is expected"),
        (b"[]", "it holds 0 lists; 50,000 are expected"),
        (b"[1, 2]", "a list of lists of class ids is expected"),
    ],
)
def test_a_file_that_is_no_list_of_lists_is_refused(
    given: Path, refusal: Refusal, content: bytes, reason: str
) -> None:
    (given / "real.json").write_bytes(content)
    message = str(refusal("real.json"))
    assert message.startswith(f"real.json: {reason}")
    assert message.endswith("Download it again, or leave it out of the folder")


def test_a_truncated_file_is_refused(given: Path, refusal: Refusal) -> None:
    content = (given / "real.json").read_bytes()
    (given / "real.json").write_bytes(content[: len(content) // 2])
    assert str(refusal("real.json")).startswith("real.json: damaged or cut short: it is no JSON (")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lists()[1:], "it holds 49,999 lists; 50,000 are expected"),
        ([*lists(), [7]], "it holds 50,001 lists; 50,000 are expected"),
        (lists(image_2=7), "a list of lists of class ids is expected"),
        (lists(image_2=None), "a list of lists of class ids is expected"),
        (lists(image_2=[3, 1000]), "image 2 has the label 1000; 0-999 is expected"),
        (lists(image_2=[-1]), "image 2 has the label -1; 0-999 is expected"),
        (lists(image_50000=[True]), "image 50000 has the label True; 0-999 is expected"),
        (lists(image_2=["5"]), "image 2 has the label '5'; 0-999 is expected"),
        (lists(image_2=[1.5]), "image 2 has the label 1.5; 0-999 is expected"),
        (lists(image_2=[5.0]), "image 2 has the label 5.0; 0-999 is expected"),
        (lists(image_2=[float("nan")]), "image 2 has the label nan; 0-999 is expected"),
        (lists(image_2=[None]), "image 2 has the label None; 0-999 is expected"),
        (lists(image_2=[[5]]), "image 2 has the label [5]; 0-999 is expected"),
        (lists(image_2=[4, 5, 4]), "image 2 has a label twice: [4, 5, 4]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lists_with_other_things_than_labels_are_refused(
    given: Path, refusal: Refusal, wrong: Any, reason: str
) -> None:
    written(given, wrong)
    message = str(refusal("real.json"))
    assert message.startswith(f"real.json: {reason}")
    assert message.endswith("Download it again, or leave it out of the folder")
