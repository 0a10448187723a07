from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realdb.errors import DataError
from realdb.ingest.labels import read_real_labels
from refusals import refused

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


def test_each_label_keeps_its_position(tmp_path: Path) -> None:
    read = read_real_labels(written(tmp_path, lists(image_1=[999, 0, 5], image_2=[])))
    assert [read.image_id.dtype, read.label.dtype, read.position.dtype] == [
        np.int32,
        np.int16,
        np.int16,
    ]
    assert read.image_id.tolist() == [1, 1, 1, *range(3, IMAGES + 1)]
    assert read.label[:4].tolist() == [999, 0, 5, 7]
    assert read.position.tolist() == [0, 1, 2, *[0] * (IMAGES - 2)]


def test_files_without_any_label_are_read(tmp_path: Path) -> None:
    read = read_real_labels(written(tmp_path, [[]] * IMAGES))
    assert len(read.image_id) == len(read.label) == len(read.position) == 0


def test_white_space_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text(json.dumps(lists(), indent=1))
    assert len(read_real_labels(tmp_path / "real.json").label) == IMAGES


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with refused(DataError, file=tmp_path / "real.json", row=None, column=None, remedy=None):
        read_real_labels(tmp_path / "real.json")


@pytest.mark.parametrize(
    ("content", "is_json", "count"),
    [
        (b"", False, None),
        (b"<!doctype html>", False, None),
        (b"\xff\xfe\xff", False, None),
        (b"\x80abc", False, None),
        (b"[" * 100_000, False, None),
        (b"{}", True, None),
        (b"null", True, None),
        (b"[]", True, 0),
        (b"[1, 2]", True, None),
    ],
)
def test_other_shapes_than_lists_of_lists_are_refused(
    source_folder: Path, refusal: Refusal, content: bytes, is_json: bool, count: int | None
) -> None:
    (source_folder / "real.json").write_bytes(content)
    error = refusal("real.json")
    assert (error.file, error.row, error.count) == ("real.json", None, count)
    assert (" JSON" not in error.message) == is_json
    assert error.remedy


def test_a_truncated_file_is_refused(source_folder: Path, refusal: Refusal) -> None:
    content = (source_folder / "real.json").read_bytes()
    (source_folder / "real.json").write_bytes(content[: len(content) // 2])
    error = refusal("real.json")
    assert (error.file, error.row) == ("real.json", None)
    assert " JSON" in error.message


@pytest.mark.parametrize(
    ("wrong", "row", "value", "count"),
    [
        (lists()[1:], None, None, 49_999),
        ([*lists(), [7]], None, None, 50_001),
        (lists(image_2=7), None, None, None),
        (lists(image_2=None), None, None, None),
        (lists(image_2=[3, 1000]), 2, "1000", None),
        (lists(image_2=[-1]), 2, "-1", None),
        (lists(image_50000=[True]), 50_000, "True", None),
        (lists(image_2=["5"]), 2, "5", None),
        (lists(image_2=[1.5]), 2, "1.5", None),
        (lists(image_2=[5.0]), 2, "5.0", None),
        (lists(image_2=[float("nan")]), 2, "nan", None),
        (lists(image_2=[None]), 2, None, None),
        (lists(image_2=[[5]]), 2, "[5]", None),
        (lists(image_2=[4, 5, 4]), 2, "[4, 5, 4]", None),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value),
)
def test_lists_with_invalid_labels_are_refused(
    source_folder: Path,
    refusal: Refusal,
    wrong: Any,
    row: int | None,
    value: str | None,
    count: int | None,
) -> None:
    written(source_folder, wrong)
    error = refusal("real.json")
    assert (error.file, error.row, error.value, error.count) == ("real.json", row, value, count)
    assert error.column == (None if row is None else "label")
    assert error.remedy
