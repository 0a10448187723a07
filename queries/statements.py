"""Check a query with DuckDB's parse tree: its kind, its permissions, and the views that it names.

DuckDB accepts COPY, INSERT, UPDATE and DELETE as the body of a CTE, and still calls the statement a
SELECT. Therefore the parse tree is checked: it may have only query nodes that read, and table
functions from a list. The connection that runs the query is locked too (see api/session.py). The
two protections do not depend on each other.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import QueryError, did_you_mean
from ..schema.tables import COMPUTED, TABLES
from . import catalog

if TYPE_CHECKING:
    import duckdb

# Functions and tables with these prefixes list the existing tables and views.
_CATALOG = ("duckdb_", "pragma_", "pg_", "sqlite_")
_CATALOG_SCHEMAS = ("information_schema", "pg_catalog")
_SUFFIX = "_if"
# The nodes of a parse tree that read.
_READING_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
# The table functions of DuckDB that read no file, change no setting, and run no SQL from a string.
# The macros of realdb are allowed too.
_TABLE_FUNCTIONS = {
    *("generate_series", "histogram", "histogram_values", "json_each", "json_tree", "range"),
    *("repeat", "repeat_row", "summary", "unnest"),
    *("duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_functions"),
    *("duckdb_indexes", "duckdb_keywords", "duckdb_schemas", "duckdb_settings", "duckdb_tables"),
    *("duckdb_types", "duckdb_views", "pragma_show", "pragma_table_info", "pragma_version"),
}


def require_select(con: duckdb.DuckDBPyConnection, sql: str, *, explains: bool = True) -> None:
    """Raise QueryError unless `sql` is one SELECT, or with `explains` the EXPLAIN of one."""
    import duckdb

    kinds = [statement.type for statement in con.extract_statements(sql)]
    if explains and kinds == [duckdb.StatementType.EXPLAIN]:
        # EXPLAIN ANALYZE runs the statement.
        kinds = [statement.type for statement in con.extract_statements(_explained(con, sql))]
    if kinds == [duckdb.StatementType.MULTI]:
        # DuckDB first queries the values, and then the columns made from them.
        raise QueryError(
            "the query is a PIVOT without a list of values, and DuckDB needs two queries for it",
            value="PIVOT",
            remedy="List the values: pivot … on COLUMN in (VALUE, …) using …",
        )
    if kinds != [duckdb.StatementType.SELECT]:
        also = "FROM, WITH, DESCRIBE, SUMMARIZE, EXPLAIN" if explains else "FROM, WITH"
        raise QueryError(
            f"the query is not one SELECT (or {also}). A query may only read", count=len(kinds)
        )


def require_reading(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise QueryError if a query does more than read tables and views.

    `sql` is a SELECT or the EXPLAIN of one.
    """
    for node in _nodes(_parsed(con, sql)):
        kind = str(node.get("type", ""))
        if kind.endswith("_NODE") and kind not in _READING_NODES:
            name = kind.removesuffix("_NODE").removesuffix("_QUERY").replace("_", " ")
            raise QueryError(
                f"the query contains {name}. A query may only read",
                value=name,
                remedy="Use realdb.connect(), which opens plain DuckDB and can write",
            )
        if kind == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
            if name not in _TABLE_FUNCTIONS and not _is_macro(name):
                raise QueryError(
                    f"the query calls {name}. A query may only read the tables and views of the "
                    "store and the files that are named for it",
                    value=name,
                    remedy=_instead_of_function(name),
                )


def _instead_of_function(name: str) -> str:
    """Return a remedy for the call of a table function that is not allowed."""
    known = catalog.all_names()
    if name in known or name in TABLES:
        return f"{name} has no parameters. Use: from {name}"
    names = [*known, *(f"{view}{_SUFFIX}" for view in known)]
    return did_you_mean(
        name,
        filter(_is_macro, names),
        'Name your file with `tables={"NAME": "FILE"}`, and query it as the table NAME',
    )


def _is_macro(name: str) -> bool:
    """Return whether `name` is a view with parameters, or a view under other rules."""
    known = catalog.all_names()
    if name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX) in known:
        return catalog.is_under_rules(name.removesuffix(_SUFFIX))
    return name in known and bool(catalog.find(name).about.parameters)


def views_named(
    con: duckdb.DuckDBPyConnection, sql: str, tables: Collection[str]
) -> list[str] | None:
    """Return the views that a query names, of the views that `tables` allow.

    The result is None, for all views, if the query lists the tables and views. Creating all views
    takes 0.2 s, longer than most queries. `sql` is a SELECT or the EXPLAIN of one.
    """
    names: set[str] = set()
    for node in _nodes(_parsed(con, sql)):
        kind = node.get("type")
        if kind == "BASE_TABLE":
            name, schema = node["table_name"].lower(), node["schema_name"].lower()
            if schema in _CATALOG_SCHEMAS:
                return None
        elif kind == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
        elif kind == "SHOW_REF" and node.get("table_name"):
            name = node["table_name"].strip('"').lower()
            if node.get("show_type") == "SHOW_SPECIAL":  # show tables, show databases, …
                return None
        else:
            continue
        if name.startswith(_CATALOG):
            return None
        names.add(name)
    known = catalog.allowed(tables)
    found = [name for name in known if {name, f"{name}{_SUFFIX}"} & names]
    if any(f"{name}{_SUFFIX}" in names for name in found):
        found.append(catalog.OTHER_RULES)
    return found + [view for table, view in COMPUTED.items() if table in names]


def _parsed(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Return the parse tree of a query, without EXPLAIN, which DuckDB does not serialise."""
    import duckdb

    kinds = [statement.type for statement in con.extract_statements(sql)]
    text = _explained(con, sql) if kinds == [duckdb.StatementType.EXPLAIN] else sql
    ((serialised,),) = con.execute("select json_serialize_sql($1)", [text]).fetchall()
    tree = json.loads(serialised)
    if tree.get("error"):
        raise QueryError(
            f"realdb cannot check the query: {tree.get('error_message')}",
            value=tree.get("error_type"),
        )
    return tree


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a parse tree, without recursion, as queries may be deeply nested."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _explained(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the statement after EXPLAIN, EXPLAIN ANALYZE or EXPLAIN (options)."""
    import duckdb

    begins = [at for at, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    # The first word is EXPLAIN: the parser has checked it.
    rest = 2 if sql[begins[1] :].lower().startswith("analyze") else 1
    if sql[begins[rest]] == "(":
        try:
            con.extract_statements(sql[begins[rest] :])
        except duckdb.ParserException:  # options, not a SELECT in parentheses
            closed = next(at for at in begins[rest:] if sql[at] == ")")
            rest = begins.index(closed) + 1
    return sql[begins[rest] :]
