"""Find the views, list the tables that they need, and install them on a DuckDB connection.

A view is one .sql file below this folder: a header (see schema/header.py) and one SELECT, which may
have comments. The view has the name of the file and the layer of the folder. A view with parameters
(`$threshold`) becomes a table macro; other views do not call macros. The views in the `reads` line
of a header are installed first.

The constants of the paper's pipeline are in one view, `pipeline_rules`. Each view that reads it,
directly or through other views, is also installed as a macro `NAME_if`, which computes the view
with other constants: recomputed_labels_if(golden_majority := 4).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import QueryError, did_you_mean
from ..schema import header, quoting
from ..schema.tables import COMPUTED, TABLES, comment_on, source_of

if TYPE_CHECKING:
    import duckdb

LAYERS = ("labels", "scoring", "reports")
RULES = "pipeline_rules"
# The view that replaces the rules: a parameter for each; NULL keeps the published value.
OTHER_RULES = "rules_with"
_PUBLISHED = "published_rules"
# What is about the ReaL labels, or compares them with others.
_OF_REAL = ("questions", "votes", "scores", "stored_assessments", "stored_label_sets")
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class View:
    """A view as read from its file: `select` is the statement, `about` the header."""

    path: Path
    name: str
    layer: str
    select: str
    about: header.Header


def views() -> dict[str, View]:
    """Return every view by its name, layer by layer."""
    return {name: find(name) for name in all_names()}


@functools.cache
def find(name: str) -> View:
    """Return the view called `name`; raise QueryError, with near names, if there is none."""
    # Only the files that are needed are read: `realdb accuracy` reads three of them.
    for layer in LAYERS:
        path = _FOLDER / layer / f"{name}.sql"
        if name.isidentifier() and path.is_file():
            return _read(path)
    raise QueryError(
        f"there is no table or view {name!r}",
        value=name,
        remedy=did_you_mean(name, [*TABLES, *all_names()], "List them with: realdb views"),
    )


def tables_of(*names: str) -> set[str]:
    """Return the tables that the views `names` read, directly or through other views.

    For a computed table, these include the tables that it is computed from.
    """
    found: set[str] = set()
    for name in names:
        for read in find(name).about.reads:
            found |= {read} if read in TABLES else tables_of(read)
            if read in COMPUTED:
                found |= tables_of(COMPUTED[read])
    return found


def allowed(tables: Collection[str]) -> list[str]:
    """Return the names of the views that read only the tables `tables`."""
    return [name for name in all_names() if tables_of(name) <= {*tables}]


def install(
    con: duckdb.DuckDBPyConnection,
    tables: Collection[str],
    names: Iterable[str] | None = None,
    *,
    comment: bool = False,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Create the views `names`, and the views that they read, on `con`.

    If `names` is None, all views are created that `tables` allow. With `comment` each view and
    column gets the text of its header by COMMENT ON. `notes` maps a table to a note that is added
    to the comments of the views that read it. Raises QueryError, with the missing source files, if
    a view reads a table that is not among `tables`.
    """
    if names is None:
        names = allowed(tables)
    order = {view.name: view for view in in_order(names, tables)}
    for view in order.values():
        con.execute(definition(view))
        if comment:
            _comment(con, view, _note(view.name, notes or {}))
    if OTHER_RULES in order:
        for name in filter(is_under_rules, order):
            con.execute(definition_if(name))
            if comment:
                about = f"{name} under other rules. The parameters are described in {RULES}."
                _comment_macro(con, f"{name}_if", about, _note(name, notes or {}))


def install_names(con: duckdb.DuckDBPyConnection, tables: Collection[str]) -> None:
    """Create the views that `tables` allow by their names alone, where they are not on `con`.

    DuckDB then suggests these names. It takes a tenth of the time of `install`. To read such a view
    is an error.
    """
    for view in map(find, allowed(tables)):
        if not view.about.parameters:
            name = quoting.identifier(view.name)
            con.execute(f"create view if not exists {name} as select error('no rows') as no_rows")


def in_order(names: Iterable[str], tables: Collection[str]) -> list[View]:
    """Return the views `names` and the views that they read, each after the views that it reads.

    Raises QueryError, with the missing source files, if one reads a table that is not among
    `tables`.
    """
    order: dict[str, View] = {}
    for name in names:
        require(name, tables)
        _order(name, order)
    return list(order.values())


def require(name: str, tables: Collection[str]) -> View:
    """Return the view `name`; raise QueryError, with the source files, if a table is missing."""
    view = find(name)
    missing = sorted(tables_of(name) - set(tables))
    if missing:
        files = "; ".join(f"{table} (from {source_of(table)})" for table in missing)
        raise QueryError(
            f"the view {name} needs tables that this store does not have: {files}",
            value=name,
            count=len(missing),
            remedy="Build the store again with those files: realdb ingest FOLDER",
        )
    return view


def definition(view: View) -> str:
    """Return the statement that creates the view, or the table macro if it has parameters."""
    if view.about.parameters:
        return _macro(view.name, view, view.select)
    return f"create or replace view {quoting.identifier(view.name)} as\n{view.select}"


def is_under_rules(name: str) -> bool:
    """Return whether the view `name` reads the pipeline's rules, directly or through others."""
    reads = find(name).about.reads
    return name != OTHER_RULES and (
        RULES in reads or any(is_under_rules(read) for read in reads if read not in TABLES)
    )


def is_of_real(name: str) -> bool:
    """Say whether the view `name` has a meaning for the ReaL labels alone.

    It reads them beside what they were made of, the questions, votes or scores, or beside other
    label sets.
    """
    read = tables_of(name)
    return "labels" in read and not read.isdisjoint(_OF_REAL)


