"""Write what the store holds to a file, in the format of another tool."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, QueryError, UsageError, did_you_mean
from ..exports import registry
from ..queries import catalog, statements
from ..schema import header
from ..schema.tables import COMPUTED, TABLES, header_of
from ..store import prediction_sets
from ..store.files import checksum, user_path
from ..version import __version__
from .ask import add_sources, create_views_of, explained, missing_table, named_sources
from .rules import PUBLISHED_THRESHOLD, Rules
from .session import Session
from .shown import Shown

if TYPE_CHECKING:
    import duckdb

    from ..ingest.locate import PredictionSource
    from ..ingest.progress import Progress
    from ..store.store import Store

# How many rows of an answer go from one connection to another at a time.
_BATCH = 100_000
# Appended where the store has the table class_names.
_CLIP_LICENCE = (
    "; the table class_names is from open_clip, Copyright (c) 2012-2021 Gabriel Ilharco and "
    "others, licensed under MIT"
)
# What no file format has: 128 bits. A sum of integers comes as one, and fits into 64.
_WIDE = ("HUGEINT", "UHUGEINT")


@dataclass(frozen=True, kw_only=True, repr=False)
class Exported(Shown):
    """What was written: `count` of what `counts` names (rows, images, votes, …).

    `out` is the file or folder, None for standard output; `format` is a key of EXPORT_FORMATS in
    exports/registry.py.
    """

    out: Path | None
    format: str
    count: int
    counts: str


@prediction_sets.reading_again
def export(
    what: str,
    out: str | Path,
    *,
    format: str | None = None,  # noqa: A002, as the option is called
    where: str | None = None,
    columns: Sequence[str] | str | None = None,
    predictions: Mapping[str, object] | Iterable[str | Path] | str | Path | None = None,
    with_stored: bool = False,
    threshold: float | None = None,
    scores: str | Path | None = None,
    tables: Mapping[str, object] | None = None,
    force: bool = False,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    **options: object,
) -> Exported:
    """Write a table, a view, a subset of the images, a query's answer, the store or a file of it.

    `what` is the name of a table or view, one SELECT, `store` for all tables, views and stored
    models as one database (DuckDB or SQLite), or a format of its own such as real-json. `out` is
    the file or folder; "-" is standard output. Without `format` the suffix of `out` decides;
    standard output is csv, and a folder of partitions Parquet. A suffix of another format is
    refused. `where` is a condition in SQL; `columns` are those to keep, in their order (a list, or
    text with commas between). The table `predictions` holds the `predictions` (files, stored models
    or a dict, as in `realdb.query`), or without any the stored models; `with_stored` adds these to
    the others. `threshold` and `scores` make the labels, as in `accuracy_table`;
    `tables` are files and frames of your own for a SELECT, as in `realdb.query`. `options` are the
    format's own: partition_by="label" for Parquet.

    The file stands there whole or not at all, and takes another's place only with `force`. Rows
    come by key where the table or view has one. Integers of 128 bits become 64.

    Raises QueryError where WHAT is refused, UsageError where the arguments do not fit together, and
    DataError where the file cannot be written or is there already.

    >>> realdb.export("contested", "contested.csv").count  # doctest: +SKIP
    7223
    """
    import duckdb

    from ..exports import place

    what = what.strip()
    rules = Rules(threshold=threshold, scores=scores)
    target = None if str(out) == "-" else user_path(out)
    chosen = {key: value for key, value in options.items() if value is not None}
    is_partitioned = "partition_by" in chosen
    name = registry.choose(what, target, format, is_partitioned=is_partitioned)
    form = registry.find(name)
    is_folder = form.is_folder or is_partitioned
    _check_options(name, chosen, where=where, columns=columns, rules=rules)
    if where is None and not _reads_predictions(what):
        _refuse_predictions(what, predictions=predictions, with_stored=with_stored)
    if target is not None:
        registry.require_name(name, target, is_folder=is_folder)
        place.require_free(target, is_folder=is_folder, force=force)
    elif is_folder:
        raise UsageError(
            f"{name} writes a folder, which cannot go to standard output",
            parameter="out",
            value="-",
        )
    if tables and not _is_query(what) and where is None:
        raise UsageError(
            f"`tables` are for a SELECT or a condition, and {what} needs none", parameter="tables"
        )
    session = Session(store, tables=None, rules=rules, offline=offline, progress=progress)
    opened, con = session.store, session.con
    try:
        _require_tables(opened, form.reads)
        session.require(read for read in form.reads if read not in TABLES)
        sources = named_sources((), predictions, tables, opened.root, with_stored=with_stored)
        rows, about = None, None
        stored = prediction_sets.files(opened.root)
        if form.takes != "store":
            relation = "image_labels" if registry.is_whole(what) else what
            # A query of the user's is asked on a connection of its own, which can write no file.
            asking = session
            if _is_query(relation) or where is not None:
                asking = Session(opened, tables=None, rules=rules)
            asking.require(_views_of(asking, relation, condition=where))
            models = add_sources(asking, sources, with_stored=with_stored, stored=stored)
            if asking is not session:
                create_views_of(asking, models)
                for table, source in (tables or {}).items():
                    asking.join(table, source)
                asking.lock()
            rows, about = _rows(asking, relation, has_models=bool(sources or stored))
            rows = _narrowed(rows, about, where, _listed(columns))
            _check_columns(rows.columns, name if form.takes == "images" else None)
            if asking is not session:
                session.prepare(stored=True, only=stored)
                con.register("answer", rows.to_arrow_reader(_BATCH))
                rows = con.table("answer")
            # A table: the query runs once, and a COPY whose query fails may hang (DuckDB 2.0.0).
            rows.create(registry.EXPORTED)
            rows = None if registry.is_whole(what) else con.table(registry.EXPORTED)
        else:
            session.prepare(stored=True, only=stored)
        notice = _notice(con, opened, what, where, columns, session.rules)
        if sources:
            notice["realdb_predictions"] = json.dumps(_files_of(sources, with_stored=with_stored))
        placed = (
            place.standard_output(name, is_text=form.is_text)
            if target is None
            else place.aside(target, is_folder=is_folder, force=force, notice=notice)
        )
        with placed as path:
            written = form.write(
                registry.Export(
                    con=con,
                    name=what if about is not None else "rows",
                    rows=rows,
                    about=about,
                    path=path,
                    target=target,
                    install=partial(catalog.install, comment=True),
                    stored=stored,
                    notice=notice,
                    options=chosen,
                )
            )
            if form.count is not None and form.count(path) != written:
                raise DataError(
                    f"{out} has other rows than were written; the disk may be damaged", file=out
                )
    except duckdb.Error as error:
        raise explained(error, opened) from None
    finally:
        con.close()
    return Exported(out=target, format=name, count=written, counts=form.counts)


def _check_options(
    name: str, chosen: dict[str, object], *, where: str | None, columns: object, rules: Rules
) -> None:
    """Raise UsageError where an option is set that the format does not use."""
    form = registry.find(name)
    unknown = [key for key in chosen if key not in form.options]
    if form.takes == "store":
        unknown += [key for key, it in (("where", where), ("columns", columns)) if it is not None]
    if not form.has_threshold:
        unknown += ["threshold"] if rules.threshold not in (None, PUBLISHED_THRESHOLD) else []
        unknown += ["scores"] if rules.scores is not None else []
    if unknown:
        own = ", ".join(f"`{key}`" for key in form.options) or "none"
        raise UsageError(
            f"{name} does not use {', '.join(f'`{key}`' for key in unknown)} (options of its own: "
            f"{own})",
            parameter=unknown[0],
            value=name,
        )


def _reads_predictions(what: str) -> bool:
    """Say whether WHAT may read the table `predictions`."""
    if what in TABLES:
        return what == "predictions" or what in COMPUTED
    if what in catalog.all_names():
        return "predictions" in catalog.tables_of(what)
    return not registry.is_whole(what)


def _refuse_predictions(what: str, *, predictions: object, with_stored: bool) -> None:
    """Raise UsageError where predictions are named, and WHAT reads none of them."""
    if predictions is None and not with_stored:
        return
    name = "with_stored" if predictions is None else "predictions"
    raise UsageError(
        f"{what} does not use `{name}`",
        parameter=name,
        value=what,
        remedy="It has the stored models: store others first with: realdb add FILE"
        if what == "store"
        else "Leave it out",
    )


def _files_of(sources: Mapping[str, PredictionSource], *, with_stored: bool) -> dict[str, Any]:
    """Return what an exported file says of the predictions that were named."""
    from ..ingest.formats import remote
    from ..ingest.locate import StoredModel

    said: dict[str, Any] = {}
    for name, source in sources.items():
        what = source.predictions
        if isinstance(what, StoredModel):
            said[name] = {"stored_model": what.name}
        elif isinstance(what, tuple):
            said[name] = {"file": str(what[0].parent)}
        elif isinstance(what, str | Path):
            said[name] = {"file": str(what)}
            if not remote.is_url(what) and user_path(what).is_file():
                said[name]["sha256"] = checksum(user_path(what))
        else:
            said[name] = {"type": type(what).__name__}
    return {"sources": said, "with_stored": with_stored}


def _require_tables(opened: Store, reads: Sequence[str]) -> None:
    """Raise QueryError, naming the source, where the store does not have a table that is read."""
    for read in reads:
        if read in TABLES and read not in opened.names:
            raise missing_table(read)


def _is_query(what: str) -> bool:
    return what not in TABLES and re.search(r"\s", what) is not None


def _views_of(session: Session, what: str, *, condition: str | None) -> list[str]:
    """Return the views that a table, a view or a SELECT, and a condition on its rows, need."""
    con, opened = session.con, session.store
    if _is_query(what):
        statements.require_select(con, what, explains=False)
        statements.require_reading(con, what)
        # The name of a view may be put together in a function's argument: then all are needed.
        named = statements.views_named(con, what, opened.names)
        views = catalog.allowed(opened.names) if named is None else named
    elif what in TABLES:
        _require_tables(opened, [what])
        views = [COMPUTED[what]] if what in COMPUTED else []
    elif what in catalog.all_names():
        views = [what]
    else:
        known = [*TABLES, *catalog.all_names(), *registry.own_names()]
        raise QueryError(
            f"there is no table, view or subset {what!r}, and it is not a SELECT",
            parameter="what",
            value=what,
            remedy=did_you_mean(
                what,
                known,
                "List them with: realdb views; realdb export --help lists the other formats",
            ),
        )
    if condition is not None:
        query = f"select 1 where ({condition}\n)"
        statements.require_select(con, query, explains=False)
        statements.require_reading(con, query)
        views += statements.views_named(con, query, opened.names) or []
    return views


def _rows(
    session: Session, what: str, *, has_models: bool
) -> tuple[duckdb.DuckDBPyRelation, header.Header | None]:
    """Return the rows of a table, a view or a SELECT, and the header of the first two."""
    if _is_query(what):
        return session.con.sql(what), None
    is_table = what in TABLES
    about = header_of(what) if is_table else catalog.find(what).about
    if about.parameters:
        arguments = ", ".join(about.parameters)
        raise QueryError(
            f"{what} has parameters",
            parameter="what",
            value=what,
            remedy=f'Write a SELECT: "from {what}({arguments})"',
        )
    if _reads_predictions(what) and not has_models:
        root = session.store.root
        raise DataError(
            f"{what} reads the stored models, and no model is stored in {root}",
            file=root,
            remedy='Name a file with `predictions="FILE"`, or store one with: realdb add FILE',
        )
    return session.view(what), about


def _narrowed(
    rows: duckdb.DuckDBPyRelation,
    about: header.Header | None,
    where: str | None,
    columns: Sequence[str] | None,
) -> duckdb.DuckDBPyRelation:
    """Return the rows that meet the condition, by key, with the columns named, in their order."""
    import duckdb

    if where is not None:
        rows = rows.filter(where)
    if about is not None and about.key:
        rows = rows.sort(*map(duckdb.ColumnExpression, about.key))
    kinds = dict(zip(rows.columns, map(str, rows.types), strict=True))
    if columns is not None:
        unknown = [column for column in columns if column not in kinds]
        if unknown or not columns:
            raise QueryError(
                f"there is no column {', '.join(unknown) or 'named'}; there are: "
                f"{', '.join(kinds)}",
                column=next(iter(unknown), None),
                parameter="columns",
            )
    kept = rows.columns if columns is None else columns
    if columns is None and not set(_WIDE) & set(kinds.values()):
        return rows
    return rows.select(
        *(
            duckdb.ColumnExpression(name).cast(duckdb.sqltype("BIGINT")).alias(name)
            if kinds[name] in _WIDE
            else duckdb.ColumnExpression(name)
            for name in kept
        )
    )


def _check_columns(columns: Sequence[str], images: str | None) -> None:
    """Raise QueryError where a column is repeated, or a format of images has no image."""
    registry.require_distinct(columns)
    if images is not None and "image_id" not in columns:
        raise QueryError(f"{images} needs a column image_id", column="image_id")


def _listed(columns: Sequence[str] | str | None) -> list[str] | None:
    """Read a,b; a name with a comma stands in double quotes."""
    if isinstance(columns, str):
        return next(csv.reader([columns], skipinitialspace=True), [])
    return None if columns is None else list(columns)


def _notice(
    con: duckdb.DuckDBPyConnection,
    opened: Store,
    what: str,
    where: str | None,
    columns: Sequence[str] | str | None,
    rules: Rules,
) -> dict[str, str]:
    """Return the metadata of an exported file."""
    sums = con.execute("select file_name, sha256 from sources order by file_name").fetchall()
    query: dict[str, Any] = {"what": what, "where": where, "columns": _listed(columns)}
    if rules.threshold != PUBLISHED_THRESHOLD:
        query["threshold"] = rules.threshold
    if rules.scores is not None:
        query["scores"] = {"file": str(rules.scores), "sha256": checksum(user_path(rules.scores))}
    return {
        "realdb_version": __version__,
        "realdb_build": opened.build_id,
        "realdb_sources": json.dumps(dict(sums)),
        "realdb_query": json.dumps({key: it for key, it in query.items() if it is not None}),
        "license": "The data of Are we done with ImageNet? are licensed under Apache-2.0"
        + _CLIP_LICENCE * ("class_names" in opened.names),
        "citation": "Lucas Beyer et al., Are we done with ImageNet?, arXiv 2006.07159 (2020)",
    }
