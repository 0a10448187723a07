"""A SQLite database: a table of the rows, and the table `_realdb` with the notice.

Columns have types, and the key is the primary key. Comments in the CREATE statement, which
Datasette shows below a table, describe the columns. Booleans are 0 and 1, times ISO 8601, lists
JSON.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..schema import quoting
from . import lines
from .registry import Export

if TYPE_CHECKING:
    import sqlite3

    import duckdb
    import pyarrow as pa

_ROWS = 20_000


def write(export: Export) -> int:
    """Write the rows; return their number.

    Raises DataError if an integer has more than 64 bits, SQLite's maximum.
    """
    with writing(export) as con:
        kinds = dict(zip(export.asked.columns, map(str, export.asked.types), strict=True))
        meanings = {column: export.meaning(column) or "" for column in kinds}
        key = export.about.key if export.about else ()
        constraints = []
        if key and {*key} <= {*kinds}:
            constraints = [f"primary key ({', '.join(map(quoting.identifier, key))})"]
        con.execute(definition(export.name, kinds, meanings, constraints))
        rows = insert(con, export.name, export.asked)
        about = {"table": export.name, **export.notice}
        if export.about:
            about |= {"about": export.about.summary, "grain": export.about.grain}
        write_notice(con, about)
    return rows


def count(path: Path) -> int:
    """Count the rows of the file at `path`, in the table that `_realdb` names."""
    import sqlite3

    con = sqlite3.connect(path)
    try:
        ((name,),) = con.execute("select value from _realdb where name = 'table'").fetchall()
        return count_table(con, name)
    finally:
        con.close()


@contextlib.contextmanager
def writing(export: Export) -> Iterator[sqlite3.Connection]:
    """Yield a connection to the new database, and commit at the end.

    Raises DataError if SQLite cannot store the rows.
    """
    import sqlite3

    con = sqlite3.connect(export.path)
    try:
        # No journal is needed: no one else uses the file yet, and it is removed after an error.
        con.execute("pragma journal_mode = off")
        con.execute("pragma synchronous = off")
        yield con
        con.commit()
    except OverflowError:
        raise DataError(
            "an integer has more than 64 bits, which SQLite cannot store",
            file=export.target,
            remedy="Cast its column to varchar or double in a SELECT",
        ) from None
    except sqlite3.Error as error:
        raise DataError(f"SQLite cannot store these rows: {error}", file=export.target) from None
    finally:
        con.close()


def insert(con: sqlite3.Connection, table: str, rows: duckdb.DuckDBPyRelation) -> int:
    """Insert the rows; return their number."""
    name = quoting.identifier(table)
    marks = ", ".join("?" for _ in rows.columns)
    inserted = 0
    for batch in lines.arrow_batches(rows.to_arrow_reader(_ROWS)):
        con.executemany(
            f"insert into {name} values ({marks})",  # noqa: S608, the name is quoted
            zip(*map(_values, batch.columns), strict=True),
        )
        inserted += batch.num_rows
    return inserted


def write_notice(con: sqlite3.Connection, notice: Mapping[str, str]) -> None:
    """Write the notice to the table `_realdb`."""
    con.execute("create table _realdb (name text primary key, value text not null)")
    con.executemany("insert into _realdb values (?, ?)", notice.items())


def count_table(con: sqlite3.Connection, table: str) -> int:
    """Count the rows of a table."""
    ((rows,),) = con.execute(
        f"select count(*) from {quoting.identifier(table)}"  # noqa: S608, quoted
    ).fetchall()
    return int(rows)


def definition(
    table: str,
    kinds: Mapping[str, str],
    meanings: Mapping[str, str],
    constraints: Sequence[str],
) -> str:
    """Return the CREATE statement of a table. `kinds` maps its columns to DuckDB's types.

    The meanings of columns are comments in it.
    """
    parts = [
        (f"{quoting.identifier(column)} {_type(kind)}", meanings[column])
        for column, kind in kinds.items()
    ]
    parts += [(constraint, "") for constraint in constraints]
    last = len(parts) - 1
    text = "\n".join(
        f"  {part}{',' if place < last else ''}{f' -- {meaning}' if meaning else ''}"
        for place, (part, meaning) in enumerate(parts)
    )
    return f"create table {quoting.identifier(table)} (\n{text}\n)"


def _type(kind: str) -> str:
    """Return SQLite's type for one of DuckDB's."""
    if kind.endswith("]"):
        return "text"
    if kind.endswith("INT") or kind in ("INTEGER", "UINTEGER", "BOOLEAN"):
        return "integer"
    if kind in ("FLOAT", "DOUBLE"):
        return "real"
    if kind.startswith("DECIMAL"):
        return "numeric"
    return "blob" if kind == "BLOB" else "text"


def _values(column: pa.Array) -> Iterable[Any]:
    """Return the values of a column for sqlite3."""
    import pyarrow as pa

    values: list[Any] = column.to_pylist()
    is_plain = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    is_plain = is_plain or pa.types.is_string(column.type) or pa.types.is_boolean(column.type)
    return values if is_plain else map(_value, values)


def _value(value: Any) -> Any:
    """Return a value for sqlite3."""
    if value is None or isinstance(value, int | float | str | bytes):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
