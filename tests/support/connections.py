"""Connections to DuckDB that tests share: a new instance takes 16 ms, most of many a small test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import duckdb
import pyarrow as pa

from realdb.queries import catalog
from realdb.schema import quoting
from realdb.schema.tables import TABLES, create_table

_idle: list[duckdb.DuckDBPyConnection] = []


@contextlib.contextmanager
def empty_connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to an in-memory database without tables.

    A later test gets the same one, without the tables and views of this test.
    """
    con = _idle.pop() if _idle else duckdb.connect()
    try:
        yield con
    finally:
        for kind in ("view", "table"):
            names = con.execute(f"select {kind}_name from duckdb_{kind}s() where not internal")
            for (name,) in names.fetchall():
                con.execute(f"drop {kind} if exists {quoting.identifier(name)}")
        _idle.append(con)


@contextlib.contextmanager
def database(
    rows_of: Mapping[str, Sequence[Mapping[str, object]]], views: Iterable[str] = ()
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection with rows by table, the tables of `views`, and these views.

    A row maps columns to values, which may be text. Rows given for a view stand in its place, so
    that what reads it can be tested by itself.
    """
    views = {*views, *rows_of} - {*TABLES}
    tables = {*rows_of, *catalog.tables_of(*views)} & {*TABLES}
    with empty_connection() as con:
        con.execute("attach ':memory:' as made")
        con.execute("use made")
        try:
            for table in tables:
                create_table(con, table)
            catalog.install(con, tables, views)
            for name, rows in rows_of.items():
                if name in views:
                    con.execute(f"create table stand_in as select * from {name} limit 0")
                    con.execute(f"drop view {name}")
                    con.execute(f"alter table stand_in rename to {name}")
                if rows:
                    con.register("rows", pa.Table.from_pylist(list(rows)))
                    con.execute(f"insert into {name} by name select * from rows")
            yield con
        finally:
            con.execute("use memory")
            con.execute("detach made")
