"""Query the tables, the views and prediction files with SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, QueryError, UsageError
from ..queries import catalog, statements
from ..schema.tables import TABLES, source_of
from ..store import kept
from .rules import Rules
from .session import Session, is_taken

if TYPE_CHECKING:
    import duckdb

    from ..ingest.locate import PredictionSource
    from ..ingest.progress import Progress
    from ..store.store import Store


def connect(
    *,
    store: str | PathLike[str] | None = None,
    locked: bool = False,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with all tables and views of the store.

    The table `predictions` shows the stored models. If there is no store, it is built first, unless
    `offline` is set.

    This is an ordinary connection: it can read and write any file that you can, including the files
    of the store. (`realdb.query` refuses such statements.) With `locked` it can access only the
    store's files, cannot load extensions, and its settings cannot be changed. Statements are still
    not checked: DuckDB can also write the files that it can read.
    """
    session = Session(store, views=None, tables=None, offline=offline, progress=progress)
    con = session.prepare(stored=True).con
    if locked:
        return session.lock().con
    # Allow queries of a notebook's frames by name, as in DuckDB by default.
    con.execute("set python_enable_replacements = true")
    return con


@kept.reading_again
def query(
    sql: str,
    *files: str | Path,
    predictions: Mapping[str, object] | Iterable[str | Path] | str | Path | None = None,
    threshold: float | None = None,
    scores: str | Path | None = None,
    labels: str = "real",
    unclear: str | None = None,
    problematic: str = "skip",
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    engine: str | None = None,
    tables: Mapping[str, object] | None = None,
    with_stored: bool = False,
    unsafe: bool = False,
) -> duckdb.DuckDBPyRelation:
    """Return the result of one query over the tables, the views and predictions.

    The table `predictions` holds the rows of `files`. Without files it holds the stored models;
    `with_stored` adds these to the files. A folder or a pattern stands for its files. A name that
    is not a file is the name of a stored model. Each file is also a table, named by its stem. The
    argument `predictions` adds more files, or a dict of names to predictions: a path, or any object
    that `realdb.accuracy` accepts.

    >>> realdb.query("from accuracy", predictions={"vit": logits}).df()  # doctest: +SKIP

    `threshold`, `scores` and `labels` (as in `accuracy_table`, with `unclear` and `problematic`)
    set the labels of all views. A column `real_accuracy` is then the accuracy by these labels.
    Views that are only defined for the ReaL labels are refused. With `engine` (see `api.spark`) the
    query is translated and runs there. The files must then be flat Parquet that the engine can
    read; without files the query uses the stored models.

    A query can only read the tables and views of the store, predictions, and `tables`: a dict of
    names to files (CSV, JSON, Parquet) or frames. Its connection can access no other file, so the
    relation cannot write one. Use `.to_arrow_table()`, `.df()`, `.pl()` or `.fetchall()`. `unsafe`
    runs the query in plain DuckDB instead.

    The rows are computed when they are read. If a stored model is removed before that, DuckDB
    raises an IOException. Run the query again in this case.

    Raises DataError for an invalid file, or if `with_stored` is set and a model of a file is stored
    with other rows. Raises QueryError if the query is not a SELECT or DuckDB rejects it.
    """
    import duckdb

    rules = Rules(
        threshold=threshold,
        scores=scores,
        labels=labels,
        unclear=unclear,
        problematic=problematic,
    )
    if engine is not None:
        from . import spark

        if predictions is not None:
            raise UsageError(
                "`predictions` cannot be used with `engine`, which reads files only",
                parameter="predictions",
                remedy="Pass the paths of the files instead",
            )
        unfit = {"tables": tables, "with_stored": with_stored, "unsafe": unsafe}
        for option, is_set in unfit.items():
            if is_set:
                raise UsageError(f"`{option}` cannot be used with `engine`", parameter=option)
        try:
            with duckdb.connect() as con:
                statements.require_select(con, sql, explains=False)
                statements.require_reading(con, sql)
        except duckdb.Error as error:
            raise QueryError(str(error)) from None
        return spark.ask(
            engine, sql, files, rules=rules, store=store, offline=offline, progress=progress
        )
    session = Session(store, tables=None, rules=rules, offline=offline, progress=progress)
    con, opened = session.con, session.store
    sources = named_sources(files, predictions, tables, opened.root, with_stored=with_stored)
    try:
        statements.require_select(con, sql)
        if not unsafe:
            statements.require_reading(con, sql)
        session.require(statements.views_named(con, sql, opened.names))
    except duckdb.Error as error:
        raise explained(error, opened) from None
    models = add_sources(session, sources, with_stored=with_stored)
    create_views_of(session, models)
    for name, source in (tables or {}).items():
        session.join(name, source)
    if not unsafe:
        session.lock()
    try:
        try:
            return con.sql(sql)
        except duckdb.CatalogException:
            if rules.is_stated:  # other labels replace some views of the catalogue
                raise
            if not unsafe:
                # An unknown name: DuckDB suggests similar names of those that are there.
                catalog.install_names(con, opened.names)
                con.sql(sql)
            # A computed name: it may be that of any view.
            session.install(None)
            return con.sql(sql)
    except duckdb.Error as error:
        raise explained(error, opened) from None


