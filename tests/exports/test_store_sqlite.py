from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import realdb
from realdb.schema.tables import KEPT_TABLES, LABEL_SET_TABLES, header_of
from realdb.store import prediction_sets
from realdb.store.store import Store

# The foreign keys of the tables of the real store: table, columns, table.
KEYS = {
    ("images", ("original_label",), "classes"),
    *((table, ("image_id",), "images") for table in ("labels", "questions", "scores", "votes")),
    *((table, ("label",), "classes") for table in ("labels", "questions", "scores", "votes")),
    *((table, ("image_id", "label"), "questions") for table in ("scores", "votes")),
    ("votes", ("rater_id",), "raters"),
    ("predictions", ("model",), "models"),
    ("predictions", ("image_id",), "images"),
    ("predictions", ("label",), "classes"),
}
# The tables that an export adds.
OWN = {"models", "about", "_realdb"}


@pytest.fixture(scope="module")
def exported(modelled_store: Store, tmp_path_factory: pytest.TempPathFactory) -> realdb.Exported:
    """Export a store to a file that tests only read, and return what was exported."""
    path = tmp_path_factory.mktemp("exported") / "it's all.db"
    return realdb.export("store", path, format="sqlite", store=modelled_store.root)


@pytest.fixture
def con(exported: realdb.Exported) -> Iterator[sqlite3.Connection]:
    """Yield a connection to an exported store, which it cannot write."""
    with closing(sqlite3.connect(f"{exported.out.as_uri()}?mode=ro", uri=True)) as con:
        yield con


def tables(con: sqlite3.Connection) -> set[str]:
    return {name for (name,) in con.execute("select name from sqlite_master where type = 'table'")}


OF_LABEL_SETS = {
    (table, columns, other)
    for table in LABEL_SET_TABLES
    for columns, other in header_of(table).references
}


def references(con: sqlite3.Connection) -> set[tuple[Any, ...]]:
    found: dict[tuple[str, int], list[tuple[str, str, str]]] = {}
    for table in tables(con):
        for number, _, other, here, there, *_ in con.execute(
            "select * from pragma_foreign_key_list(?)", [table]
        ):
            found.setdefault((table, number), []).append((other, here, there))
    assert all(there in (here, "label") for parts in found.values() for _, here, there in parts), (
        "a key refers to another column"
    )
    return {
        (table, tuple(here for _, here, _ in parts), parts[0][0])
        for (table, _), parts in found.items()
    }


def test_tables_match_the_store(con: sqlite3.Connection, modelled_store: Store) -> None:
    assert tables(con) == {*modelled_store.tables, *KEPT_TABLES, *OWN}
    stored = modelled_store.connect()
    prediction_sets.show(stored, modelled_store.root)
    for table in {*modelled_store.tables, *KEPT_TABLES} - {"sources", "build"}:  # these have times
        key = ", ".join(header_of(table).key)
        rows = con.execute(f"select * from {table} order by {key}").fetchall()
        is_same = rows == stored.execute(f"from {table} order by {key}").fetchall()
        assert is_same, table
    models = realdb.models(store=modelled_store.root)
    expected = models.project("model, images, added_at::varchar").order("model").fetchall()
    assert con.execute("select model, images, added_at from models").fetchall() == expected


def test_keys_hold(con: sqlite3.Connection) -> None:
    assert con.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert con.execute("pragma foreign_key_check").fetchall() == []
    assert references(con) == KEYS | OF_LABEL_SETS
    ((indexed,),) = con.execute(
        "select count(*) from sqlite_master where name = 'predictions_label' and type = 'index'"
    ).fetchall()
    assert indexed == 1


def test_keys_of_the_real_data(export: Callable[..., Path], real_modelled_store: Store) -> None:
    path = export("store", "all.sqlite", real_modelled_store)
    with closing(sqlite3.connect(path)) as con:
        assert con.execute("pragma foreign_key_check").fetchall() == []
        assert references(con) == KEYS | OF_LABEL_SETS
        # What Datasette shows for a label: the column `name` of the table that it refers to.
        assert con.execute(
            """
            select p.model, c.name
            from predictions as p
            inner join classes as c on p.label = c.label
            where p.image_id = 26 and p.rank = 1
            order by p.model
            """
        ).fetchall() == [("ResNet50", "guillotine"), ("ViT", "table lamp")]


def test_every_column_has_a_description(con: sqlite3.Connection) -> None:
    about = {
        (table, column): meaning for table, column, meaning in con.execute("select * from about")
    }
    for table in tables(con) - {"about", "_realdb"}:
        columns = [
            name for (name,) in con.execute("select name from pragma_table_info(?)", [table])
        ]
        assert all(about[table, column] for column in [None, *columns])
    assert about["labels", "image_id"] == "the image"
    assert about["labels", None].startswith(header_of("labels").summary)
    ((statement,),) = con.execute("select sql from sqlite_master where name = 'labels'").fetchall()
    assert "-- the image\n" in statement


def test_the_file_has_its_description(con: sqlite3.Connection, modelled_store: Store) -> None:
    notice = dict(con.execute("select * from _realdb").fetchall())
    assert notice["realdb_build"] == modelled_store.build_id
    assert "Apache-2.0" in notice["license"]


def test_a_store_without_models_and_classes(export: Callable[..., Path], bare_store: Store) -> None:
    with closing(sqlite3.connect(export("store", "all.sqlite", bare_store))) as con:
        assert tables(con) == {*bare_store.tables, *KEPT_TABLES, *OWN}
        assert con.execute("pragma foreign_key_check").fetchall() == []
        assert references(con) == {one for one in OF_LABEL_SETS if one[2] != "classes"} | {
            ("labels", ("image_id",), "images"),
            ("predictions", ("image_id",), "images"),
            ("predictions", ("model",), "models"),
        }


def test_rows_are_counted(exported: realdb.Exported, modelled_store: Store) -> None:
    assert (exported.format, exported.counts) == ("store-sqlite", "rows")
    # Predictions and models.
    assert exported.count == sum(modelled_store.tables.values()) + 4_000 + 2
