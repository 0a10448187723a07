"""Empty connections to DuckDB: a new instance takes 16 ms, which is most of many a small test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import duckdb

from realdb.schema import quoting

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
