"""Find the views, say what they need, and install them on a DuckDB connection.

A view is one .sql file below this folder: a header (see schema/header.py) and one SELECT. Its name
is the file's, its layer the folder's. A view with parameters (`$threshold`) becomes a table macro;
other views do not call macros. Views are installed in the order that their `reads` lines give.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import QueryError
from ..schema import header, quoting, store

if TYPE_CHECKING:
    import duckdb

LAYERS = ("labels", "scoring", "reports")
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class View:
    """A view as its file states it: `select` is the statement, `about` the header."""

    path: Path
    name: str
    layer: str
    select: str
    about: header.Header


@functools.cache
def views() -> dict[str, View]:
    """Return every view by its name, those that others read first."""
    found = {
        path.stem: _read(path) for layer in LAYERS for path in sorted((_FOLDER / layer).glob("*.sql"))
    }
    reads = {name: [r for r in view.about.reads if r in found] for name, view in found.items()}
    return {name: found[name] for name in TopologicalSorter(reads).static_order()}


def find(name: str) -> View:
    """Return the view called `name`; QueryError, with the nearest names, where there is none."""
    if name not in views():
        near = difflib.get_close_matches(name, views()) or views()
        raise QueryError(f"there is no view {name!r}. Did you mean: {', '.join(near)}?")
    return views()[name]


def missing_tables(name: str, tables: Collection[str]) -> list[str]:
    """Return the tables that the view `name` reads, itself or through others, beyond `tables`."""
    missing = []
    for read in find(name).about.reads:
        if read in views():
            missing += missing_tables(read, tables)
        elif read not in tables:
            missing.append(read)
    return sorted(set(missing))


def install(
    con: duckdb.DuckDBPyConnection,
    tables: Collection[str],
    names: Iterable[str] | None = None,
    *,
    comment: bool = False,
) -> None:
    """Create the views `names`, and those they read, on `con`; all that `tables` allow if None.

    With `comment` each view and column gets its header's text by COMMENT ON. Raises QueryError,
    naming the sources, where a view is named that reads a table the store lacks.
    """
    if names is None:
        wanted = {name for name in views() if not missing_tables(name, tables)}
    else:
        wanted = set()
        for name in names:
            require(name, tables)
            wanted |= _closure(name)
    for name, view in views().items():
        if name in wanted:
            con.execute(definition(view))
            if comment and not view.about.parameters:
                store.comment(con, "view", name, view.about)
            elif comment:
                summary = quoting.literal(view.about.summary)
                con.execute(f"comment on macro table {quoting.identifier(name)} is {summary}")


def require(name: str, tables: Collection[str]) -> View:
    """Return the view `name`; QueryError, naming the missing sources, where it cannot be asked."""
    view = find(name)
    missing = missing_tables(name, tables)
    if missing:
        files = "; ".join(f"{table} (from {store.source_of(table)})" for table in missing)
        raise QueryError(
            f"the view {name} needs what this store lacks: {files}. Give the ingest those files: "
            "realdb ingest FOLDER"
        )
    return view


def definition(view: View) -> str:
    """Return the statement that creates the view, or the table macro where it has parameters."""
    name = quoting.identifier(view.name)
    if not view.about.parameters:
        return f"create or replace view {name} as\n{view.select}"
    select = view.select
    for parameter in view.about.parameters:
        select = select.replace(f"${parameter}", parameter)
    return f"create or replace macro {name}({', '.join(view.about.parameters)}) as table\n{select}"


def substitute(
    con: duckdb.DuckDBPyConnection, name: str, by: str, parameters: Mapping[str, object]
) -> None:
    """Put the rows of the parametrised view `by` where `name` stood, for this connection only.

    So every view that reads `name` answers under another rule, unchanged: labels at another
    operating point, say.
    """
    view = find(by)
    con.execute(
        f"create table substitute as {view.select}",
        {parameter: parameters[parameter] for parameter in view.about.parameters},
    )
    con.execute(f"drop view {quoting.identifier(name)}")
    con.execute(f"alter table substitute rename to {quoting.identifier(name)}")


def examples() -> list[str]:
    """Return the queries that the demo shows, each with its question in the first line."""
    return [path.read_text(encoding="utf-8") for path in sorted((_FOLDER / "demo").glob("*.sql"))]


def _read(path: Path) -> View:
    text = path.read_text(encoding="utf-8")
    return View(
        path=path,
        name=path.stem,
        layer=path.parent.name,
        select="\n".join(line for line in text.splitlines() if not line.startswith("--")).strip(),
        about=header.parse(text, f"{path.parent.name}/{path.name}"),
    )


def _closure(name: str) -> set[str]:
    reads = (read for read in find(name).about.reads if read in views())
    return {name}.union(*(_closure(read) for read in reads))
