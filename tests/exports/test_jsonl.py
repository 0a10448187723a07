from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realdb.store.store import Store

Awkward = tuple[str, list[str], list[tuple[Any, ...]]]


def read(path: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_rows_come_back(export: Callable[..., Path], awkward: Awkward) -> None:
    query, columns, rows = awkward
    found = read(export(query, "o u't.jsonl"))
    assert [list(row) for row in found] == [columns] * 2
    assert [tuple(row.values()) for row in found] == rows


def test_a_table_comes_back(export: Callable[..., Path], synthetic_store: Store) -> None:
    found = read(export("scores", "out.ndjson"))
    rows = synthetic_store.connect().execute("from scores order by image_id, label").fetchall()
    assert [tuple(row.values()) for row in found] == rows


def test_values_without_a_json_form_become_null(export: Callable[..., Path]) -> None:
    query = "select 'nan'::double as a, '-inf'::float as b, 0e0 as c, [1, 2] as d"
    assert read(export(query, "out.jsonl")) == [{"a": None, "b": None, "c": 0.0, "d": [1, 2]}]
