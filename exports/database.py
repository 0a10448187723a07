"""A DuckDB database of one table with comments, for clients from DuckDB 1.0 on.

It has no other table, so `realdb accuracy` and others need no table name. The notice is in the
comment on the table.
"""

from __future__ import annotations

from pathlib import Path

from ..schema import quoting
from ..schema.tables import summary
from .registry import Export


def write(export: Export) -> int:
    """Write the rows; return their number."""
    con, name = export.con, quoting.identifier(export.name)
    # By default DuckDB 2.0 writes a format that older clients cannot read.
    path = quoting.literal(quoting.file_name(export.path))
    con.execute(f"attach {path} as export_file (storage_version 'v1.0.0')")
    try:
        table = f"export_file.{name}"
        con.execute(f"create table {table} as from exported")
        notice = "\n".join(f"{key}: {value}" for key, value in export.notice.items())
        comment = f"{summary(export.about)}\n{notice}" if export.about else notice
        con.execute(f"comment on table {table} is {quoting.literal(comment)}")
        for column in export.asked.columns:
            meaning = export.meaning(column)
            if meaning:
                place = f"{table}.{quoting.identifier(column)}"
                con.execute(f"comment on column {place} is {quoting.literal(meaning)}")
        ((rows,),) = con.execute(f"select count(*) from {table}").fetchall()  # noqa: S608, quoted
    finally:
        con.execute("detach export_file")
    return int(rows)


def count(path: Path) -> int:
    """Count the rows of the file at `path`."""
    import duckdb

    with duckdb.connect(str(path), read_only=True) as con:
        ((name,),) = con.execute("select table_name from duckdb_tables()").fetchall()
        return int(con.table(quoting.identifier(name)).count("*").fetchall()[0][0])
