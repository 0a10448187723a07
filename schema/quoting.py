"""The one place where a name or a text becomes part of an SQL statement.

Values are bound everywhere else. DuckDB takes no parameters in `create view`, `comment on` and
`attach`, so what stands there goes through these two functions.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path


def identifier(name: str) -> str:
    """Return `name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as a quoted SQL string."""
    return "'" + text.replace("'", "''") + "'"


def file_name(path: Path) -> str:
    """Return `path` as DuckDB wants it: to DuckDB a ~ in front is the home folder."""
    text = str(path)
    return os.path.join(".", text) if text.startswith("~") else text  # noqa: PTH118, a Path drops it


def one_file(path: Path) -> str:
    """Return `path` as DuckDB's readers want it: to them it is a pattern, for this file only."""
    return glob.escape(file_name(path))
