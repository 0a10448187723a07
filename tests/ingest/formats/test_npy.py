from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realdb.errors import DataError
from realdb.ingest import predictions
from realdb.ingest.logits import BLOCK, THREADS, top_k
from refusals import refused

LABELS = np.arange(50_000) * 7 % 1000
# A few values make many ties; the infinities are what a masked logit is.
TIES = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.5, np.inf])


def rows(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    return con.execute("select image_id, rank, label, confidence from predictions").fetchnumpy()


def blocks(logits: Any, rows: int = BLOCK) -> Any:
    """Yield the array in blocks that top_k may change."""
    return (logits[start : start + rows].copy("K") for start in range(0, len(logits), rows))


def naive(logits: Any, k: int) -> Any:
    return np.argsort(-logits.astype(np.float64), axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "u4", "i8", "u8", ">i4", ">u2"])
def test_class_ids(dtype: str, tmp_path: Path, predictions_table: Any) -> None:
    np.save(tmp_path / "a.npy", LABELS.astype(dtype))
    predictions.add(predictions_table, tmp_path / "a.npy")
    taken = rows(predictions_table)
    assert np.array_equal(taken["image_id"], np.arange(1, 50_001))
    assert np.array_equal(taken["label"], LABELS)
    assert (taken["rank"] == 1).all()
    assert taken["confidence"].mask.all()


def test_class_ids_in_a_strided_array(predictions_table: Any) -> None:
    predictions.add(predictions_table, np.repeat(LABELS, 2)[::2])
    assert np.array_equal(rows(predictions_table)["label"], LABELS)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_logits(dtype: str, predictions_table: Any) -> None:
    """The same row for every image, so that the array takes no memory."""
    row = np.linspace(-3, 3, 1000)[np.random.default_rng(0).permutation(1000)].astype(dtype)
    row[[7, 5]] = 4
    predictions.add(predictions_table, np.broadcast_to(row, (50_000, 1000)))
    taken = rows(predictions_table)
    best = [5, 7, *naive(row[None], 5)[0, 2:]]
    assert np.array_equal(taken["label"].reshape(-1, 5), np.tile(best, (50_000, 1)))
    assert np.array_equal(taken["confidence"].reshape(-1, 5)[-1], row[best].astype(np.float64))
    assert np.array_equal(taken["rank"].reshape(-1, 5)[-1], [1, 2, 3, 4, 5])
    assert np.array_equal(taken["image_id"][::5], np.arange(1, 50_001))


def test_logits_stay_with_their_image(tmp_path: Path, predictions_table: Any) -> None:
    path = tmp_path / "a.npy"
    logits = np.lib.format.open_memmap(path, "w+", np.float16, (50_000, 1000))
    logits[np.arange(50_000), LABELS] = 1
    del logits
    predictions.add(predictions_table, path)
    taken = rows(predictions_table)
    path.unlink()  # 100 MB
    assert np.array_equal(taken["label"].reshape(-1, 5)[:, 0], LABELS)
    assert np.array_equal(taken["image_id"].reshape(-1, 5)[:, 4], np.arange(1, 50_001))
    # Of equal values the lower class id ranks first.
    assert (taken["label"].reshape(-1, 5)[1:7, 1:] == [0, 1, 2, 3]).all()


@given(
    logits=hnp.arrays(
        st.sampled_from(["f2", "f4", "f8", ">f2", ">f4", ">f8"]),
        st.tuples(st.integers(1, 6), st.integers(5, 9)),
        elements=TIES,
    ),
    layout=st.sampled_from("CF"),
    k=st.integers(1, 5),
    rows=st.integers(1, 6),
    threads=st.integers(1, 3),
)
def test_top_k_is_the_head_of_a_stable_sort(
    logits: Any, layout: Any, k: int, rows: int, threads: int
) -> None:
    input_blocks = blocks(logits.copy(layout), rows)
    labels, values = top_k(input_blocks, k, "the array", threads)
    assert np.array_equal(labels, naive(logits, k))
    assert np.array_equal(values, np.take_along_axis(logits, naive(logits, k), axis=1))
    assert labels.dtype == np.int16
    assert values.dtype == np.float64


@pytest.mark.parametrize("threads", [1, THREADS, 4])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8"])
def test_top_k_over_many_blocks(dtype: str, threads: int) -> None:
    """There are many ties, and classes that are masked for all images or for all but four."""
    logits = np.random.default_rng(1).integers(0, 50, (9000, 40)).astype(dtype)
    logits[:, 7:20] = -np.inf
    logits[::97, 4:] = -np.inf
    labels, values = top_k(blocks(logits), 5, "the array", threads)
    assert np.array_equal(labels, naive(logits, 5))
    assert np.array_equal(values, np.take_along_axis(logits, naive(logits, 5), axis=1))


@pytest.mark.parametrize("threads", [1, THREADS])
@pytest.mark.parametrize("others", [0, -np.inf, np.inf])
@pytest.mark.parametrize("image", [1, 256, 257, 3000])
def test_a_logit_that_is_nan(image: int, others: float, threads: int) -> None:
    logits = np.full((3000, 20), others, np.float16)
    logits[image - 1, [3, 15]] = np.nan
    logits[-1, 5] = np.nan
    count = len({image, 3000})
    facts = ("a.npy: ", "class 3 ", f"row {image} ", f"{count} of 3,000 ")
    with refused(DataError, *facts, row=image, column="confidence", value="nan", count=count):
        top_k(blocks(logits), 5, "a.npy", threads)


