from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realdb.store.store import Store

Awkward = tuple[str, list[str], list[tuple[Any, ...]]]
SEPARATORS = pytest.mark.parametrize(("name", "delimiter"), [("o u't.csv", ","), ("out.tsv", "\t")])


def text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


@SEPARATORS
def test_rows_come_back(
    export: Callable[..., Path], awkward: Awkward, name: str, delimiter: str
) -> None:
    query, columns, rows = awkward
    with export(query, name).open(encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file, delimiter=delimiter)
    assert header == columns
    assert found == [[text(value) for value in row] for row in rows]


@SEPARATORS
def test_a_table_comes_back(
    export: Callable[..., Path], synthetic_store: Store, name: str, delimiter: str
) -> None:
    with export("votes", name).open(encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file, delimiter=delimiter)
    assert header == ["round", "image_id", "label", "rater_id", "answer"]
    rows = (
        synthetic_store.connect()
        .execute("from votes order by round, image_id, label, rater_id")
        .fetchall()
    )
    assert found == [list(map(str, row)) for row in rows]


def test_null_and_empty_differ(export: Callable[..., Path]) -> None:
    path = export("select 1 as a, null as b, '' as c", "out.csv")
    assert path.read_bytes() == b'a,b,c\n1,,""\n'