def named_sources(
    files: Iterable[str | Path],
    predictions: object,
    tables: Mapping[str, object] | None,
    root: Path,
    *,
    with_stored: bool,
) -> dict[str, PredictionSource]:
    """Map table names to the predictions of the arguments `files` and `predictions` of `query`.

    Raises DataError if a name is taken, also by one of `tables`. Raises UsageError if one of
    `predictions` has no name, or if `with_stored` is set without any predictions.
    """
    from ..ingest.locate import expand

    sources = _names_of([*expand(files, root), *_sources(predictions, root)], tables or {})
    if with_stored and not sources:
        raise UsageError(
            "`with_stored` is set, but there are no prediction files",
            parameter="with_stored",
            remedy="Remove it: without files the stored models are used by default",
        )
    return sources


def add_sources(
    session: Session,
    sources: Mapping[str, PredictionSource],
    *,
    with_stored: bool,
    stored: Collection[Path] | None = None,
) -> dict[str, list[str]]:
    """Prepare a session with `sources` as `predictions`; return the models of each source.

    Without sources the session uses the stored models, or only the files `stored` of them if set.
    `with_stored` adds the stored models to the sources.
    """
    models = {name: session.add_one(source) for name, source in sources.items()}
    session.prepare(
        stored=with_stored or not sources,
        only=None if sources else stored,
        beside={model: _path(sources[name]) for name in models for model in models[name]},
    )
    return models


def create_views_of(session: Session, models: Mapping[str, Sequence[str]]) -> None:
    """Create a view for each name, with the predictions of its models."""
    import duckdb

    for name, names in models.items():
        is_of_file = duckdb.ColumnExpression("model").isin(*map(duckdb.ConstantExpression, names))
        session.con.table(session.added).filter(is_of_file).create_view(name)


def _sources(predictions: object, root: Path) -> list[PredictionSource]:
    """Return the argument `predictions` of `query` as sources; UsageError for one without name."""
    from ..ingest.locate import expand

    if predictions is None:
        return []
    if isinstance(predictions, str | Path):
        predictions = [predictions]
    if isinstance(predictions, Mapping):
        sources = []
        for name, rows in predictions.items():
            found = expand([rows], root)
            if not isinstance(name, str) or not name or isinstance(rows, int) or len(found) != 1:
                raise UsageError(
                    f"the entry {name!r} of `predictions` is not one named set of predictions",
                    parameter="predictions",
                    value=name,
                    remedy="Pass a dict of names to predictions, such as {'vit': array}",
                )
            sources.append(found[0]._replace(model=name))
        return sources
    if isinstance(predictions, list | tuple) and all(
        isinstance(each, str | Path) for each in predictions
    ):
        return expand(predictions, root)
    raise UsageError(
        f"`predictions` is a {type(predictions).__name__} without a name for the query",
        parameter="predictions",
        value=type(predictions).__name__,
        remedy="Pass a dict such as {'vit': array}, or paths",
    )


def _names_of(
    sources: Iterable[PredictionSource], tables: Mapping[str, object]
) -> dict[str, PredictionSource]:
    """Map the table name of each file to the file; DataError if the name is taken.

    `tables` maps the names of other tables to their sources.
    """
    from ..ingest.locate import PredictionSource

    names: dict[str, PredictionSource] = {}
    named = [*((source.model or "predictions", source) for source in sources)]
    for name, source in [
        *named,
        *((name, PredictionSource(table, name)) for name, table in tables.items()),
    ]:
        path = _path(source)
        if is_taken(name):
            raise DataError(
                f"{path} cannot be the table {name!r}, which is a table or view of realdb",
                file=path,
                value=name,
                remedy="Rename the file (or the set of predictions)",
            )
        for other in names:
            if name.lower() == other.lower():
                raise DataError(
                    f"{_path(names[other])} and {path} would both be the table {name!r}",
                    file=path,
                    value=name,
                    remedy="Rename one of them",
                )
        names[name] = source
    return {name: source for name, source in names.items() if name not in tables}


def _path(source: PredictionSource) -> object:
    """Return the path for a message; the folder of a set of several files."""
    from ..ingest.locate import StoredModel

    if isinstance(source.predictions, StoredModel):
        return source.predictions.name
    if isinstance(source.predictions, tuple):
        return source.predictions[0].parent
    is_path = isinstance(source.predictions, str | Path)
    return source.predictions if is_path else f"predictions[{source.model!r}]"


def explained(error: Exception, opened: Store) -> QueryError:
    """Return a QueryError for an error of DuckDB, with the source or parameters that are needed."""
    message = str(error)
    for name in catalog.all_names():
        # A view, one with parameters, or a view under other rules.
        if any(f"with name {each} does not exist" in message for each in (name, f"{name}_if")):
            try:
                parameters = catalog.require(name, opened.names).about.parameters
            except QueryError as missing:
                return missing
            if parameters:
                return QueryError(
                    f"the view {name} has parameters. Use: from {name}({', '.join(parameters)})",
                    value=name,
                )
    for table in TABLES:
        if f"Table with name {table} does not exist" in message:
            return missing_table(table)
    return QueryError(message)


def missing_table(table: str) -> QueryError:
    """Return the error for a table that is missing from the store, with its source."""
    return QueryError(
        f"this store has no table {table}, which is built from {source_of(table)}",
        value=table,
        remedy="Build the store again with this file: realdb ingest FOLDER",
    )
