"""A demonstration: example queries and their results."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from ..errors import RealdbWarning
from ..queries import catalog, statements
from .ask import explained
from .build import ingest, open_store
from .session import Session
from .shown import Shown

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress
    from ..store.store import Store


@dataclass(frozen=True, kw_only=True, repr=False)
class Example(Shown):
    """A question, its SQL query, and the rows of the result."""

    question: str
    sql: str
    rows: duckdb.DuckDBPyRelation


def demo(
    *,
    synthetic: bool = False,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> list[Example]:
    """Score the original ImageNet labels like a model, and run three more example queries.

    Builds the store first if it does not exist. With `synthetic` the store is built from generated
    files in the upstream formats, in a temporary folder and without network.
    """
    if not synthetic:
        return _examples(open_store(store, offline, progress))
    from ..ingest.synthetic import write_synthetic
    from ..store.temporary import scratch

    with scratch() as folder:
        write_synthetic(folder / "upstream")
        with warnings.catch_warnings():
            # Generated files need no warning that they are not the published ones.
            warnings.simplefilter("ignore", RealdbWarning)
            # Nothing reads the realdb.duckdb.
            made = ingest(
                folder / "upstream", store=folder / "store", parquet_only=True, progress=progress
            )
        return _examples(made)


def _examples(opened: Store) -> list[Example]:
    queries = ["-- How often are the original labels right?\nfrom accuracy", *catalog.examples()]
    session = Session(opened, tables=None)
    con = session.con
    con.execute(
        """
        insert into predictions
        select 'original labels', image_id, 1, original_label, null
        from images
        where original_label is not null
        """
    )
    for sql in queries:
        session.require(statements.views_named(con, sql, opened.names))
    session.prepare()
    return [
        # Run the query here, because the synthetic store is removed before the caller reads it.
        Example(
            question=sql.splitlines()[0].removeprefix("-- "),
            sql="\n".join(sql.splitlines()[1:]),
            rows=_kept(con, sql, opened),
        )
        for sql in queries
    ]


def _kept(con: duckdb.DuckDBPyConnection, sql: str, opened: Store) -> duckdb.DuckDBPyRelation:
    """Return a query's rows as a relation that does not need the store.

    Raises QueryError if the store lacks a table of the query.
    """
    import duckdb

    try:
        return duckdb.connect().from_arrow(con.sql(sql).to_arrow_table())
    except duckdb.Error as error:
        raise explained(error, opened) from None
