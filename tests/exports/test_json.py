from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from realdb.exports import json as writer
from realdb.exports import jsonl


def written(sql: str, path: Path) -> list[dict[str, object]]:
    writer.write_rows(duckdb.connect().sql(sql), path)
    text = path.read_text(encoding="utf-8")
    rows: list[dict[str, object]] = json.loads(text)
    # An object a line, whatever is in it.
    lines = text.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("[", "]", len(rows) + 2)
    assert jsonl.count(path) == len(rows) + 2
    assert writer.count(path) == len(rows)
    return rows


def test_values_keep_their_types(tmp_path: Path) -> None:
    sql = """
        select
            1 as whole,
            true as truth,
            'a"b' || chr(10) || '鶴' as text,
            null as missing,
            'nan'::double as not_a_number,
            '-inf'::float as infinite,
            [1, 2] as list,
            {'k': 0.5::double} as struct,
            date '2020-06-12' as day,
            1::hugeint as wide
    """
    assert written(sql, tmp_path / "a.json") == [
        {
            "whole": 1,
            "truth": True,
            "text": 'a"b\n鶴',
            "missing": None,
            "not_a_number": None,
            "infinite": None,
            "list": [1, 2],
            "struct": {"k": 0.5},
            "day": "2020-06-12",
            "wide": 1,
        }
    ]


@pytest.mark.parametrize("rows", [0, 1, 10_000, 10_001, 25_000])
def test_few_rows_and_many_come_in_order(rows: int, tmp_path: Path) -> None:
    """Few rows are fetched together, and many in batches."""
    found = written(f"select range as i from range({rows})", tmp_path / "a.json")
    assert [row["i"] for row in found] == list(range(rows))


@pytest.mark.parametrize("name", ["whole_row", "WHOLE_ROW", "a b", 'a"b', "select"])
def test_a_column_may_have_any_name(name: str, tmp_path: Path) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    assert written(f"select 1 as {quoted}, 2 as other", tmp_path / "a.json") == [
        {name: 1, "other": 2}
    ]
