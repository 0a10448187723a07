"""Ask the tables, the views and prediction files in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, QueryError, UsageError
from ..queries import catalog, statements
from ..schema.tables import TABLES, source_of
from ..store import prediction_sets
from .rules import Rules
from .session import Session, is_taken

if TYPE_CHECKING:
    import duckdb

    from ..ingest.locate import PredictionSource
    from ..ingest.progress import Progress
    from ..store.store import Store


def connect(
    *,
    store: str | Path | None = None,
    locked: bool = False,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with every table and every view that the store allows.

    `predictions` shows the stored models. Builds the store first where there is none, unless
    `offline`.

    It is an ordinary connection in your process: it reads and writes any file that you may, and
    files of the store are no exception (`realdb.query` refuses such statements). With `locked` it
    reads the store's files and no others, loads no extension, and its settings cannot be changed.
    What a query may do is still not checked: a file that DuckDB may read it may also write.
    """
    session = Session(store, views=None, tables=None, offline=offline, progress=progress)
    con = session.prepare(stored=True).con
    if locked:
        return session.lock().con
    # Here a frame of the notebook may be queried by its name, as DuckDB's users are used to.
    con.execute("set python_enable_replacements = true")
    return con


@prediction_sets.reading_again
def query(
    sql: str,
    *files: str | Path,
    predictions: Mapping[str, object] | Iterable[str | Path] | str | Path | None = None,
    threshold: float | None = None,
    scores: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    engine: str | None = None,
    tables: Mapping[str, object] | None = None,
    with_stored: bool = False,
    unsafe: bool = False,
) -> duckdb.DuckDBPyRelation:
    """Return the answer of one query over the tables, the views and predictions.

    The table `predictions` holds the files, or without any the stored models; `with_stored` adds
    these to the files. A folder or a pattern means its files, and where no file has a name it is
    that of a stored model. Each file is also a table of its own, named by its stem. `predictions`
    are more files, or a dict of names to predictions: a path, or whatever `realdb.accuracy` takes
    from memory.

    >>> realdb.query("from accuracy", predictions={"vit": logits}).df()  # doctest: +SKIP

    With `threshold` or `scores` (as in `accuracy_table`) the labels are those that these make, in
    every view. With `engine` (see `api.spark`) the query is translated and runs there, over the
    files, flat Parquet that it can see, or where none is given over the stored models.

    A query only reads: the tables and views of the store, predictions, and `tables`, a dict of
    names to files (csv, json, Parquet) or frames of your own. It runs on a connection that reads no
    other file, so that the answer cannot write one either: use `.to_arrow_table()`, `.df()`,
    `.pl()` or `.fetchall()`. `unsafe` runs the query in plain DuckDB instead.

    The answer is computed when it is read. If a stored model is removed before that, DuckDB raises
    an IOException: ask again.

    Raises DataError where a file is refused, or `with_stored` a model of it is stored with other
    rows; QueryError where the query is no SELECT (the store is only read) or DuckDB refuses it.
    """
    import duckdb

    rules = Rules(threshold=threshold, scores=scores)
    if engine is not None:
        from . import spark

        if predictions is not None:
            raise UsageError(
                "an engine reads files and takes no `predictions`",
                parameter="predictions",
                remedy="Name the files instead",
            )
        unfit = {"tables": tables, "with_stored": with_stored, "unsafe": unsafe}
        for option, is_set in unfit.items():
            if is_set:
                raise UsageError(f"`{option}` cannot be used with `engine`", parameter=option)
        try:
            statements.require_select(duckdb.connect(), sql, explains=False)
            statements.require_reading(duckdb.connect(), sql)
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
            # A name that was put together, or none: DuckDB looks for the nearest among them all.
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
    """Map names to the predictions of `files`, and those that `query` takes as `predictions`.

    Raises DataError where a name is taken, by one of `tables` too, and UsageError where one of
    `predictions` has no name, or there are none and `with_stored` is set.
    """
    from ..ingest.locate import expand

    sources = _names_of([*expand(files, root), *_sources(predictions, root)], tables or {})
    if with_stored and not sources:
        raise UsageError(
            "`with_stored` adds the stored models to those of files, and there are none",
            parameter="with_stored",
            remedy="Leave it out: without files the predictions are those of the stored models",
        )
    return sources


def add_sources(
    session: Session,
    sources: Mapping[str, PredictionSource],
    *,
    with_stored: bool,
    stored: Collection[Path] | None = None,
) -> dict[str, list[str]]:
    """Prepare a session whose `predictions` are `sources`; return the models of each.

    They are the stored models where there are no sources, of which `stored` are the files if it is
    set; `with_stored` adds these to the sources.
    """
    models = {name: session.add_one(source) for name, source in sources.items()}
    session.prepare(
        stored=with_stored or not sources,
        only=None if sources else stored,
        beside={model: _path(sources[name]) for name in models for model in models[name]},
    )
    return models


def create_views_of(session: Session, models: Mapping[str, Sequence[str]]) -> None:
    """Create a view of each name that shows the predictions of its models."""
    import duckdb

    for name, names in models.items():
        is_of_file = duckdb.ColumnExpression("model").isin(*map(duckdb.ConstantExpression, names))
        session.con.table(session.added).filter(is_of_file).create_view(name)


def _sources(predictions: object, root: Path) -> list[PredictionSource]:
    """Return the predictions that `query` takes by keyword; UsageError where one has no name."""
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
                    f"`predictions` has the entry {name!r}, which does not name one set of "
                    "predictions",
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
        f"`predictions` is a {type(predictions).__name__}, and a query needs a name for it",
        parameter="predictions",
        value=type(predictions).__name__,
        remedy="Pass a dict such as {'vit': array}, or paths",
    )


def _names_of(
    sources: Iterable[PredictionSource], tables: Mapping[str, object]
) -> dict[str, PredictionSource]:
    """Map what each file is called in a query to the file; DataError where that name is taken.

    `tables` are the names of other tables, and what they show.
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
                f"{path}: {name!r} is a table or view of realdb",
                file=path,
                value=name,
                remedy="Rename the file (or the set) to query it",
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
    """Return what to name in a message: a path, of a set in several files their folder."""
    from ..ingest.locate import StoredModel

    if isinstance(source.predictions, StoredModel):
        return source.predictions.name
    if isinstance(source.predictions, tuple):
        return source.predictions[0].parent
    is_path = isinstance(source.predictions, str | Path)
    return source.predictions if is_path else f"predictions[{source.model!r}]"


def explained(error: Exception, opened: Store) -> QueryError:
    """Return DuckDB's error as realdb's: with the source, or the parameters, that a view needs."""
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
                    f"{name} takes parameters: from {name}({', '.join(parameters)})", value=name
                )
    for table in TABLES:
        if f"Table with name {table} does not exist" in message:
            return missing_table(table)
    return QueryError(message)


def missing_table(table: str) -> QueryError:
    """Return the error for a table that is missing from the store, with its source."""
    return QueryError(
        f"this store has no table {table}, which comes from {source_of(table)}",
        value=table,
        remedy="Build the store again with that file: realdb ingest FOLDER",
    )
