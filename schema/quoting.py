"""The one place where a name or a text becomes part of an SQL statement.

Values are bound everywhere else. DuckDB takes no parameters in `create view`, `comment on` and
`attach`, so what stands there goes through these two functions.
"""

from __future__ import annotations


def identifier(name: str) -> str:
    """Return `name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as a quoted SQL string."""
    return "'" + text.replace("'", "''") + "'"
