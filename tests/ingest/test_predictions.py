from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from realdb.ingest import predictions

NAME = "ILSVRC2012_val_00000293"


def take(con: duckdb.DuckDBPyConnection, **columns: list[Any]) -> list[Any]:
    """Give one table of predictions, and return the rows taken from it, in its order."""
    predictions.add(con, table(**columns))
    return con.execute("select image_id, rank, label, confidence from predictions").fetchall()


def table(**columns: list[Any]) -> pa.Table:
    """Return a table of predictions; what is not given is images 1, 2, … of class 0."""
    rows = range(1, 1 + len(next(iter(columns.values()))))
    return pa.table({"image": list(rows), "label": [0 for _ in rows], **columns})


@pytest.mark.parametrize(
    "image",
    [
        f"{NAME}.JPEG",
        f"{NAME}.jpeg",
        f"{NAME}.png",
        NAME,
        f"val/{NAME}.JPEG",
        f"/data/imagenet/val/n02514041/{NAME}.JPEG",
        f"C:\\imagenet\\val\\{NAME}.JPEG",
        f"val\\{NAME}",
        f"{NAME}.JPEG.npy",
        f" {NAME}.JPEG\t",
        f"{NAME}_n02514041.JPEG",
        f"n02514041/{NAME}_n02514041.JPEG",
        f"a folder, 2012/ILSVRC2012_val_00000007/{NAME}.JPEG",
        "00000293",
        "00000293.JPEG",
        "293",
        "293.0",
        " 293 ",
        293,
        293.0,
    ],
)
def test_every_form_of_an_image(
    image: object, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    assert take(predictions_table, image=[image]) == [(293, 1, 0, None)]


@pytest.mark.parametrize(
    "image",
    [
        "ILSVRC2012_test_00000293.JPEG",
        "test/ILSVRC2012_test_00000293.JPEG",
        "n02514041_293.JPEG",
        "n02514041/n02514041_00000293.JPEG",
        "ILSVRC2012_val_0000293.JPEG",
        "ILSVRC2012_val_000000293.JPEG",
        "ILSVRC2012_val_00000000.JPEG",
        "ILSVRC2012_val_00050001.JPEG",
        f"{NAME}.JPEG/x.txt",
        f"{NAME}.JPEG\n",
        "ILSVRC2012_val_٠٠٠٠٠٢٩٣.JPEG",
        f"{NAME}.JPEG 2",
        f"my{NAME}.JPEG",
        f"{NAME}/",
        "barracouta",
        "50001",
        "-1",
        "1.5",
        "1e2",
        "1_0",
        "+1",
        "true",
        "",
        None,
        0,
        50_001,
        -1,
        1.5,
        2**40,
    ],
)
def test_what_is_no_image(image: object, refuse: Callable[..., str]) -> None:
    message = refuse(table(image=[image, image]))
    shown = "nothing" if image is None else repr(str(image))
    assert f"2 of 2 rows have no usable image: {shown} in row 1, {shown} in row 2 (" in message
    assert "ILSVRC2012_val_00000001.JPEG to …_00050000.JPEG, or its number 1-50000" in message


@pytest.mark.parametrize("write", [int, str, float])
def test_images_from_0(write: Callable[[int], object], refuse: Callable[..., str]) -> None:
    message = refuse(table(image=[write(image) for image in range(50_000)]))
    assert f"1 of 50,000 rows have no usable image: {str(write(0))!r} in row 1 (row" in message
    assert "count from 1; an array in file-name order needs no numbers" in message


@pytest.mark.parametrize(
    "label", [0, 999, 394, 394.0, "394", "394.0", "394.", "0394", " 394 ", "\t394"]
)
def test_labels(label: Any, predictions_table: duckdb.DuckDBPyConnection) -> None:
    assert take(predictions_table, label=[label]) == [(1, 1, int(float(label)), None)]


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        (1000, "1,001 classes"),
        (1000.0, "1,001 classes"),
        ("1000", "1,001 classes"),
        (1001, "ImageNet-21k"),
        (21_840, "ImageNet-21k"),
        (-1, ""),
        (1.5, ""),
        (999.5, ""),
        (float("nan"), ""),
        (float("inf"), ""),
        (2**62, "ImageNet-21k"),
        ("n02514041", ""),
        ("crane", ""),
        ("", ""),
        (None, ""),
        ("[394 0 1", ""),
        ("[394 - 1]", ""),
        ("[]", ""),
        # DuckDB and Python would cast some of these to a number.
        ("1e2", ""),
        ("1_0", ""),
        ("1.5", ""),
        ("+7", ""),
        ("-0", ""),
        ("0x7", ""),
        ("7,0", ""),
        ("7 7", ""),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", ""),
        ("true", ""),
    ],
)
def test_what_is_no_label(label: Any, hint: str, refuse: Callable[..., str]) -> None:
    message = refuse(table(label=[label]))
    shown = "nothing" if label is None else repr(str(label))
    assert f"1 of 1 rows have no usable label: {shown} in row 1 (" in message
    assert "a label is a class id 0-999" in message
    assert hint in message
    assert ("These seem" in message) == bool(hint)


