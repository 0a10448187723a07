from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from realdb.errors import DataError
from realdb.ingest import predictions

NAME = "ILSVRC2012_val_00000293"


def take(con: duckdb.DuckDBPyConnection, **columns: list[Any]) -> list[Any]:
    """Read one table of predictions, and return the rows in its order."""
    predictions.add(con, table(**columns))
    return con.execute("select image_id, rank, label, confidence from predictions").fetchall()


def table(**columns: list[Any]) -> pa.Table:
    """Return a table of predictions; by default of images 1, 2, … and of class 0."""
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
def test_invalid_images_are_refused(image: object, refuse: Callable[..., DataError]) -> None:
    error = refuse(table(image=[image, image]))
    shown = "nothing" if image is None else repr(str(image))
    value = None if image is None else str(image)
    assert (error.row, error.column, error.value, error.count) == (1, "image", value, 2)
    assert f"{shown} in row 1, {shown} in row 2 (" in str(error)
    assert error.remedy
    assert "ILSVRC2012_val_00000001.JPEG to …_00050000.JPEG, or its number 1-50000" in error.remedy


@pytest.mark.parametrize("write", [int, str, float])
def test_images_from_0(write: Callable[[int], object], refuse: Callable[..., DataError]) -> None:
    error = refuse(table(image=[write(image) for image in range(50_000)]))
    assert (error.row, error.column, error.value, error.count) == (1, "image", str(write(0)), 1)
    assert "1 of 50,000 rows" in str(error)
    assert error.remedy != refuse(table(image=["x"])).remedy


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
        ("\N{ARABIC-INDIC DIGIT SEVEN}", ""),
        ("true", ""),
    ],
)
def test_invalid_labels_are_refused(
    label: Any, hint: str, refuse: Callable[..., DataError]
) -> None:
    error = refuse(table(label=[label]))
    value = None if label is None else str(label)
    assert (error.row, error.column, error.value, error.count) == (1, "label", value, 1)
    assert "1 of 1 rows" in str(error)
    assert error.remedy
    assert "0-999" in error.remedy
    hints = {each for each in ("1,001 classes", "ImageNet-21k") if each in error.remedy}
    assert hints == ({hint} if hint else set())


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


@pytest.mark.parametrize("confidence", [float("nan"), "high", "1,234"])
def test_invalid_confidences_are_refused(
    confidence: object, refuse: Callable[..., DataError]
) -> None:
    error = refuse(table(confidence=[confidence]))
    assert (error.row, error.column, error.value) == (1, "confidence", str(confidence))


def test_ranks(predictions_table: duckdb.DuckDBPyConnection) -> None:
    rows = [(1, 2, 7, None), (1, 1, 8, None), (2, 1, 9, None)]
    assert take(predictions_table, image=[1, 1, 2], rank=[2, 1, 1], label=[7, 8, 9]) == rows


@pytest.mark.parametrize("rank", [0, 0.0, "0"])
def test_ranks_from_0(rank: object, refuse: Callable[..., DataError]) -> None:
    error = refuse(table(rank=[rank]))
    assert (error.row, error.column, error.value) == (1, "rank", str(rank))
    assert error.remedy != refuse(table(rank=[-1])).remedy


@pytest.mark.parametrize("rank", [-1, 1.5, 1001, "first", "1e0", "1_0", float("nan"), ""])
def test_invalid_ranks_are_refused(rank: object, refuse: Callable[..., DataError]) -> None:
    error = refuse(table(rank=[rank]))
    assert (error.row, error.column, error.value) == (1, "rank", str(rank))


def test_missing_rank_1_is_refused(refuse: Callable[..., DataError]) -> None:
    error = refuse(table(image=[1, 2, 2, 3], rank=[1, 3, 2, 2]))
    assert (error.column, error.value, error.count) == ("rank", "2", 2)
    assert "image 2," in str(error)


@pytest.mark.parametrize("columns", [{}, {"rank": [1, 1, 1, 2, 1]}, {"model": ["m"] * 5}])
def test_a_repeated_image_is_refused(
    columns: dict[str, list[Any]], refuse: Callable[..., DataError]
) -> None:
    error = refuse(table(image=[5, 4, 5, 6, 4], **columns))
    assert (error.row, error.column, error.value, error.count) == (2, "image", "4", 2)
    assert "image 4, 5. " in str(error)
    assert "rows 2, 5 (" in str(error)


@pytest.mark.parametrize("deepest", [5, 6, 62, 1000])
def test_a_repeated_late_rank_is_refused(deepest: int, refuse: Callable[..., DataError]) -> None:
    ranks = [1, 2, deepest, 1, deepest, deepest]
    error = refuse(table(image=[3, 3, 3, 9, 9, 9], rank=ranks, label=[1, 2, 3, 4, 5, 6]))
    assert (error.row, error.column, error.value, error.count) == (5, "image", "9", 1)
    assert "rows 5, 6 (" in str(error)


@pytest.mark.parametrize("deepest", [3, 6, 1000])
def test_ranks_in_any_order_with_gaps(
    deepest: int, predictions_table: duckdb.DuckDBPyConnection, refuse: Callable[..., DataError]
) -> None:
    columns = {"image": [50_000, 1, 50_000, 1], "rank": [deepest, 1, 1, deepest]}
    assert "class 9 of image 1 at 1 and" in str(refuse(table(**columns, label=[7, 9, 8, 9])))
    rows = take(predictions_table, **columns, label=[7, 9, 8, 7])
    assert [row[:3] for row in sorted(rows)] == [
        (1, 1, 9),
        (1, deepest, 7),
        (50_000, 1, 8),
        (50_000, deepest, 7),
    ]


