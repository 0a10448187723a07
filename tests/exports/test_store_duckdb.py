from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import realdb
from realdb.errors import UsageError
from realdb.queries import catalog
from realdb.schema.tables import COMPUTED, KEPT_TABLES, LABEL_SET_TABLES, TABLES, header_of
from realdb.store import prediction_sets
from realdb.store.build import NOTES
from realdb.store.store import Store
from refusals import refused

# The tables that an export adds.
OWN = {"models", "_realdb"}


@pytest.fixture(scope="module")
def exported(modelled_store: Store, tmp_path_factory: pytest.TempPathFactory) -> realdb.Exported:
    """Export a store to a file that tests only read, and return what was exported."""
    path = tmp_path_factory.mktemp("exported") / "it's all.db"
    return realdb.export("store", path, format="duckdb", store=modelled_store.root)


@pytest.fixture
def client(exported: realdb.Exported) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection of plain DuckDB to an exported store."""
    with duckdb.connect(str(exported.out), read_only=True) as con:
        yield con


def names(con: duckdb.DuckDBPyConnection, what: str, column: str) -> set[str]:
    rows = con.execute(f"select {column} from duckdb_{what}() where not internal").fetchall()
    return {name for (name,) in rows}


def test_has_every_table_view_and_macro(
    client: duckdb.DuckDBPyConnection, modelled_store: Store
) -> None:
    assert names(client, "tables", "table_name") == {*modelled_store.tables, *KEPT_TABLES, *OWN}
    macros = {name for name, view in catalog.views().items() if view.about.parameters}
    # A session computes what the others read.
    views = {name for name in catalog.views() if not catalog.tables_of(name) & {*COMPUTED}}
    assert names(client, "views", "view_name") == views - macros
    under_rules = {f"{name}_if" for name in catalog.views() if catalog.is_under_rules(name)}
    assert names(client, "functions", "function_name") == macros | under_rules
    for name in views - macros:
        client.execute(f"from {name} limit 1").fetchall()


def test_tables_match_the_store(client: duckdb.DuckDBPyConnection, modelled_store: Store) -> None:
    con = modelled_store.connect()
    prediction_sets.show(con, modelled_store.root)
    for table in (*modelled_store.tables, *KEPT_TABLES):
        query = f"from {table} order by all"
        is_same = client.execute(query).fetchall() == con.execute(query).fetchall()
        assert is_same, table
    assert (
        client.execute("from models").fetchall()
        == realdb.models(store=modelled_store.root).fetchall()
    )


@pytest.mark.parametrize("view", ["accuracy", "leaderboard", "accuracy_by_class", "hard"])
def test_views_read_the_stored_models(
    view: str, client: duckdb.DuckDBPyConnection, modelled_store: Store
) -> None:
    query = f"from {view} order by all"
    expected = realdb.query(query, store=modelled_store.root).fetchall()
    assert expected
    assert client.execute(query).fetchall() == expected


def test_macros_read_the_stored_models(
    client: duckdb.DuckDBPyConnection, modelled_store: Store
) -> None:
    for call in ("scored_with_unlabeled_rule('wrong')", "accuracy_moves_if(golden_majority := 4)"):
        query = f"from {call} order by all"
        expected = realdb.query(query, store=modelled_store.root).fetchall()
        assert expected
        assert client.execute(query).fetchall() == expected


def test_real_models(export: Callable[..., Path], real_modelled_store: Store) -> None:
    """The process has DuckDB and not realdb."""
    path = export("store", "all.duckdb", real_modelled_store)
    program = """
import json, sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
print(json.dumps([
    con.execute("from leaderboard order by real_rank").fetchall(),
    con.execute("select model, correct_images from accuracy order by all").fetchall(),
]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(path)], capture_output=True, check=True
    )
    leaderboard, accuracy = json.loads(done.stdout)
    ranked = realdb.leaderboard(store=real_modelled_store.root)
    expected = ranked.project(
        "* exclude (is_ground_truth, rank_low, rank_high, is_change_supported)"
    ).fetchall()
    assert leaderboard == [list(row) for row in expected]
    assert accuracy == [["ResNet50", 38_855], ["ViT", 39_337]]


