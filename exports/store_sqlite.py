"""A SQLite database of the whole store: tables with keys, stored models, and comments.

Datasette shows the name of a class if a column refers to `classes`, because this table has a column
`name`. SQLite has no comments. They are in the table `about`, and in the CREATE statement of each
table, which Datasette shows below it. The views are left out, because they are DuckDB's SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..schema import quoting
from ..schema.tables import summary
from . import whole_store
from .registry import Export
from .sqlite import count_table, definition, insert, write_notice, writing

if TYPE_CHECKING:
    import sqlite3

    from .whole_store import Table

_ABOUT = "about"


def write(export: Export) -> int:
    """Write the store; return the number of rows."""
    tables = whole_store.tables(export)
    with writing(export) as con:
        for table in tables:
            rows = export.con.table(table.name)
            kinds = dict(zip(rows.columns, map(str, rows.types), strict=True))
            text = definition(table.name, kinds, table.about.columns, table.constraints)
            # Without rowid the table itself is the index of its key, which halves the file. If the
            # key is a single integer, this is the default.
            con.execute(text + (" without rowid" if len(table.about.key) > 1 else ""))
            insert(con, table.name, rows)
        for table in tables:
            _index(con, table)
        con.execute(f"create table {_ABOUT} (table_name text, column_name text, meaning text)")
        con.executemany(
            f"insert into {_ABOUT} values (?, ?, ?)",  # noqa: S608, a constant
            (row for table in tables for row in _about(table)),
        )
        write_notice(con, export.notice)
    return sum(table.rows for table in tables)


def count(path: Path) -> int:
    """Count the rows of the store's tables in the file at `path`."""
    import sqlite3

    con = sqlite3.connect(path)
    try:
        names = con.execute("select name from sqlite_master where type = 'table'").fetchall()
        return sum(
            count_table(con, name) for (name,) in names if name not in (_ABOUT, whole_store.NOTICE)
        )
    finally:
        con.close()


def _about(table: Table) -> Iterator[tuple[str, str | None, str]]:
    """Yield the comments on the table and its columns."""
    yield table.name, None, summary(table.about)
    for column, meaning in table.about.columns.items():
        yield table.name, column, meaning


def _index(con: sqlite3.Connection, table: Table) -> None:
    """Create an index for each foreign key, for lookups of the rows that refer to a row."""
    indexed = [table.about.key]
    # An index of two columns also serves the first column.
    for columns, _ in sorted(table.references, key=lambda one: -len(one.columns)):
        if any(columns == other[: len(columns)] for other in indexed):
            continue
        indexed.append(columns)
        name = quoting.identifier("_".join((table.name, *columns)))
        names = ", ".join(map(quoting.identifier, columns))
        con.execute(f"create index {name} on {quoting.identifier(table.name)} ({names})")
