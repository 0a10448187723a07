"""Run several queries on one locked session of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..queries import statements
from ..schema import quoting
from . import ask
from .session import Session

if TYPE_CHECKING:
    import duckdb


class Console:
    """A locked connection to the tables and views, for queries that may only read.

    Each query passes the same checks as in `realdb.query`. The session is opened only for the
    first.
    """

    def __init__(
        self,
        store: str | Path,
        *,
        predictions: Path | None = None,
        models: Mapping[str, Sequence[str]] | None = None,
        memory: str = "512MB",
        temporary: str = "1GB",
    ) -> None:
        """Open the store.

        The table `predictions` has the rows of the Parquet file `predictions`, or of the stored
        models. `models` maps names of further tables to the models that they show. `memory` and
        `temporary` limit what DuckDB uses in memory and for temporary files.
        """
        self.session = Session(store, views=None, tables=None)
        self.session.prepare(stored=True, only=None if predictions is None else [predictions])
        self.session.added = "predictions"
        ask.create_views_of(self.session, models or {})
        con = self.session.con
        con.execute(f"set memory_limit = {quoting.literal(memory)}")
        con.execute(f"set max_temp_directory_size = {quoting.literal(temporary)}")
        self.session.lock()

    def run(self, sql: str) -> duckdb.DuckDBPyRelation:
        """Return the result of one query; QueryError if it may not run, or if DuckDB rejects it."""
        import duckdb

        con, opened = self.session.con, self.session.store
        try:
            statements.require_select(con, sql)
            statements.require_reading(con, sql)
            return con.sql(sql)
        except duckdb.Error as error:
            raise ask.explained(error, opened) from None
