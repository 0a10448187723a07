from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

import realdb
from realdb.store.store import Store

Awkward = tuple[str, list[str], list[tuple[Any, ...]]]


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_rows_come_back(export: Callable[..., Path], awkward: Awkward) -> None:
    query, columns, rows = awkward
    path = export(query, "o u't.duckdb")
    assert ask(path, "from rows") == rows
    assert [name for name, *_ in ask(path, "describe rows")] == columns


def test_a_view_becomes_a_table_with_its_comments(
    export: Callable[..., Path], synthetic_store: Store
) -> None:
    path = export("rated", "out.duckdb")
    rows = synthetic_store.connect().execute("select image_id from images where is_rated")
    assert sorted(ask(path, "select image_id from rated")) == sorted(rows.fetchall())
    ((comment,),) = ask(path, "select comment from duckdb_tables() where table_name = 'rated'")
    assert comment.startswith("The images that raters were asked about. Grain: one row per image.")
    assert f"realdb_build: {synthetic_store.build_id}" in comment
    assert ("image_id", "the image") in ask(
        path, "select column_name, comment from duckdb_columns()"
    )


def test_clients_of_version_1_read_it(export: Callable[..., Path]) -> None:
    path = export("rated", "out.duckdb")
    ((tags,),) = ask(path, "select tags from duckdb_databases() where database_name = 'out'")
    assert tags["storage_version"].startswith("v1.0.0")


@pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")  # they do not have all images
def test_stored_models_come_back(
    export: Callable[..., Path], short_predictions: list[Path], modelled_store: Store
) -> None:
    path = export("predictions", "models.duckdb", modelled_store)
    found = realdb.accuracy_table(path, store=modelled_store.root).fetchall()
    assert len(found) == 2
    expected = realdb.accuracy_table(*short_predictions, store=modelled_store.root)
    assert found == expected.fetchall()
