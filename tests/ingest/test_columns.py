from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from realdb.errors import DataError, UsageError
from realdb.ingest import columns, predictions, roles
from realdb.ingest.options import ROLES

# A row of a file, and the row that is read from it.
ROW = {"model": "m", "image": 12, "rank": 1, "label": 394, "confidence": 0.5}
TAKEN = [("m", 12, 1, 394, 0.5)]


def take(con: duckdb.DuckDBPyConnection, row: dict[str, Any], **options: Any) -> list[Any]:
    predictions.add(con, pa.Table.from_pylist([row]), **options)
    return con.execute("from predictions").fetchall()


def renamed(role: str, name: str) -> dict[str, Any]:
    return {name if column == role else column: value for column, value in ROW.items()}


def test_every_role_has_names() -> None:
    assert tuple(columns.NAMES) == ROLES


@pytest.mark.cases(50)
@pytest.mark.parametrize("write", [str.lower, lambda name: f" {name.title()} "])
@pytest.mark.parametrize(
    ("role", "name"), [(role, name) for role, names in columns.NAMES.items() for name in names]
)
def test_every_name_is_recognised(
    role: str,
    name: str,
    write: Callable[[str], str],
    predictions_table: duckdb.DuckDBPyConnection,
) -> None:
    assert take(predictions_table, renamed(role, write(name))) == TAKEN


@pytest.mark.parametrize(
    ("role", "name"),
    list(zip(ROLES, ["mine, really", "top.1", '"top" 1', "select", "ü"], strict=True)),
)
def test_a_column_is_chosen(
    role: str, name: str, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    assert take(predictions_table, renamed(role, name), columns={role: name}) == TAKEN


def test_a_choice_resolves_two_possible_columns(
    predictions_table: duckdb.DuckDBPyConnection,
) -> None:
    both = {**ROW, "prediction": 7}
    assert take(predictions_table, both, columns={"label": "prediction"}) == [("m", 12, 1, 7, 0.5)]


def test_an_unknown_role_is_refused(predictions_table: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError, match="model, image, rank, label, confidence") as caught:
        take(predictions_table, ROW, columns={"prob": "label"})
    assert (caught.value.parameter, caught.value.value) == ("columns", "prob")


def test_a_chosen_column_that_is_missing(refuse: Callable[..., DataError]) -> None:
    error = refuse(pa.Table.from_pylist([ROW]), columns={"label": "top1"})
    assert (error.parameter, error.column, error.value) == ("columns", "label", "top1")
    assert "model, image, rank, label, confidence" in str(error)


@pytest.mark.parametrize("role", ["image", "label", "confidence"])
def test_two_possible_columns_are_refused(role: str, refuse: Callable[..., DataError]) -> None:
    first, *_, last = columns.NAMES[role]
    values = {first: ROW[role], last: 7}
    error = refuse(pa.Table.from_pylist([{**renamed(role, "other"), **values}]))
    assert (error.parameter, error.column, error.count) == ("columns", role, 2)
    assert f"{first}, {last}" in str(error)
    assert error.remedy
    assert f'`columns={{"{role}": "{error.value}"}}`' in error.remedy


@pytest.mark.parametrize("name", ["predicted_label", "label_pred"])
@pytest.mark.parametrize("other", ["label", "index"])
def test_truth_and_row_numbers_are_not_read_as_predictions(
    name: str, other: str, refuse: Callable[..., DataError]
) -> None:
    row = {**renamed("label", name), other: 7}
    error = refuse(pa.Table.from_pylist([row]))
    assert (error.parameter, error.column, error.count) == ("columns", "label", 2)


@pytest.mark.parametrize("role", ["image", "label"])
def test_a_column_that_is_missing(role: str, refuse: Callable[..., DataError]) -> None:
    error = refuse(pa.Table.from_pylist([renamed(role, "nothing known")]))
    assert (error.parameter, error.column, error.count) == ("columns", role, None)
    assert error.remedy
    assert "nothing known" in error.remedy
    assert all(name in error.remedy for name in roles.SHOWN[role])
    assert f'`columns={{"{role}": "NAME"}}`' in error.remedy


@pytest.mark.parametrize("role", ["model", "rank", "confidence"])
def test_a_column_that_is_not_needed(
    role: str, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    without = {column: value for column, value in ROW.items() if column != role}
    default = {**ROW, "model": "predictions", "confidence": None}
    expected = tuple(default[column] if column == role else ROW[column] for column in ROLES)
    assert take(predictions_table, without) == [expected]


@pytest.mark.parametrize("words", ["n02514041", "barracouta, snoek", ""])
def test_timm_writes_one_prediction_twice(
    words: str, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    """`index` is the class, `label` the same in words: its WordNet id or its description."""
    row = {**renamed("label", "Index"), "Label": words or None}
    assert take(predictions_table, row) == TAKEN


@pytest.mark.parametrize("number", [3, 3.0, "3"])
def test_an_index_beside_a_number(number: object, refuse: Callable[..., DataError]) -> None:
    """`index` may be the row number, as in pandas' reset_index()."""
    error = refuse(pa.Table.from_pylist([{**renamed("label", "index"), "label": number}]))
    assert (error.parameter, error.column, error.count) == ("columns", "label", 2)
    assert "index, label" in str(error)


@pytest.mark.parametrize("twice", [("label", "label"), ("label", "LABEL"), ("note", "Note")])
def test_columns_of_the_same_name(twice: tuple[str, str], refuse: Callable[..., DataError]) -> None:
    """DuckDB would rename the second column, and silently use the first."""
    table = pa.Table.from_arrays([[1], [2], [3]], names=["image", *twice])
    error = refuse(table)
    assert (error.column, error.count, error.parameter) == (twice[0], 2, None)
    assert f"{twice[0]!r}, {twice[1]!r}" in str(error)
