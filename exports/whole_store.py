"""The content of a database of the whole store: tables, keys, comments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..schema import header, quoting
from ..schema.header import Header, Reference
from ..schema.tables import COMPUTED, TABLES, sql_path
from ..store import prediction_sets
from .registry import Export

if TYPE_CHECKING:
    import duckdb

# The table of the notice. All other tables are the store's.
NOTICE = "_realdb"
MODELS = "models"


class Table(NamedTuple):
    """A table of the store.

    statement: the CREATE statement in its .sql file
    references: the foreign keys that are valid
    constraints: its keys, as SQL
    rows: the number of rows
    """

    name: str
    statement: str
    about: Header
    references: list[Reference]
    constraints: list[str]
    rows: int


def tables(export: Export) -> list[Table]:
    """Return the tables of the store, each after those that it refers to.

    `export.con` has all of them. The table `models` is created there.
    """
    con = export.con
    prediction_sets.create_models(con, export.stored)
    there = {
        name
        for (name,) in con.execute("select table_name from information_schema.tables").fetchall()
    }
    paths = {name: sql_path(name) for name in TABLES if name in there and name not in COMPUTED}
    paths[MODELS] = prediction_sets.MODELS
    order: dict[str, Table] = {}
    for name in paths:
        _add(con, name, paths, order)
    return list(order.values())


def _add(
    con: duckdb.DuckDBPyConnection, name: str, paths: dict[str, Path], order: dict[str, Table]
) -> None:
    """Add a table to `order`, after those that it refers to."""
    if name in order:
        return
    text = paths[name].read_text(encoding="utf-8")
    about = header.parse(text, paths[name].name)
    references = [one for one in about.references if one.table in paths]
    if name == "predictions":
        references.insert(0, Reference(("model",), MODELS))
    for one in references:
        _add(con, one.table, paths, order)
    references = [one for one in references if _holds(con, name, one, order[one.table])]
    foreign_keys = [
        f"foreign key ({_names(one.columns)}) "
        f"references {quoting.identifier(one.table)} ({_names(order[one.table].about.key)})"
        for one in references
    ]
    order[name] = Table(
        name=name,
        statement=text,
        about=about,
        references=references,
        constraints=[f"primary key ({_names(about.key)})", *foreign_keys],
        rows=int(con.table(name).count("*").fetchall()[0][0]),
    )


def _holds(con: duckdb.DuckDBPyConnection, name: str, reference: Reference, other: Table) -> bool:
    """Return whether each row with a foreign key has a row in the other table."""
    pairs = list(zip(reference.columns, other.about.key, strict=True))
    same = " and ".join(f"t.{quoting.identifier(a)} = o.{quoting.identifier(b)}" for a, b in pairs)
    known = " and ".join(f"t.{quoting.identifier(a)} is not null" for a, _ in pairs)
    query = f"""
        select count(*)
        from {quoting.identifier(name)} as t
        anti join {quoting.identifier(other.name)} as o on {same}
        where {known}
    """  # noqa: S608, all are quoted
    return con.execute(query).fetchall() == [(0,)]


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(map(quoting.identifier, columns))
