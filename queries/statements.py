"""What a query is, and which tables and views it names: read from DuckDB's own parse tree."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import QueryError
from . import catalog

if TYPE_CHECKING:
    import duckdb

# Functions and tables of these names list the tables and views that there are.
_CATALOG = ("duckdb_", "pragma_", "pg_", "sqlite_")
_CATALOG_SCHEMAS = ("information_schema", "pg_catalog")
_SUFFIX = "_if"


def require_select(con: duckdb.DuckDBPyConnection, sql: str, *, explains: bool = True) -> None:
    """Raise QueryError where `sql` is not one SELECT, or with `explains` the EXPLAIN of one."""
    import duckdb

    kinds = [statement.type for statement in con.extract_statements(sql)]
    if explains and kinds == [duckdb.StatementType.EXPLAIN]:
        # EXPLAIN ANALYZE runs what it explains.
        kinds = [statement.type for statement in con.extract_statements(_explained(con, sql))]
    if kinds != [duckdb.StatementType.SELECT]:
        also = "FROM, WITH, DESCRIBE, SUMMARIZE, EXPLAIN" if explains else "FROM, WITH"
        raise QueryError(f"one SELECT is expected (or {also}): the store is only read")


def views_named(
    con: duckdb.DuckDBPyConnection, sql: str, tables: Collection[str]
) -> list[str] | None:
    """Return the views that a query names, of those that `tables` allow.

    None stands for all: the query asks which tables and views there are. To create them all takes
    0.2 s, longer than most queries. `sql` is a SELECT or the EXPLAIN of one.
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
    return found


def _parsed(con: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Return the parse tree of a query; EXPLAIN, which DuckDB does not serialise, is left out."""
    import duckdb

    kinds = [statement.type for statement in con.extract_statements(sql)]
    text = _explained(con, sql) if kinds == [duckdb.StatementType.EXPLAIN] else sql
    ((tree,),) = con.execute("select json_serialize_sql($1)", [text]).fetchall()
    return json.loads(tree)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a parse tree; no recursion, as queries may be nested deeply."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _explained(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the statement behind EXPLAIN, EXPLAIN ANALYZE or EXPLAIN (options)."""
    import duckdb

    begins = [at for at, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    # The first word is EXPLAIN: the parser has said so.
    rest = 2 if sql[begins[1] :].lower().startswith("analyze") else 1
    if sql[begins[rest]] == "(":
        try:
            con.extract_statements(sql[begins[rest] :])
        except duckdb.ParserException:  # options, not a SELECT in parentheses
            closed = next(at for at in begins[rest:] if sql[at] == ")")
            rest = begins.index(closed) + 1
    return sql[begins[rest] :]