@pytest.mark.parametrize(
    ("confidence", "taken"),
    [(0.5, 0.5), ("0.5", 0.5), (-3, -3.0), ("1e-3", 0.001), (float("inf"), float("inf"))],
)
def test_confidences(
    confidence: object, taken: float, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    assert take(predictions_table, confidence=[confidence]) == [(1, 1, 0, taken)]


def test_a_confidence_may_be_missing(predictions_table: duckdb.DuckDBPyConnection) -> None:
    rows = [(1, 1, 0, 0.5), (2, 1, 0, None)]
    assert take(predictions_table, confidence=[0.5, None]) == rows


@pytest.mark.parametrize("confidence", [float("nan"), "high", "", "0,5"])
def test_what_is_no_confidence(confidence: object, refuse: Callable[..., str]) -> None:
    message = refuse(table(confidence=[confidence]))
    assert f"no usable confidence: {str(confidence)!r} in row 1 (" in message
    assert "a confidence is a number" in message


def test_ranks(predictions_table: duckdb.DuckDBPyConnection) -> None:
    rows = [(1, 2, 7, None), (1, 1, 8, None), (2, 1, 9, None)]
    assert take(predictions_table, image=[1, 1, 2], rank=[2, 1, 1], label=[7, 8, 9]) == rows


@pytest.mark.parametrize("rank", [0, 0.0, "0"])
def test_ranks_from_0(rank: object, refuse: Callable[..., str]) -> None:
    message = refuse(table(rank=[rank]))
    assert f"no usable rank: {str(rank)!r} in row 1" in message
    assert "a rank is a whole number from 1. These seem to count from 0" in message


@pytest.mark.parametrize("rank", [-1, 1.5, 1001, "first", "1e0", "1_0", float("nan"), ""])
def test_what_is_no_rank(rank: object, refuse: Callable[..., str]) -> None:
    assert f"no usable rank: {str(rank)!r} in row 1" in refuse(table(rank=[rank]))


def test_no_rank_1(refuse: Callable[..., str]) -> None:
    message = refuse(table(image=[1, 2, 2, 3], rank=[1, 3, 2, 2]))
    assert "2 images have no prediction of rank 1, such as image 2, whose lowest rank" in message
    assert "is 2. Ranks count from 1" in message


@pytest.mark.parametrize("columns", [{}, {"rank": [1, 1, 1, 2, 1]}, {"model": ["m"] * 5}])
def test_an_image_twice(columns: dict[str, list[Any]], refuse: Callable[..., str]) -> None:
    message = refuse(table(image=[5, 4, 5, 6, 4], **columns))
    assert "2 images stand more than once with the same model and rank" in message
    assert "such as image 4, 5; the first in rows 2, 5 (row 1 is the first" in message


@pytest.mark.parametrize("deepest", [5, 6, 62, 1000])
def test_a_rank_twice_behind_many(deepest: int, refuse: Callable[..., str]) -> None:
    ranks = [1, 2, deepest, 1, deepest, deepest]
    message = refuse(table(image=[3, 3, 3, 9, 9, 9], rank=ranks, label=[1, 2, 3, 4, 5, 6]))
    assert "1 images stand more than once" in message
    assert "such as image 9; the first in rows 5, 6 (" in message


@pytest.mark.parametrize("deepest", [3, 6, 1000])
def test_ranks_in_any_order_with_gaps(
    deepest: int, predictions_table: duckdb.DuckDBPyConnection, refuse: Callable[..., str]
) -> None:
    columns = {"image": [50_000, 1, 50_000, 1], "rank": [deepest, 1, 1, deepest]}
    assert "class 9 of image 1 at 1 and" in refuse(table(**columns, label=[7, 9, 8, 9]))
    rows = take(predictions_table, **columns, label=[7, 9, 8, 7])
    assert [row[:3] for row in sorted(rows)] == [
        (1, 1, 9),
        (1, deepest, 7),
        (50_000, 1, 8),
        (50_000, deepest, 7),
    ]


def test_a_class_at_two_ranks(refuse: Callable[..., str]) -> None:
    images, labels = np.repeat(np.arange(1, 5), 3), np.tile([7, 8, 9], 4)
    labels[[1, 8, 11]] = [7, 7, 7]
    ranks = np.tile([1, 2, 3], 4)
    message = refuse(pa.table({"image": images, "rank": ranks, "label": labels}))
    assert "3 times an image has the same class at two ranks: class 7 of image 1 at 1 and 2; " in (
        message
    )
    assert (
        "class 7 of image 3 at 1 and 3; class 7 of image 4 at 1 and 3; the first in rows 1, 2 ("
        in (message)
    )
    assert "different classes" in message


def test_a_class_twice_among_the_top_five(refuse: Callable[..., str]) -> None:
    """As an array has it, and as timm writes lists and columns by rank."""
    array = np.tile(np.arange(5), (50_000, 1))
    array[99, 3] = 1
    assert "class 1 of image 100 at 2 and 4; the first in rows 497, 499 (" in refuse(array)
    lists = pa.table({"filename": [1, 2], "index": [[3, 4], [5, 5]]})
    assert "class 5 of image 2 at 1 and 2" in refuse(lists)
    by_rank = pa.table({"filename": [1, 2], "index_0": [3, 5], "index_1": [4, 5]})
    assert "class 5 of image 2 at 1 and 2" in refuse(by_rank)


def test_a_rank_that_only_some_rows_have(refuse: Callable[..., str]) -> None:
    message = refuse(table(image=[1, 1, 2, 3], rank=[1, 2, None, None], label=[1, 2, 3, 4]))
    assert "2 of 4 rows have no rank, the first in row 3 (" in message


def test_rows_are_counted_in_the_order_of_a_large_file(
    tmp_path: Path, refuse: Callable[..., str]
) -> None:
    """Several threads read it, and what was refused before does not count."""
    images = np.repeat(np.arange(1, 50_001), 5)
    ranks = np.tile(np.arange(1, 6), 50_000)
    labels = (images * 7 + ranks) % 1000
    for where, said in ((200_000, "'-7' in row 200001 ("), (17, "'-7' in row 18 (")):
        wrong = labels.copy()
        wrong[where] = -7
        given = pa.table({"image": images, "rank": ranks, "label": wrong})
        pq.write_table(given, tmp_path / "a.parquet", row_group_size=20_000)
        assert said in refuse(tmp_path / "a.parquet")
    images[[100, 249_000]] = images[0]
    ranks[[100, 249_000]] = ranks[0]
    assert "the first in rows 1, 101, 249001 (" in refuse(
        pa.table({"image": images, "rank": ranks, "label": labels})
    )


def test_a_message_names_three(refuse: Callable[..., str]) -> None:
    message = refuse(table(label=[0, -1, 2, -3, -4, -5]))
    assert "4 of 6 rows" in message
    assert "'-1' in row 2, '-3' in row 4, '-4' in row 5, … (row 1 is" in message


def test_several_models(predictions_table: duckdb.DuckDBPyConnection) -> None:
    given = table(image=[1, 1, 2], label=[3, 4, 5], model=["b", "a", None])
    assert predictions.add(predictions_table, given, model="c") == ["a", "b", "c"]
    assert predictions_table.execute("select model, label from predictions").fetchall() == [
        ("b", 3),
        ("a", 4),
        ("c", 5),
    ]


def test_the_model_is_the_files_stem_or_given(
    tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    path = tmp_path / "ViT-B.16 (ema).csv"
    path.write_text("image,label\n1,2\n", encoding="utf-8")
    assert predictions.add(predictions_table, path) == ["ViT-B.16 (ema)"]
    assert predictions.add(predictions_table, str(path), model="mine") == ["mine"]


def test_a_model_from_two_files(
    tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection, refuse: Callable[..., str]
) -> None:
    for folder, images in (("a", "1,2\n2,3"), ("b", "3,4")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.csv").write_text(f"image,label\n{images}\n", encoding="utf-8")
    predictions.add(predictions_table, tmp_path / "a" / "m.csv")
    message = refuse(tmp_path / "b" / "m.csv")
    assert message.startswith(str(tmp_path / "b" / "m.csv"))
    assert "predictions of a model 'm' already" in message
    assert "'m' already" in refuse(table(image=[7, 8], model=["new", "m"]))
    predictions.add(predictions_table, tmp_path / "b" / "m.csv", model="another")
    assert predictions_table.execute("select count(*) from predictions").fetchall() == [(3,)]


def test_a_refusal_leaves_the_way_open(
    predictions_table: duckdb.DuckDBPyConnection, refuse: Callable[..., str]
) -> None:
    for wrong in (table(label=[1000]), table(image=[1, 1]), table(label=[]), table(rank=[2])):
        refuse(wrong)
    assert take(predictions_table, label=[1]) == [(1, 1, 1, None)]