def definition_if(name: str) -> str:
    """Return the statement that creates the macro `NAME_if`: the view under other rules."""
    return _macro(f"{name}_if", find(OTHER_RULES), select_if(name))


def select_if(name: str) -> str:
    """Return the SELECT of the view `name` under other rules, with the parameters of rules_with.

    The text of the view files is not changed. Each view between the rules and this one becomes a
    named query, which hides the view of that name.
    """
    # The published rules get another name: DuckDB 1.1 refuses a named query that reads a table of
    # the same name.
    others = find(OTHER_RULES).select.replace(f"from {RULES} ", f"from {_PUBLISHED} ")
    named = {_PUBLISHED: find(RULES).select, RULES: others}
    order: dict[str, View] = {}
    _order(name, order)
    named |= {view.name: view.select for view in order.values() if is_under_rules(view.name)}
    queries = ",\n\n".join(f"{quoting.identifier(of)} as (\n{it}\n)" for of, it in named.items())
    source = quoting.identifier(name)
    # Full names, because a plain name that a parameter has too would mean the parameter.
    columns = ", ".join(
        f"{source}.{quoting.identifier(column)}" for column in find(name).about.columns
    )
    return f"with {queries}\n\nselect {columns} from {source}"


def _macro(name: str, of: View, select: str) -> str:
    """Return the statement that creates a table macro with the parameters of the view `of`."""
    # A rule without a value keeps the published one. Other parameters have no default.
    default = " := null" if of.name == OTHER_RULES else ""
    for parameter in of.about.parameters:
        select = select.replace(f"${parameter}", parameter)
    parameters = ", ".join(f"{parameter}{default}" for parameter in of.about.parameters)
    return f"create or replace macro {quoting.identifier(name)}({parameters}) as table\n{select}"


def substitute(
    con: duckdb.DuckDBPyConnection, name: str, by: str, parameters: Mapping[str, object]
) -> None:
    """Replace the table or view `name` by the rows of the parametrised view `by`, on `con` only.

    Every view that reads `name` then follows another rule: for example the labels at another
    threshold.
    """
    view = find(by)
    con.execute(
        f"create table substitute as {view.select}",
        {parameter: parameters[parameter] for parameter in view.about.parameters},
    )
    _put_substitute(con, name)


def replace(con: duckdb.DuckDBPyConnection, name: str, rows: duckdb.DuckDBPyRelation) -> None:
    """Replace the table or view `name` by `rows`, which have its columns, on `con` only."""
    rows.create("substitute")
    _put_substitute(con, name)


def keep(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Compute the view `name` once, for all views that read it on `con`."""
    replace(con, name, con.view(name))


def _put_substitute(con: duckdb.DuckDBPyConnection, name: str) -> None:
    # What was substituted before is a table.
    found = con.execute("select 1 from duckdb_tables() where table_name = $1", [name]).fetchall()
    con.execute(f"drop {'table' if found else 'view'} {quoting.identifier(name)}")
    con.execute(f"alter table substitute rename to {quoting.identifier(name)}")


def stand_in(con: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Sequence[object]]) -> None:
    """Replace the view `name` by `rows`, one tuple per row, on `con` only."""
    view = quoting.identifier(name)
    con.begin()
    con.execute(f"create table substitute as from {view} limit 0")
    if rows:
        # One list per column: one statement per row takes a third of a second for 1,000 rows.
        lists = ", ".join("unnest(?)" for _ in rows[0])
        columns = [list(column) for column in zip(*rows, strict=True)]
        con.execute(f"insert into substitute select {lists}", columns)
    _put_substitute(con, name)
    con.commit()


def examples() -> list[str]:
    """Return the queries of the demo. The first line of each is its question."""
    return [path.read_text(encoding="utf-8") for path in sorted((_FOLDER / "demo").glob("*.sql"))]


def _read(path: Path) -> View:
    text = path.read_text(encoding="utf-8")
    # Remove only the header: the statement keeps its comments.
    statement = itertools.dropwhile(lambda line: line.startswith("--"), text.splitlines())
    return View(
        path=path,
        name=path.stem,
        layer=path.parent.name,
        select="\n".join(statement).strip(),
        about=header.parse(text, f"{path.parent.name}/{path.name}"),
    )


@functools.cache
def all_names() -> tuple[str, ...]:
    """Return the names of all views, layer by layer."""
    return tuple(path.stem for layer in LAYERS for path in sorted((_FOLDER / layer).glob("*.sql")))


def _order(name: str, order: dict[str, View]) -> None:
    """Add the view `name` to `order`, after the views that it reads."""
    for read in find(name).about.reads:
        if read not in TABLES or read in COMPUTED:
            _order(COMPUTED.get(read, read), order)
    order.setdefault(name, find(name))


def _note(name: str, notes: Mapping[str, str]) -> str:
    """Return the notes on the tables that the view `name` reads."""
    return " ".join(dict.fromkeys(notes[table] for table in sorted(tables_of(name) & {*notes})))


def _comment(con: duckdb.DuckDBPyConnection, view: View, note: str) -> None:
    if view.about.parameters:
        _comment_macro(con, view.name, view.about.summary, note)
    else:
        comment_on(con, "view", view.name, view.about, note)


def _comment_macro(con: duckdb.DuckDBPyConnection, name: str, about: str, note: str) -> None:
    # A macro has no columns to comment on.
    text = quoting.literal(f"{about} {note}".rstrip())
    con.execute(f"comment on macro table {quoting.identifier(name)} is {text}")
