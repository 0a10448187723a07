"""SQLite database: a table of the rows, and `_realdb`, which says what they are.

The columns are typed, the key is the primary key, and what a column means stands beside it in the
statement that Datasette shows below a table. Booleans are 0 and 1, times ISO 8601, lists JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..schema import quoting
from .registry import Export

_ROWS = 20_000
_MOST = 2**63 - 1


def write(export: Export) -> int:
    """Write the rows; return how many.

    Raises DataError where an integer has more than the 64 bits that SQLite gives it.
    """
    import sqlite3

    batches = export.asked.to_arrow_reader(_ROWS)
    name = quoting.identifier(export.name)
    marks = ", ".join("?" for _ in export.asked.columns)
    rows = 0
    con = sqlite3.connect(export.path)
    try:
        # Nobody else sees the file yet, and what fails is thrown away: no journal is needed.
        con.execute("pragma journal_mode = off")
        con.execute("pragma synchronous = off")
        con.execute(_definition(export))
        for batch in batches:
            columns = (map(_value, column.to_pylist()) for column in batch.columns)
            con.executemany(
                f"insert into {name} values ({marks})",  # noqa: S608, the name is quoted
                zip(*columns, strict=True),
            )
            rows += batch.num_rows
        about = {"table": export.name, **export.notice}
        if export.about:
            about |= {"about": export.about.summary, "grain": export.about.grain}
        con.execute("create table _realdb (name text primary key, value text not null)")
        con.executemany("insert into _realdb values (?, ?)", about.items())
        con.commit()
    except OverflowError:
        raise DataError(
            "SQLite has integers of 64 bits, and one of these is larger",
            file=export.target,
            remedy="Cast its column to varchar or double in a SELECT",
        ) from None
    except sqlite3.Error as error:
        raise DataError(f"SQLite cannot hold these rows: {error}", file=export.target) from None
    finally:
        con.close()
    return rows


def count(path: Path) -> int:
    """Count the rows of the file at `path`, in the table that `_realdb` names."""
    import sqlite3

    con = sqlite3.connect(path)
    try:
        ((name,),) = con.execute("select value from _realdb where name = 'table'").fetchall()
        ((rows,),) = con.execute(
            f"select count(*) from {quoting.identifier(name)}"  # noqa: S608, quoted
        ).fetchall()
    finally:
        con.close()
    return int(rows)


def _definition(export: Export) -> str:
    """Return the statement that creates the table."""
    columns = export.asked.columns
    key = export.about.key if export.about else ()
    lines = []
    for column, kind in zip(columns, map(str, export.asked.types), strict=True):
        meaning = export.meaning(column)
        lines.append((f"{quoting.identifier(column)} {_type(kind)}", meaning))
    if key and set(key) <= set(columns):
        lines.append((f"primary key ({', '.join(map(quoting.identifier, key))})", None))
    last = len(lines) - 1
    text = "\n".join(
        f"  {line}{',' if place < last else ''}{f' -- {meaning}' if meaning else ''}"
        for place, (line, meaning) in enumerate(lines)
    )
    return f"create table {quoting.identifier(export.name)} (\n{text}\n)"


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


def _value(value: Any) -> Any:
    """Return a value as sqlite3 takes it."""
    if value is None or isinstance(value, int | float | str | bytes):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
