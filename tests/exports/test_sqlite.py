from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from realdb.errors import DataError
from realdb.store.store import Store
from refusals import refused

Awkward = tuple[str, list[str], list[tuple[Any, ...]]]


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as con:
        assert con.execute("pragma integrity_check").fetchall() == [("ok",)]
        return con.execute(sql).fetchall()


def test_rows_come_back(export: Callable[..., Path], awkward: Awkward) -> None:
    query, columns, rows = awkward
    path = export(query, "o u't.sqlite")
    assert ask(path, "select * from rows") == rows
    assert [name for _, name, *_ in ask(path, "pragma table_info(rows)")] == columns


def test_a_table_has_types_key_and_meanings(
    export: Callable[..., Path], synthetic_store: Store
) -> None:
    path = export("scores", "out.sqlite3")
    rows = synthetic_store.connect().execute("from scores order by image_id, label").fetchall()
    assert ask(path, "select * from scores order by image_id, label") == rows
    assert ask(path, "select name, upper(type), pk from pragma_table_info('scores')") == [
        ("image_id", "INTEGER", 1),
        ("label", "INTEGER", 2),
        ("score", "REAL", 0),
    ]
    ((statement,),) = ask(path, "select sql from sqlite_master where name = 'scores'")
    assert "-- the class id asked about" in statement


def test_the_file_has_its_description(export: Callable[..., Path], synthetic_store: Store) -> None:
    said = dict(ask(export("rated", "out.sqlite"), "select * from _realdb"))
    assert said["table"] == "rated"
    assert said["realdb_build"] == synthetic_store.build_id
    assert json.loads(said["realdb_query"]) == {"what": "rated"}
    assert said["about"] == "The images that raters were asked about."


def test_a_table_without_its_key_columns_has_no_primary_key(export: Callable[..., Path]) -> None:
    path = export("labels", "out.sqlite", columns="label")
    assert ask(path, "select name, pk from pragma_table_info('labels')") == [("label", 0)]


def test_values_without_a_sqlite_type(export: Callable[..., Path]) -> None:
    query = """
        select
            [1, null] as a,
            {'b': 'x"y'} as b,
            timestamp '2020-01-02 03:04:05' as c,
            date '2020-01-02' as d,
            1.50::decimal(9, 2) as e,
            blob 'ab' as f,
            sum(i) as g
        from range(5) as t(i)
    """
    expected = ("[1, null]", '{"b": "x\\"y"}', "2020-01-02 03:04:05", "2020-01-02", 1.5, b"ab", 10)
    assert ask(export(query, "out.sqlite"), "select * from rows") == [expected]


def test_an_integer_of_more_than_64_bits(export: Callable[..., Path], folder: Path) -> None:
    with refused(DataError, "64 bits"):
        export("select 18446744073709551615::ubigint as a", "out.sqlite")
    assert list(folder.iterdir()) == []


def test_more_rows_than_a_batch(export: Callable[..., Path]) -> None:
    path = export("from range(50001) as t(i)", "out.sqlite")
    assert ask(path, "select count(*), count(distinct i), sum(i) from rows") == [
        (50_001, 50_001, 50_001 * 25_000)
    ]
