"""Ask the tables, the views and prediction files in SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, QueryError, UsageError
from ..queries import catalog
from ..schema.tables import TABLES, source_of
from ..store import prediction_sets
from .build import open_store
from .rules import PUBLISHED_THRESHOLD, check_rules, judge_by, rules_for

if TYPE_CHECKING:
    import duckdb

    from ..ingest.expand import Source
    from ..ingest.progress import Progress
    from ..store.store import Store

# What DuckDB is asked with for the tables and views that there are.
_CATALOG = re.compile(r"\b(show|describe|(duckdb|information|pg|sqlite|pragma)_\w+)\b")
# DuckDB 2.0.0 waits for ever where a LIMIT stands over a plan that this optimizer has shared.
_NO_COMMON_SUBPLAN = "set disabled_optimizers = 'common_subplan'"


def connect(
    *,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with every table and every view that the store allows.

    `predictions` shows the stored models. The store is only read: what is done on the connection
    stays in memory. Builds the store first where there is none, unless `offline`.
    """
    opened = open_store(store, offline, progress)
    con = opened.connect()
    catalog.install(con, opened.names)
    prediction_sets.show(con, opened.root)
    con.execute(_NO_COMMON_SUBPLAN)
    # Here a frame of the notebook may be queried by its name, as DuckDB's users are used to.
    con.execute("set python_enable_replacements = true")
    return con