def test_a_class_at_two_ranks(refuse: Callable[..., DataError]) -> None:
    images, labels = np.repeat(np.arange(1, 5), 3), np.tile([7, 8, 9], 4)
    labels[[1, 8, 11]] = [7, 7, 7]
    ranks = np.tile([1, 2, 3], 4)
    error = refuse(pa.table({"image": images, "rank": ranks, "label": labels}))
    assert (error.row, error.column, error.value, error.count) == (1, "label", "7", 3)
    for place in ("image 1 at 1 and 2", "image 3 at 1 and 3", "image 4 at 1 and 3"):
        assert f"class 7 of {place}" in str(error)
    assert "rows 1, 2 (" in str(error)


def test_a_repeated_class_among_the_top_five(refuse: Callable[..., DataError]) -> None:
    """As an array has it, and as timm writes lists and columns by rank."""
    array = np.tile(np.arange(5), (50_000, 1))
    array[99, 3] = 1
    error = refuse(array)
    assert (error.row, error.column, error.value, error.count) == (497, "label", "1", 1)
    assert "image 100 at 2 and 4" in str(error)
    assert "rows 497, 499 (" in str(error)
    lists = pa.table({"filename": [1, 2], "index": [[3, 4], [5, 5]]})
    assert "class 5 of image 2 at 1 and 2" in str(refuse(lists))
    by_rank = pa.table({"filename": [1, 2], "index_0": [3, 5], "index_1": [4, 5]})
    assert "class 5 of image 2 at 1 and 2" in str(refuse(by_rank))


def test_a_rank_in_some_rows_only(refuse: Callable[..., DataError]) -> None:
    error = refuse(table(image=[1, 1, 2, 3], rank=[1, 2, None, None], label=[1, 2, 3, 4]))
    assert (error.row, error.column, error.value, error.count) == (3, "rank", None, 2)
    assert "2 of 4 rows" in str(error)


def test_rows_are_counted_in_the_order_of_a_large_file(
    tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    """The file is read by several threads, and an earlier refusal does not change the count."""
    images = np.repeat(np.arange(1, 50_001), 5)
    ranks = np.tile(np.arange(1, 6), 50_000)
    labels = (images * 7 + ranks) % 1000
    for where in (200_000, 17):
        wrong = labels.copy()
        wrong[where] = -7
        rows = pa.table({"image": images, "rank": ranks, "label": wrong})
        pq.write_table(rows, tmp_path / "a.parquet", row_group_size=20_000)
        error = refuse(tmp_path / "a.parquet")
        assert (error.row, error.column, error.value) == (where + 1, "label", "-7")
    images[[100, 249_000]] = images[0]
    ranks[[100, 249_000]] = ranks[0]
    assert "in rows 1, 101, 249001 (" in str(
        refuse(pa.table({"image": images, "rank": ranks, "label": labels}))
    )


def test_a_message_lists_three_examples(refuse: Callable[..., DataError]) -> None:
    error = refuse(table(label=[0, -1, 2, -3, -4, -5]))
    assert (error.row, error.column, error.value, error.count) == (2, "label", "-1", 4)
    assert "4 of 6 rows" in str(error)
    assert "'-1' in row 2, '-3' in row 4, '-4' in row 5, … (" in str(error)


def test_several_models(predictions_table: duckdb.DuckDBPyConnection) -> None:
    rows = table(image=[1, 1, 2], label=[3, 4, 5], model=["b", "a", None])
    assert predictions.add(predictions_table, rows, model="c") == ["a", "b", "c"]
    assert predictions_table.execute("select model, label from predictions").fetchall() == [
        ("b", 3),
        ("a", 4),
        ("c", 5),
    ]


def test_model_name_is_the_file_stem_or_the_option(
    tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    path = tmp_path / "ViT-B.16 (ema).csv"
    path.write_text("image,label\n1,2\n", encoding="utf-8")
    assert predictions.add(predictions_table, path) == ["ViT-B.16 (ema)"]
    assert predictions.add(predictions_table, str(path), model="mine") == ["mine"]


def test_a_model_from_two_files(
    tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection, refuse: Callable[..., DataError]
) -> None:
    for folder, images in (("a", "1,2\n2,3"), ("b", "3,4")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.csv").write_text(f"image,label\n{images}\n", encoding="utf-8")
    predictions.add(predictions_table, tmp_path / "a" / "m.csv")
    error = refuse(tmp_path / "b" / "m.csv")
    assert error.file == str(tmp_path / "b" / "m.csv")
    assert (error.column, error.value, error.parameter) == ("model", "m", "model")
    error = refuse(table(image=[7, 8], model=["new", "m"]))
    assert (error.file, error.column, error.value) == (None, "model", "m")
    predictions.add(predictions_table, tmp_path / "b" / "m.csv", model="another")
    assert predictions_table.execute("select count(*) from predictions").fetchall() == [(3,)]


def test_a_refusal_does_not_block_the_next_file(
    predictions_table: duckdb.DuckDBPyConnection, refuse: Callable[..., DataError]
) -> None:
    for wrong in (table(label=[1000]), table(image=[1, 1]), table(label=[]), table(rank=[2])):
        refuse(wrong)
    assert take(predictions_table, label=[1]) == [(1, 1, 1, None)]
