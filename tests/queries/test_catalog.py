from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from connections import database

import realdb
from realdb.errors import QueryError
from realdb.queries import catalog
from realdb.schema.tables import TABLES, create_table
from realdb.store.store import Store
from refusals import refused

# Views that need a table that real.json does not give, and a source file of the table.
WANTING = [
    ("rated_questions", "questions", "scores.npz"),
    ("labels_at", "scores", "scores.npz"),
    ("accuracy_by_class", "classes", "labels.txt"),
    ("accuracy_by_animal", "classes", "labels.txt"),
]


def empty_database(*tables: str) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for table in tables:
        create_table(con, table)
    return con


def installed(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the views and macros on `con`."""
    rows = con.execute(
        """
        select view_name from duckdb_views() where not internal
        union all
        select function_name from duckdb_functions() where not internal
        """
    ).fetchall()
    return {name for (name,) in rows}


def test_views_are_ordered_by_layer() -> None:
    layers = [view.layer for view in catalog.views().values()]
    assert layers == sorted(layers, key=catalog.LAYERS.index)
    assert set(layers) == set(catalog.LAYERS)


def test_find() -> None:
    view = catalog.find("accuracy")
    assert (view.name, view.layer, view.path.name) == ("accuracy", "reports", "accuracy.sql")
    assert view.select.startswith("with counted as (")
    assert view.about.key == ("model",)


def test_a_statement_keeps_its_comments() -> None:
    view = catalog.find("preferred_labels")
    comment = "\n-- The scores are joined once"
    assert comment in view.select
    assert comment in catalog.definition(view)
    assert comment in realdb.view_sql(view.name)
    assert not any(f"-- {column}: " in view.select for column in view.about.columns)


@pytest.mark.parametrize(
    ("name", "near"),
    [("acuracy_by_clas", "accuracy_by_class"), ("image_label", "image_labels")],
)
def test_an_unknown_view_gives_near_names(name: str, near: str) -> None:
    with pytest.raises(QueryError) as caught:
        catalog.find(name)
    error = caught.value
    assert error.value == name
    assert error.remedy
    assert near in error.remedy
    assert "rated_questions" not in error.remedy


@pytest.mark.parametrize("name", ["zzz", "", "../labels/labels_at", "labels/labels_at", "images"])
def test_invalid_view_names_are_refused(name: str) -> None:
    with refused(QueryError, value=name):
        catalog.find(name)


def test_tables_of_follows_views() -> None:
    assert catalog.tables_of("accuracy_by_class") == {"predictions", "images", "labels", "classes"}
    assert catalog.tables_of("labels_at") == {"images", "labels", "scores"}
    assert catalog.tables_of("labels_at", "accuracy_by_animal") == {
        *catalog.tables_of("labels_at"),
        *catalog.tables_of("accuracy_by_animal"),
    }


def test_install_named_views_and_their_dependencies() -> None:
    con = empty_database("images", "labels", "predictions")
    catalog.install(con, ["images", "labels", "predictions"], ["accuracy"])
    assert installed(con) == {"accuracy", "scored_predictions", "scored_choices"}
    assert con.sql("from accuracy").fetchall() == []


def test_install_the_views_that_the_tables_allow() -> None:
    tables = ["images", "labels", "scores"]
    con = empty_database(*tables)
    catalog.install(con, tables)
    allowed = {view for view in catalog.views() if catalog.tables_of(view) <= set(tables)}
    assert installed(con) == allowed
    assert {"image_labels", "labels_at", catalog.RULES} < allowed
    assert "rated_questions" not in allowed


def test_install_all() -> None:
    con = empty_database(*TABLES)
    catalog.install(con, TABLES)
    under_rules = {f"{name}_if" for name in catalog.views() if catalog.is_under_rules(name)}
    assert installed(con) == {*catalog.views(), *under_rules}
    assert {"recomputed_scores_if", "accuracy_moves_if"} < under_rules
    assert not {"rules_with_if", "labels_at_if", "accuracy_if"} & under_rules


def test_install_refuses_a_view_without_its_tables() -> None:
    con = empty_database("images", "labels")
    with refused(QueryError, "realdb ingest FOLDER", value="accuracy"):
        catalog.install(con, ["images", "labels"], ["image_labels", "accuracy"])
    with refused(QueryError, value="acuracy"):
        catalog.install(con, ["images", "labels"], ["acuracy"])


@pytest.fixture(scope="module")
def bare_views(bare_store: Store) -> set[str]:
    """Return the views that are installed for the tables of `bare_store`."""
    with bare_store.connect() as con:
        catalog.install(con, [*bare_store.tables, "predictions"])
        return installed(con)


@pytest.mark.parametrize(("view", "table", "file"), WANTING)
def test_missing_tables_are_named(
    bare_store: Store, bare_views: set[str], view: str, table: str, file: str
) -> None:
    assert view not in bare_views
    held = [*bare_store.tables, "predictions"]
    with pytest.raises(QueryError) as caught:
        catalog.require(view, held)
    error = caught.value
    assert error.value == view
    assert error.count == len(catalog.tables_of(view) - set(held))
    assert all(fact in error.message for fact in (view, table, file))
    assert error.remedy
    assert error.remedy.endswith("realdb ingest FOLDER")
    assert "\n" not in str(error)
    source = f"{view}(0.5)" if catalog.find(view).about.parameters else view
    with pytest.raises(QueryError) as asked:
        realdb.query(f"select * from {source}", store=bare_store.root)
    assert str(asked.value) == str(error)


def test_a_missing_table_in_a_query_is_named(bare_store: Store) -> None:
    with pytest.raises(QueryError) as caught:
        realdb.query("select count(*) from votes", store=bare_store.root)
    assert caught.value.value == "votes"
    assert "raters.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_views_of_a_complete_store_can_be_required(synthetic_store: Store) -> None:
    for name in catalog.views():
        assert catalog.require(name, synthetic_store.names) == catalog.find(name)


def test_definition() -> None:
    plain = catalog.find("image_labels")
    assert catalog.definition(plain) == f'create or replace view "image_labels" as\n{plain.select}'
    macro = catalog.definition(catalog.find("labels_at"))
    assert macro.startswith('create or replace macro "labels_at"(threshold) as table\n')
    assert "$" not in macro


@pytest.fixture
def two_images() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database in which one image has a label, and the other has one only at 0.5."""
    name = "ILSVRC2012_val_{:08d}.JPEG".format
    rows_of = {
        "images": [
            {"image_id": 1, "file_name": name(1), "original_label": 7, "is_rated": True},
            {"image_id": 2, "file_name": name(2), "original_label": 7, "is_rated": True},
        ],
        "labels": [{"image_id": 1, "label": 7, "position": 0}],
        "scores": [
            {"image_id": 1, "label": 7, "score": 0.9},
            {"image_id": 2, "label": 8, "score": 0.5},
        ],
        "predictions": [
            {"model": "m", "image_id": 1, "rank": 1, "label": 7},
            {"model": "m", "image_id": 2, "rank": 1, "label": 7},
        ],
    }
    with database(rows_of, ["accuracy", "labels_at", "scored_with_unlabeled_rule"]) as con:
        # As on a connection of a store, the substituted name is a view.
        con.execute("alter table labels rename to stored_labels")
        con.execute("create view labels as select * from stored_labels")
        yield con


def right(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    counts: tuple[int, int]
    (counts,) = con.sql("select correct_images, scored_images from accuracy").fetchall()
    return counts


def test_substitute_a_table(two_images: duckdb.DuckDBPyConnection) -> None:
    assert right(two_images) == (1, 1)
    catalog.substitute(two_images, "labels", "labels_at", {"threshold": 0.5})
    assert right(two_images) == (1, 2)


def test_substitute_a_view(two_images: duckdb.DuckDBPyConnection) -> None:
    rules = {"empty": "original"}
    catalog.substitute(two_images, "scored_predictions", "scored_with_unlabeled_rule", rules)
    assert right(two_images) == (2, 2)


def test_substitute_both(two_images: duckdb.DuckDBPyConnection) -> None:
    catalog.substitute(two_images, "labels", "labels_at", {"threshold": 1.0})
    assert right(two_images) == (0, 0)
    rules = {"empty": "wrong"}
    catalog.substitute(two_images, "scored_predictions", "scored_with_unlabeled_rule", rules)
    assert right(two_images) == (0, 2)


def test_substitute_leaves_the_store_alone(synthetic_store: Store) -> None:
    def count() -> int:
        con = synthetic_store.connect()
        labels: int = con.sql("select count(*) from labels").fetchall()[0][0]
        return labels

    was = count()
    con = synthetic_store.connect()
    catalog.substitute(con, "labels", "labels_at", {"threshold": 0.0})
    assert con.sql("select count(*) from labels").fetchall() != [(was,)]
    assert count() == was


def test_examples_are_a_question_and_its_answer(synthetic_store: Store) -> None:
    con = realdb.connect(store=synthetic_store.root)
    assert catalog.examples()
    for sql in catalog.examples():
        assert sql.startswith("-- ")
        assert sql.splitlines()[0].endswith("?")
        assert con.sql(sql).fetchall()
