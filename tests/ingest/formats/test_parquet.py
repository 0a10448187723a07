from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from realdb.errors import DataError
from realdb.ingest import predictions

NAMES = pa.array(["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"])
LABELS = pa.array([3, 999])
TABLE = pa.table({"image": NAMES, "label": LABELS})


@pytest.mark.parametrize(
    ("image", "label"),
    [
        (NAMES, LABELS),
        (NAMES.cast(pa.large_string()), LABELS.cast(pa.uint16())),
        (NAMES.dictionary_encode(), LABELS.cast(pa.float64())),
        (NAMES.cast(pa.string_view()), LABELS.cast(pa.string())),
        (pa.array([1, 2], pa.int32()), LABELS.cast(pa.float32())),
        (pa.array([1.0, 2.0]), LABELS.cast(pa.decimal128(20, 1))),
    ],
    ids=lambda array: str(array.type),
)
def test_all_column_types_are_read(
    image: pa.Array, label: pa.Array, tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    pq.write_table(pa.table({"image": image, "label": label}), tmp_path / "a.parquet")
    predictions.add(predictions_table, tmp_path / "a.parquet")
    taken = predictions_table.execute("select image_id, label from predictions").fetchall()
    assert taken == [(1, 3), (2, 999)]


def damaged(how: str) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink, compression="snappy")
    whole = bytes(sink.getvalue())
    return {
        "cut short": whole[:-20],
        "its first bytes only": whole[:4],
        "no footer": whole[:100] + b"PAR1",
        "another footer": whole[:-40] + b"\xff" * 36 + b"PAR1",
        "another page": whole[:20] + b"\xff" * 40 + whole[60:],
    }[how]


@pytest.mark.parametrize(
    "how",
    ["cut short", "its first bytes only", "no footer", "another footer", "another page"],
)
def test_damage_is_refused(how: str, tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(damaged(how))
    error = refuse(path)
    assert str(error).startswith(str(path))
    assert (error.file, error.row, error.column, error.count) == (str(path), None, None, None)


def test_no_rows(tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    pq.write_table(TABLE.slice(0, 0), tmp_path / "a.parquet")
    error = refuse(tmp_path / "a.parquet")
    assert (error.file, error.count) == (str(tmp_path / "a.parquet"), 0)


def test_columns_of_the_same_name(tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    pq.write_table(TABLE.append_column("Label", LABELS), tmp_path / "a.parquet")
    error = refuse(tmp_path / "a.parquet")
    assert (error.column, error.count) == ("label", 2)
    assert "'label', 'Label'" in str(error)
    without = TABLE.append_column("", LABELS).append_column("", LABELS)
    pq.write_table(without, tmp_path / "a.parquet")
    error = refuse(tmp_path / "a.parquet")
    assert (error.column, error.count) == ("", 2)


def test_a_column_name_that_duckdb_also_generates(
    tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    more = TABLE.append_column("image_1", LABELS).append_column("label_x1", LABELS)
    pq.write_table(more, tmp_path / "a.parquet")
    assert predictions.add(predictions_table, tmp_path / "a.parquet") == ["a"]


def test_lists_of_different_lengths(tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    several = pa.table({"filename": NAMES, "index": [[3, 4], [999, 5]], "prob": [[1, 0], [1]]})
    pq.write_table(several, tmp_path / "a.parquet")
    error = refuse(tmp_path / "a.parquet")
    assert (error.row, error.column, error.value, error.count) == (2, "confidence", "1", 1)


def test_an_empty_list_is_reported_as_its_row(
    tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    for empty in ([], None):
        pq.write_table(pa.table({"filename": NAMES, "index": [[3, 4], empty]}), tmp_path / "a.pq")
        error = refuse(tmp_path / "a.pq")
        assert (error.row, error.column, error.value, error.count) == (3, "label", None, 1)
