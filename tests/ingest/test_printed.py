"""Values as libraries print them, one table each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realdb.errors import DataError
from realdb.ingest import predictions

NAME = "ILSVRC2012_val_00000293.JPEG"


def taken(con: duckdb.DuckDBPyConnection, **columns: list[Any]) -> list[Any]:
    """Give one table of predictions, by default of images 1, 2, … and of class 0."""
    predictions.add(con, table(**columns))
    return con.execute("select image_id, rank, label, confidence from predictions").fetchall()


def table(**columns: list[Any]) -> pa.Table:
    rows = range(1, 1 + len(next(iter(columns.values()))))
    return pa.table({"image": list(rows), "label": [0 for _ in rows], **columns})


@pytest.mark.parametrize(
    "image",
    [
        NAME.lower(),
        NAME.upper(),
        f"b'{NAME}'",
        f'b"{NAME}"',
        f"'{NAME}'",
        f"('{NAME}',)",
        f"['{NAME}']",
        f"(b'{NAME}',)",
        f"np.str_('{NAME}')",
        f"\ufeff{NAME}\u00a0",
        f"('/data/val/{NAME.lower()}',)",
        "np.int64(293)",
        "(293,)",
        NAME.encode(),
    ],
)
def test_an_image(image: Any, predictions_table: duckdb.DuckDBPyConnection) -> None:
    assert taken(predictions_table, image=[image]) == [(293, 1, 0, None)]


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        (f"('{NAME}', '{NAME}')", ""),
        ("tensor(293)", ".item()"),
        ("tensor([293], device='cuda:0')", ".tolist()"),
        ("np.int64(50001)", ""),
        ("ILSVRC2012\u200b_val_00000293.JPEG", ""),
        ("٢٩٣", "ASCII"),
        ("True", "True"),
    ],
)
def test_invalid_images_are_refused(
    image: str, hint: str, refuse: Callable[..., DataError]
) -> None:
    error = refuse(table(image=[image]))
    assert (error.row, error.column, error.value, error.count) == (1, "image", image, 1)
    assert hint in str(error.remedy)


@pytest.mark.parametrize(
    "label",
    [
        "LABEL_394",
        "label_394",
        "class_394",
        "np.int64(394)",
        "numpy.int32(394)",
        "np.float32(394.0)",
        "b'394'",
        "'394'",
        '"394"',
        "(394,)",
        "[394]",
        "\u00a0394\u200b",
        "np.str_('394')",
        "array([394])",
        b"394",
    ],
)
def test_a_label(label: Any, predictions_table: duckdb.DuckDBPyConnection) -> None:
    assert taken(predictions_table, label=[label]) == [(1, 1, 394, None)]


@pytest.mark.cases(17)
@pytest.mark.parametrize(
    "label",
    [
        "(1, 2, 3)",
        "[1, 2, 3]",
        "[1 2 3]",
        "1 2 3",
        "1,2,3",
        "1, 2, 3",
        "1;2;3",
        "1|2|3",
        "[np.int64(1), np.int64(2), np.int64(3)]",
        "(np.int64(1), np.int64(2), np.int64(3))",
        "array([1, 2, 3])",
        "array([1, 2, 3], dtype=int32)",
        "np.array([1, 2, 3])",
        "['LABEL_1', 'LABEL_2', 'LABEL_3']",
        "('LABEL_1', 'LABEL_2', 'LABEL_3')",
        "[b'1', b'2', b'3']",
    ],
)
@pytest.mark.parametrize(
    "confidence", ["[0.5, 0.3, 0.1]", "(0.5, 0.3, 0.1)", "0.5 0.3 0.1", "0.5;0.3;0.1", None]
)
def test_a_ranked_list(
    label: str, confidence: str | None, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    values = [0.5, 0.3, 0.1] if confidence else [None] * 3
    found = taken(predictions_table, label=[label], confidence=[confidence])
    assert found == [(1, rank, rank, value) for rank, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        ("tensor(394)", ".item()"),
        ("tensor([394])", ".tolist()"),
        ("tensor(394, device='cuda:0')", ".item()"),
        ("[tensor(1), tensor(2)]", ".item()"),
        ("<tf.Tensor: shape=(), dtype=int64, numpy=394>", ".numpy()"),
        ("Array(394, dtype=int32)", ".item()"),
        (r"b'\xe2'", ".decode()"),
        ("True", "True"),
        ("False", "False"),
        ("np.True_", ""),
        ("LABEL_1000", "1,001"),
        ("1.23e+02", ""),
        ("3 94 \N{FULLWIDTH DIGIT FIVE}", "ASCII"),
        ("\N{FULLWIDTH DIGIT FIVE}", "ASCII"),
        ("12%", "percent"),
        ("394,0", "decimal"),
    ],
)
def test_invalid_labels_are_refused(
    label: str, hint: str, refuse: Callable[..., DataError]
) -> None:
    error = refuse(table(label=[label, label]))
    assert (error.row, error.column, error.value, error.count) == (1, "label", label, 2)
    assert hint in str(error.remedy)


@pytest.mark.parametrize("labels", [["1 2", "1 2 3"], ["1 2", "tench"], ["1,2", "1;2"]])
def test_lists_without_brackets_have_one_form(
    labels: list[str], refuse: Callable[..., DataError]
) -> None:
    error = refuse(table(label=labels))
    assert (error.row, error.column, error.value) == (1, "label", labels[0])


def test_a_repeated_class_in_a_list(refuse: Callable[..., DataError]) -> None:
    error = refuse(table(label=["7 7"]))
    assert (error.column, error.value, error.count) == ("label", "7", 1)


@pytest.mark.parametrize(
    "missing", ["N/A", "NA", "nan", "NaN", "None", "null", "-", "", " ", "<NA>", "#N/A"]
)
def test_a_missing_confidence(missing: str, predictions_table: duckdb.DuckDBPyConnection) -> None:
    found = taken(predictions_table, confidence=["0.5", missing, missing])
    assert [confidence for *_, confidence in found] == [0.5, None, None]


def test_no_confidence_at_all(predictions_table: duckdb.DuckDBPyConnection) -> None:
    assert taken(predictions_table, confidence=["N/A"]) == [(1, 1, 0, None)]


@pytest.mark.parametrize(
    ("confidences", "meant"),
    [
        (["12.3%", "7%", "N/A"], [0.123, 0.07, None]),
        (["12,3 %", "7,0 %", "-"], [0.123, 0.07, None]),
        (["0,95", "1,0", "1"], [0.95, 1.0, 1.0]),
        (["0,123", "1,234", "1,999"], [0.123, 1.234, 1.999]),
        (["np.float32(0.5)", "0.25", "np.float64(1e-05)"], [0.5, 0.25, 1e-05]),
        (["'0.5'", "\u00a00.25", "(0.125,)"], [0.5, 0.25, 0.125]),
    ],
)
def test_confidences(
    confidences: list[str],
    meant: list[float | None],
    predictions_table: duckdb.DuckDBPyConnection,
) -> None:
    found = taken(predictions_table, confidence=confidences)
    assert [confidence for *_, confidence in found] == meant


@pytest.mark.parametrize(
    ("confidences", "row", "count", "hint"),
    [
        (["12.3%", "0.5"], 1, 1, "percent"),
        (["0.5", "0,5"], 2, 1, "decimal"),
        (["1,234", "2,345"], 1, 2, "decimal"),
        (["0.5", "tensor(0.5)"], 2, 1, ".item()"),
        (["0.5", "high"], 2, 1, ""),
    ],
)
def test_invalid_confidences_are_refused(
    confidences: list[str], row: int, count: int, hint: str, refuse: Callable[..., DataError]
) -> None:
    error = refuse(table(confidence=confidences))
    assert (error.row, error.column, error.count) == (row, "confidence", count)
    assert error.value == confidences[row - 1]
    assert hint in str(error.remedy)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 999), min_size=1, max_size=4, unique=True),
    st.sampled_from(["{}", "np.int64({})", "LABEL_{}", "'{}'", "b'{}'", "tensor({})", "{}.0"]),
    st.sampled_from(["[{}]", "({},)", "({})", "array([{}])", "{}"]),
    st.sampled_from([", ", " ", ",", ";", "|"]),
)
def test_values_are_read_correctly_or_refused(
    predictions_table: duckdb.DuckDBPyConnection,
    labels: list[int],
    element: str,
    around: str,
    separator: str,
) -> None:
    text = around.format(separator.join(map(element.format, labels)))
    predictions_table.execute("delete from predictions")
    try:
        found = taken(predictions_table, label=[text])
    except DataError as error:
        assert error.column == "label"
        assert error.row == 1
        return
    assert [label for _, _, label, _ in found] == labels
