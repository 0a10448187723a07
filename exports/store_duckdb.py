"""A DuckDB database of the whole store: tables with keys, stored models, views, comments.

Clients from DuckDB 1.1 on can read it without realdb. The keys of `predictions` are not declared,
because DuckDB keeps the index of a key in memory, and there may be 50 million rows.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..schema import quoting
from ..schema.tables import comment_on, with_constraints
from . import whole_store
from .registry import Export


def write(export: Export) -> int:
    """Write the store; return the number of rows.

    Raises DataError if the file cannot be written.
    """
    import duckdb

    con = export.con
    tables = whole_store.tables(export)
    path = quoting.literal(quoting.file_name(export.path))
    try:
        # By default DuckDB 2.0 writes a format that older clients cannot read.
        con.execute(f"attach {path} as export_file (storage_version 'v1.0.0')")
        con.execute("use export_file")
        _fill(export, tables)
        # DETACH raises no error if the file cannot be written.
        con.execute("checkpoint export_file")
        con.execute("use memory")
        con.execute("detach export_file")
    # DuckDB raises a TransactionException if a commit cannot be written.
    except (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException) as error:
        text = " ".join(str(error).split())
        raise DataError(
            f"realdb cannot write {export.target or 'standard output'}: {text}",
            file=export.target,
            parameter="out",
        ) from None
    return sum(table.rows for table in tables)


def _fill(export: Export, tables: list[whole_store.Table]) -> None:
    """Create the tables, the views and their comments in the current database."""
    con = export.con
    for table in tables:
        constraints = table.constraints if table.name != "predictions" else []
        con.execute(with_constraints(table.statement, constraints))
        name = quoting.identifier(table.name)
        con.execute(f"insert into {name} from memory.main.{name}")
    # One transaction: separate COMMENT ON statements are synced to the disk one by one.
    con.begin()
    export.install(con, [table.name for table in tables])
    for table in tables:
        comment_on(con, "table", table.name, table.about)
    con.commit()
    notice = whole_store.NOTICE
    con.execute(f"create table {notice} (name varchar primary key, value varchar not null)")
    con.executemany(f"insert into {notice} values (?, ?)", [*export.notice.items()])  # noqa: S608


def count(path: Path) -> int:
    """Count the rows of all tables in the file at `path`."""
    import duckdb

    with duckdb.connect(str(path), read_only=True) as con:
        names = [
            name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()
        ]
        return sum(
            int(con.table(quoting.identifier(name)).count("*").fetchall()[0][0])
            for name in names
            if name != whole_store.NOTICE
        )