def test_nan_error_uses_the_order_of_images(
    tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    order = [f"ILSVRC2012_val_{image:08d}.JPEG" for image in range(50_000, 0, -1)]
    (tmp_path / "order.txt").write_text("\n".join(order))
    array = np.zeros((50_000, 1000), np.float16)
    array[2, 7] = np.nan
    error = refuse(array, order=tmp_path / "order.txt")
    assert (error.row, error.column, error.count) == (3, "confidence", 1)
    assert "ILSVRC2012_val_00049998.JPEG" in str(error)


@pytest.mark.parametrize("threads", [1, THREADS])
def test_errors_of_the_blocks_are_raised(threads: int) -> None:
    def cut_short() -> Any:
        yield from blocks(np.zeros((1000, 20), np.float32))
        raise ValueError("it is cut short")

    with pytest.raises(ValueError, match=r"^it is cut short$"):
        top_k(cut_short(), 5, "a.npy", threads)


def test_an_array_in_memory_is_not_changed(predictions_table: Any) -> None:
    logits = np.zeros((50_000, 1000), np.float16)
    predictions.add(predictions_table, logits)
    assert not logits.any()


@pytest.mark.cases(2)
@pytest.mark.parametrize(("order", "dtype"), [("C", "f4"), ("C", ">f2"), ("F", ">f2"), ("F", "f4")])
def test_logits_in_a_file(order: Any, dtype: str, tmp_path: Path, predictions_table: Any) -> None:
    """Row by row or column by column, in either byte order; 200 MB at most."""
    logits = np.zeros((50_000, 1000), dtype, order)
    logits[np.arange(50_000), LABELS] = 1
    np.save(tmp_path / "a.npy", logits)
    predictions.add(predictions_table, tmp_path / "a.npy")
    (tmp_path / "a.npy").unlink()
    assert np.array_equal(rows(predictions_table)["label"].reshape(-1, 5)[:, 0], LABELS)


def test_truncated_logits_are_refused(tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": (50_000, 1000)}
        np.lib.format.write_array_header_1_0(file, head)
        file.write(bytes(4000 * 300 + 8))
    error = refuse(path)
    assert error.file == str(path)
    assert "row 301 of 50000" in str(error)


@pytest.mark.parametrize(
    ("array", "fact", "row", "column", "value", "count"),
    [
        (LABELS[:-1], r"(50000, k)", None, None, "int64 (49999,)", None),
        (LABELS.astype(float), ".astype(int)", None, None, "float64 (50000,)", None),
        (LABELS.astype(bool), "(50000, k)", None, None, "bool (50000,)", None),
        (LABELS[:, None, None], "(50000, k)", None, None, "int64 (50000, 1, 1)", None),
        (np.broadcast_to(np.int8(0), (50_000, 1000)), "floats", 0, "label", None, None),
        (
            *(np.broadcast_to(np.float32(0), (49_999, 1000)), "(50000, 1000)"),
            *(None, None, "float32 (49999, 1000)", None),
        ),
        (
            *(np.broadcast_to(np.float32(0), (50_000, 1001)), "array[:, 1:]"),
            *(None, "confidence", None, 1001),
        ),
        (
            *(np.broadcast_to(np.float32(0), (50_000, 21_841)), "ImageNet-21k"),
            *(None, "confidence", None, 21_841),
        ),
        (np.zeros(()), "(50000, k)", None, None, "float64 ()", None),
        (LABELS + 1, "1,001 classes", 858, "label", "1000", 50),
        (LABELS - 1, "0-999", 1, "label", "-1", 50),
        (LABELS * 21, "ImageNet-21k", 8, "label", "1029", 47_600),
        (np.full(50_000, 2**63, np.uint64), "", 1, "label", "9223372036854775808", 50_000),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else "",
)
def test_refused_arrays(
    array: Any,
    fact: str,
    row: int | None,
    column: str | None,
    value: str | None,
    count: int | None,
    refuse: Callable[..., DataError],
) -> None:
    error = refuse(array)
    assert error.file is None
    assert error.remedy
    assert fact in error.remedy
    assert (error.row, error.column, error.value, error.count) == (row, column, value, count)


def written(how: str) -> bytes:
    buffer = io.BytesIO()
    array: Any = np.array([{1: 2}]) if how == "pickled" else LABELS
    np.save(buffer, array, allow_pickle=True)
    whole = buffer.getvalue()
    return {
        "pickled": whole,
        "cut short": whole[:-8],
        "cut in its header": whole[:40],
        "its first bytes only": whole[:6],
        "another version": whole[:6] + b"\x09\x09" + whole[8:],
        "another header": whole[:10] + b"?" * 30 + whole[40:],
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "pickled",
        "cut short",
        "cut in its header",
        "its first bytes only",
        "another version",
        "another header",
    ],
)
def test_damage_is_refused(how: str, tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(written(how))
    error = refuse(path)
    assert error.file == str(path)
    assert error.remedy
    assert "numpy.save" in error.remedy
    assert ("pickle" in str(error)) == (how == "pickled")


def test_an_array_has_no_columns(tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    np.save(tmp_path / "a.npy", LABELS)
    error = refuse(tmp_path / "a.npy", columns={"label": "top1"})
    assert (error.file, error.parameter) == (str(tmp_path / "a.npy"), "columns")
