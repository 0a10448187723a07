"""Describe the store, and the catalogue of tables and views."""

from __future__ import annotations

import warnings
from os import PathLike
from typing import TYPE_CHECKING, get_args

from ..errors import RealdbWarning, StoreError, counted
from ..queries import catalog
from ..schema.tables import TABLES, create_table, header_of, sql_path
from ..store import store as stores
from . import choices
from .build import root_of
from .rules import require_choice

if TYPE_CHECKING:
    import duckdb

    from ..store.store import Store

DIALECTS: tuple[str, ...] = get_args(choices.Dialect)


def info(*, store: str | PathLike[str] | None = None) -> duckdb.DuckDBPyRelation:
    """Return a row for each table of the store and each source file of the table.

    `is_whole` is true if the file of the table still has the checksum of the build, and NULL if the
    build has no checksum of it. If the table `sources` is damaged, the source files are NULL.
    """
    opened = stores.resolve(root_of(store))
    whole = {table: _is_whole(opened, table) for table in opened.tables}
    damaged = [table for table, is_whole in whole.items() if is_whole is False]
    if damaged:
        warnings.warn(
            f"the store has {counted(len(damaged), 'damaged table')}: {', '.join(damaged)}. Build "
            "the store again with: realdb ingest [FOLDER]",
            RealdbWarning,
            stacklevel=2,
        )
    if "sources" in damaged:
        con = stores.new_connection()
        create_table(con, "sources")
    else:
        con = opened.connect(["sources"])
    return con.sql(
        """
        with held as (
            select
                unnest($tables) as name,
                unnest($rows) as rows,
                unnest($whole::boolean[]) as is_whole,
                generate_subscripts($tables, 1) as place
        ),

        filled as (
            select
                file_name,
                bytes,
                sha256,
                is_published,
                origin,
                unnest(string_split(tables, ', ')) as name
            from sources
        )

        select
            held.name as "table",
            held.rows,
            filled.file_name as file,
            filled.bytes,
            filled.is_published,
            filled.sha256,
            filled.origin,
            held.is_whole
        from held
        left join filled on held.name = filled.name
        order by held.place, filled.file_name
        """,
        params={
            "tables": list(opened.tables),
            "rows": list(opened.tables.values()),
            "whole": [whole[table] for table in opened.tables],
        },
    )


def _is_whole(opened: Store, table: str) -> bool | None:
    """Return whether the file of a table is the one that the build wrote; None if unknown."""
    if table not in opened.checksums:
        return None
    try:
        opened.require_whole(table)
    except StoreError:
        return False
    return True


def whereabouts(*, store: str | PathLike[str] | None = None) -> str:
    """Return a sentence with the folder, the current build, and the missing tables."""
    opened = stores.resolve(root_of(store))
    absent = [table for table in TABLES if table not in opened.names]
    without = f"; without {', '.join(absent)}" if absent else ""
    return (
        f"{opened.root}: build {opened.build_id}, by realdb {opened.realdb_version} at "
        f"{opened.built_at}{without}"
    )


def views(name: str | None = None) -> duckdb.DuckDBPyRelation:
    """Return a row for each table and view, or for each column of the table or view `name`.

    Raises QueryError, with similar names, if there is no table or view of this name.
    """
    if name is not None:
        about = header_of(name) if name in TABLES else catalog.find(name).about
        meanings = {**{f"${key}": text for key, text in about.parameters.items()}, **about.columns}
        return _relation(
            column=list(meanings),
            is_key=[column in about.key for column in meanings],
            meaning=list(meanings.values()),
        )
    found = [("table", table, header_of(table)) for table in TABLES]
    found += [(view.layer, view.name, view.about) for view in catalog.views().values()]
    return _relation(
        kind=[kind for kind, _, _ in found],
        name=[name for _, name, _ in found],
        grain=[about.grain for _, _, about in found],
        about=[about.summary for _, _, about in found],
    )


def view_sql(name: str) -> str:
    """Return the SQL file of the table or view `name`: its header and its statement."""
    path = sql_path(name) if name in TABLES else catalog.find(name).path
    return path.read_text(encoding="utf-8")


def statements(name: str | None, dialect: str) -> str:
    """Return the statements that create the view `name` and the views it reads, or all views.

    The tables must exist where the statements run. Raises UsageError for a dialect other than spark
    or duckdb, or without sqlglot; QueryError if there is no such view.
    """
    require_choice("dialect", dialect, DIALECTS)
    views = catalog.in_order([name] if name else catalog.views(), TABLES)
    if dialect == "duckdb":
        return "\n\n".join(f"{catalog.definition(view)};" for view in views) + "\n"
    from ..queries import dialects

    tables = ", ".join(sorted(catalog.tables_of(*(view.name for view in views))))
    head = f"-- These tables must exist: {tables} (the store's files, and your predictions).\n"
    return "\n".join([head, *(dialects.view_in_spark(view.name) for view in views)])


def _relation(**columns: list[object]) -> duckdb.DuckDBPyRelation:
    import duckdb
    import pyarrow as pa

    return duckdb.connect().from_arrow(pa.table(columns))