def query(
    sql: str,
    *files: str | Path,
    predictions: Mapping[str, object] | Iterable[str | Path] | str | Path | None = None,
    threshold: float = PUBLISHED_THRESHOLD,
    scores: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    engine: str | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the answer of one query over the tables, the views and predictions.

    Each file (a folder or a pattern stands for its files) is a table of its own, named by its stem,
    and all of them stand in `predictions`, beside the stored models. `predictions` are more files,
    or a dict of names to predictions: a path, or whatever `realdb.accuracy` takes from memory.

    >>> realdb.query("from accuracy", predictions={"vit": logits}).df()  # doctest: +SKIP

    With `threshold` or `scores` (as in `accuracy_table`) the labels are those that these make, in
    every view. With `engine` (see `api.engine`) the query is translated and runs there, over the
    files, flat Parquet that it can see, or where none is given over the stored models.

    Raises DataError where a file is refused, or holds a model that is stored; QueryError where the
    query is no SELECT (the store is only read) or DuckDB refuses it.
    """
    import duckdb

    if engine is not None:
        from . import engine as engines

        if predictions is not None:
            raise UsageError("an engine reads files: name them, and leave predictions= out")
        require_select(duckdb.connect(), sql, explains=False)
        return engines.ask(
            engine,
            sql,
            files,
            threshold=threshold,
            scores=scores,
            store=store,
            offline=offline,
            progress=progress,
        )
    from ..ingest import predictions as reading
    from ..ingest.expand import expand

    opened = open_store(store, offline, progress)
    con = opened.connect()
    con.execute(_NO_COMMON_SUBPLAN)
    sources = _names_of([*expand(files), *_given(predictions)])
    models = {
        name: reading.add(con, source.given, model=source.model) for name, source in sources.items()
    }
    for path, those in zip(map(_path, sources.values()), models.values(), strict=True):
        for model in those:
            if prediction_sets.holds(opened.root, model):
                raise DataError(
                    f"{path}: predictions of a model {model!r} are stored already, and stand in "
                    "`predictions` without the file. Leave it out, or rename it (or the model in "
                    "its column model)"
                )
    check_rules(threshold=threshold)
    rules = rules_for(threshold=threshold, scores=scores)
    for view in rules:
        catalog.require(view, opened.names)
    catalog.install(con, opened.names, [*_mentioned(sql, opened), *rules])
    judge_by(con, threshold=threshold, scores=scores)
    given = prediction_sets.show(con, opened.root)
    for name, those in models.items():
        is_of_file = duckdb.ColumnExpression("model").isin(*map(duckdb.ConstantExpression, those))
        con.table(given).filter(is_of_file).create_view(name)
    try:
        require_select(con, sql)
        try:
            return con.sql(sql)
        except duckdb.CatalogException:
            # A name that was put together, or none: DuckDB looks for the nearest among them all.
            catalog.install(con, opened.names)
            return con.sql(sql)
    except duckdb.Error as error:
        raise QueryError(explain(str(error), opened)) from None


def _mentioned(sql: str, opened: Store) -> list[str]:
    """Return the views whose names stand in `sql`; all, where it asks which there are.

    To create them all takes 0.2 s, longer than most queries.
    """
    allowed = [name for name in catalog.views() if catalog.tables_of(name) <= {*opened.names}]
    text = sql.lower()
    if _CATALOG.search(text):
        return allowed
    macros = [catalog.OTHER_RULES] if "_if" in text else []
    return [name for name in allowed if name in text or name in macros]


def _given(predictions: object) -> list[Source]:
    """Return what `query` was given by keyword; UsageError where its names are not told."""
    from ..ingest.expand import expand

    if predictions is None:
        return []
    if isinstance(predictions, str | Path):
        predictions = [predictions]
    if isinstance(predictions, Mapping):
        sources = []
        for name, given in predictions.items():
            found = expand([given])
            if not isinstance(name, str) or not name or isinstance(given, int) or len(found) != 1:
                raise UsageError(
                    f"predictions={{{name!r}: …}}: give a dict of names to predictions, one set a "
                    "name, such as predictions={'vit': array}"
                )
            sources.append(found[0]._replace(model=name))
        return sources
    if isinstance(predictions, list | tuple) and all(
        isinstance(each, str | Path) for each in predictions
    ):
        return expand(predictions)
    raise UsageError(
        f"predictions is a {type(predictions).__name__} without a name to ask for it by: give a "
        "dict, such as predictions={'vit': array}, or paths"
    )


def require_select(con: duckdb.DuckDBPyConnection, sql: str, *, explains: bool = True) -> None:
    """Raise QueryError where `sql` is not one SELECT, or with `explains` the EXPLAIN of one."""
    import duckdb

    kinds = [statement.type for statement in con.extract_statements(sql)]
    if explains and kinds == [duckdb.StatementType.EXPLAIN]:
        # EXPLAIN ANALYZE runs what it explains.
        kinds = [statement.type for statement in con.extract_statements(_explained(sql))]
    if kinds != [duckdb.StatementType.SELECT]:
        also = "FROM, WITH, DESCRIBE, SUMMARIZE, EXPLAIN" if explains else "FROM, WITH"
        raise QueryError(f"one SELECT is expected (or {also}): the store is only read")


def _names_of(sources: Iterable[Source]) -> dict[str, Source]:
    """Map what each file is called in a query to the file; DataError where that name is taken."""
    names: dict[str, Source] = {}
    for source in sources:
        name = source.model or "predictions"
        path = _path(source)
        # DuckDB tells names by their letters, not by their case.
        if name.lower() in (*TABLES, *catalog.views(), prediction_sets.GIVEN):
            raise DataError(
                f"{path}: {name!r} is a table or view of realdb; rename the file (or set) to query "
                "it"
            )
        for other in names:
            if name.lower() == other.lower():
                raise DataError(
                    f"{_path(names[other])} and {path} would both be the table {name!r}; rename one"
                )
        names[name] = source
    return names


def _path(source: Source) -> object:
    """Return what to name in a message: a path, of a set in several files their folder."""
    if isinstance(source.given, tuple):
        return source.given[0].parent
    is_path = isinstance(source.given, str | Path)
    return source.given if is_path else f"predictions[{source.model!r}]"


def _explained(sql: str) -> str:
    """Return the statement behind EXPLAIN, EXPLAIN ANALYZE or EXPLAIN (options)."""
    _, _, rest = re.split(r"(\bexplain\b)", sql, maxsplit=1, flags=re.IGNORECASE)
    return re.sub(r"^\s*(analyze\b|\([^)]*\))", "", rest, flags=re.IGNORECASE)


def explain(message: str, opened: Store) -> str:
    """Add to DuckDB's message which source, or which parameters, a view would need."""
    for name in catalog.views():
        # A view, one with parameters, or a view under other rules.
        if any(f"with name {each} does not exist" in message for each in (name, f"{name}_if")):
            try:
                parameters = catalog.require(name, opened.names).about.parameters
            except QueryError as error:
                return str(error)
            if parameters:
                return f"{name} takes parameters: from {name}({', '.join(parameters)})"
    for table in TABLES:
        if f"Table with name {table} does not exist" in message:
            return missing_table(table)
    return message


def missing_table(table: str) -> str:
    """Say which source a table that the store lacks would need."""
    return (
        f"this store has no table {table}: it comes from {source_of(table)}. Give the "
        "ingest that file: realdb ingest FOLDER"
    )