def keys(con: duckdb.DuckDBPyConnection, kind: str, columns: str) -> set[tuple[Any, ...]]:
    rows = con.execute(
        f"select table_name, {columns} from duckdb_constraints() where constraint_type = '{kind}'"
    ).fetchall()
    return {tuple(tuple(it) if isinstance(it, list) else it for it in row) for row in rows}


OF_LABEL_SETS = {
    (table, columns, other)
    for table in LABEL_SET_TABLES
    for columns, other in header_of(table).references
}


def test_keys(export: Callable[..., Path], real_modelled_store: Store) -> None:
    path = export("store", "all.duckdb", real_modelled_store)
    with duckdb.connect(str(path), read_only=True) as con:
        columns = "constraint_column_names"
        declared = {*real_modelled_store.tables, "models"}
        found = {row for row in keys(con, "PRIMARY KEY", columns) if row[0] in declared}
        assert found == {
            (name, ("model",) if name == "models" else header_of(name).key) for name in declared
        }
        assert keys(con, "FOREIGN KEY", f"{columns}, referenced_table") == OF_LABEL_SETS | {
            ("images", ("original_label",), "classes"),
            ("labels", ("image_id",), "images"),
            ("labels", ("label",), "classes"),
            ("questions", ("image_id",), "images"),
            ("questions", ("label",), "classes"),
            ("scores", ("image_id",), "images"),
            ("scores", ("label",), "classes"),
            ("scores", ("image_id", "label"), "questions"),
            ("votes", ("image_id",), "images"),
            ("votes", ("label",), "classes"),
            ("votes", ("image_id", "label"), "questions"),
            ("votes", ("rater_id",), "raters"),
        }


def test_everything_is_commented(client: duckdb.DuckDBPyConnection) -> None:
    for kind in ("table", "view"):
        rows = client.execute(
            f"select {kind}_name, comment from duckdb_{kind}s() where not internal"
        ).fetchall()
        assert rows
        for name, comment in rows:
            if name in OWN:
                continue
            about = header_of(name) if name in TABLES else catalog.find(name).about
            assert comment.startswith(about.summary)
            # The models are here.
            assert NOTES["predictions"] not in comment
    columns = client.execute(
        "select table_name, column_name, comment from duckdb_columns() where not internal"
    ).fetchall()
    assert ("labels", "image_id", "the image") in columns
    assert {name for name, _, comment in columns if comment is None} == {"_realdb"}


def test_the_file_has_its_description(
    client: duckdb.DuckDBPyConnection, modelled_store: Store
) -> None:
    notice = dict(client.execute("from _realdb").fetchall())
    assert notice["realdb_build"] == modelled_store.build_id
    assert "Apache-2.0" in notice["license"]
    ((tags,),) = client.execute("select tags from duckdb_databases() where not internal").fetchall()
    assert tags["storage_version"].startswith("v1.0.0")


def test_a_store_without_models_and_votes(export: Callable[..., Path], bare_store: Store) -> None:
    path = export("store", "all.duckdb", bare_store)
    with duckdb.connect(str(path), read_only=True) as con:
        assert names(con, "tables", "table_name") == {*bare_store.tables, *KEPT_TABLES, *OWN}
        assert con.execute("select count(*) from labels").fetchall() == [
            (bare_store.tables["labels"],)
        ]
        assert con.execute("from leaderboard").fetchall() == []
        of_label_sets = {one[:2] for one in OF_LABEL_SETS if one[2] != "classes"}
        assert keys(con, "FOREIGN KEY", "constraint_column_names") == of_label_sets | {
            ("labels", ("image_id",))
        }


def test_rows_are_counted(exported: realdb.Exported, modelled_store: Store) -> None:
    assert (exported.format, exported.counts) == ("store-duckdb", "rows")
    # Predictions and models.
    assert exported.count == sum(modelled_store.tables.values()) + 4_000 + 2


@pytest.mark.parametrize(
    "options", [{"where": "true"}, {"columns": "label"}, {"threshold": 0.5}, {"partition_by": "a"}]
)
def test_unused_options_are_refused(
    options: dict[str, Any], export: Callable[..., Path], modelled_store: Store
) -> None:
    (name,) = options
    with refused(UsageError, parameter=name):
        export("store", "all.duckdb", modelled_store, **options)
