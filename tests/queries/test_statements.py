from __future__ import annotations

import duckdb
import pytest

from realdb.errors import QueryError
from realdb.queries import catalog, statements
from realdb.schema.tables import TABLES

NEEDED = {
    "from accuracy": ["accuracy"],
    "select * from ACCURACY as a join rated using (image_id)": ["rated", "accuracy"],
    "with t as (from hard) select (select count(*) from contested), * from t": [
        "contested",
        "hard",
    ],
    "from labels_at(0.5)": ["labels_at"],
    "select 1 where exists (from golden where image_id in (select image_id from unrated))": [
        "golden",
        "unrated",
    ],
    "from recomputed_labels_if(golden_majority := 4)": ["recomputed_labels", "rules_with"],
    "describe accuracy": ["accuracy"],
    "summarize hard": ["hard"],
    "show accuracy": ["accuracy"],
    "from labels union all from labels": [],
    "select 'accuracy' as accuracy, 1 as hard -- from contested": [],
    "values (1)": [],
}


@pytest.mark.parametrize("sql", NEEDED)
def test_the_views_of_a_query(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """They are read from the parse tree: not from texts, names of columns, or comments."""
    assert statements.views_named(con, sql, TABLES) == NEEDED[sql]
    if not sql.startswith(("describe", "summarize", "show")):
        for explain in (
            "explain ",
            "EXPLAIN ANALYZE ",
            "explain (format json) ",
            "/* explain */ explain\n",
        ):
            assert (
                statements.views_named(con, explain + sql.partition(" --")[0], TABLES)
                == NEEDED[sql]
            )


@pytest.mark.parametrize(
    "sql",
    [
        "show tables",
        "show all tables",
        "from duckdb_views()",
        "select * from information_schema.tables",
        "from pg_catalog.pg_class",
        "from sqlite_master",
        "from pragma_table_info('accuracy')",
    ],
)
def test_a_query_of_the_catalogue_needs_all_views(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert statements.views_named(con, sql, TABLES) is None


def test_a_view_whose_tables_are_missing_is_left_to_the_query(
    con: duckdb.DuckDBPyConnection,
) -> None:
    assert statements.views_named(con, "from accuracy, hard", ["labels"]) == []
    assert catalog.allowed([]) == [
        name for name in catalog.all_names() if not catalog.tables_of(name)
    ]


@pytest.mark.parametrize(
    ("sql", "rest"),
    [
        ("explain select 1", "select 1"),
        ("EXPLAIN ANALYZE from x", "from x"),
        ("explain (analyze, format html) from x", "from x"),
        ("explain (select 1)", "(select 1)"),
        ("explain analyze (from x)", "(from x)"),
        ("-- explain a\nexplain /* analyze */ select ')'", "select ')'"),
    ],
)
def test_explain_is_left_out(con: duckdb.DuckDBPyConnection, sql: str, rest: str) -> None:
    assert statements._explained(con, sql) == rest


@pytest.mark.parametrize(
    "sql",
    [
        "drop table labels",
        "select 1; select 2",
        "insert into labels select 1, 2, 3",
        "explain analyze delete from labels",
        "explain create table x as select 1",
        "copy labels to 'x.csv'",
        "attach 'x.duckdb'",
        "set threads = 1",
        "",
    ],
)
def test_only_one_select_is_a_query(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(QueryError):
        statements.require_select(con, sql)


@pytest.mark.parametrize("sql", ["select 1", "from x", "with a as (select 1) from a", "describe x"])
def test_a_select_is_a_query(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements.require_select(con, sql)
    statements.require_select(con, f"explain {sql}")
    with pytest.raises(QueryError):
        statements.require_select(con, f"explain {sql}", explains=False)


@pytest.mark.parametrize(
    ("sql", "remedy"),
    [
        ("from accuracy()", "from accuracy"),
        ("from labels_att(0.5)", "labels_at"),
        ("from recomputed_label_if()", "recomputed_labels_if"),
        ("from read_csv('a.csv')", "tables="),
    ],
)
def test_the_remedy_for_a_function(con: duckdb.DuckDBPyConnection, sql: str, remedy: str) -> None:
    with pytest.raises(QueryError) as caught:
        statements.require_reading(con, sql)
    assert caught.value.value in sql
    assert remedy in str(caught.value.remedy)
