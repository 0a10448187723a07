"""Export tables, views, queries, or the whole store to a file."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, QueryError, UsageError, did_you_mean
from ..exports import registry
from ..queries import catalog, statements
from ..schema import header
from ..schema.tables import COMPUTED, LABEL_SET_TABLES, TABLES, header_of
from ..store import kept, prediction_sets
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

# The number of rows in a batch between two connections.
_BATCH = 100_000
# Appended if the store has the table class_names.
_CLIP_LICENCE = (
    "; the table class_names is from open_clip, Copyright (c) 2012-2021 Gabriel Ilharco and "
    "others, licensed under MIT"
)
# Integers of 128 bits, which no file format has. DuckDB returns sums as such. They fit 64 bits.
_WIDE = ("HUGEINT", "UHUGEINT")


@dataclass(frozen=True, kw_only=True, repr=False)
class Exported(Shown):
    """The written file: the number `count` of the things `counts` (rows, images, votes, …).

    `out` is the file or folder, None for standard output. `format` is a key of EXPORT_FORMATS in
    exports/registry.py.
    """

    out: Path | None
    format: str
    count: int
    counts: str


@kept.reading_again
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
    label_set: str | None = None,
    tables: Mapping[str, object] | None = None,
    force: bool = False,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    **options: object,
) -> Exported:
    """Write a table, a view, a subset of the images, the result of a query, or the whole store.

    `what` is the name of a table or view, one SELECT, `store` for a database of all tables, views
    and stored models (DuckDB or SQLite), or an own format such as real-json. `out` is the file or
    folder; "-" is standard output. The default `format` is that of the suffix of `out`; for
    standard output it is csv, and for a folder of partitions Parquet. A suffix of another format is
    refused. `where` is a condition in SQL. `columns` are the columns to write, in their order (a
    list, or text with commas). The table `predictions` holds `predictions` (files, stored models or
    a dict, as in `realdb.query`). Without them it holds the stored models; `with_stored` adds these
    to `predictions`. `threshold` and `scores` set the labels, as in `accuracy_table`. `label_set`
    is a stored label set or `original`, and its correct labels replace the ReaL labels. `tables`
    are files and frames for a SELECT, as in `realdb.query`. `options` are those of the format, such
    as partition_by="label" for Parquet.

    The write is atomic, and replaces a file only with `force`. Rows are ordered by the key of the
    table or view, if there is one. Integers of 128 bits are cast to 64 bits.

    Raises QueryError if `what` is invalid, UsageError if the arguments do not fit together, and
    DataError if the file exists or cannot be written.

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
    _check_options(name, chosen, where=where, columns=columns, rules=rules, label_set=label_set)
    if where is None and not _reads_predictions(what):
        _refuse_predictions(what, predictions=predictions, with_stored=with_stored)
    if target is not None:
        registry.require_name(name, target, is_folder=is_folder)
        place.require_free(target, is_folder=is_folder, force=force)
    elif is_folder:
        raise UsageError(
            f"{name} writes a folder, so `out` cannot be standard output",
            parameter="out",
            value="-",
        )
    if label_set is not None and (threshold is not None or scores is not None):
        raise UsageError(
            "`label_set` cannot be combined with `threshold` or `scores`, which make ReaL labels",
            parameter="label_set",
            value=label_set,
        )
    if tables and not _is_query(what) and where is None:
        raise UsageError(
            f"`tables` can be used only with a SELECT or `where`, and {what} is neither",
            parameter="tables",
        )
    session = Session(store, tables=None, rules=rules, offline=offline, progress=progress)
    opened, con = session.store, session.con
    use_labels(con, label_set)
    try:
        _require_tables(opened, form.reads)
        session.require(read for read in form.reads if read not in TABLES)
        sources = named_sources((), predictions, tables, opened.root, with_stored=with_stored)
        rows, about = None, None
        stored = prediction_sets.files(opened.root)
        if form.takes != "store":
            relation = "image_labels" if registry.is_whole(what) else what
            # The user's query runs on a separate connection that cannot write files.
            asking = session
            if _is_query(relation) or where is not None:
                asking = Session(opened, tables=None, rules=rules)
                use_labels(asking.con, label_set)
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
            # Use a table: the query runs once, and a COPY of a failing query may hang (DuckDB
            # 2.0.0).
            rows.create(registry.EXPORTED)
            rows = None if registry.is_whole(what) else con.table(registry.EXPORTED)
        else:
            session.prepare(stored=True, only=stored)
        notice = _notice(con, opened, what, where, columns, session.rules, label_set)
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
                    f"{out} does not have the rows that were written. Check the disk", file=out
                )
    except duckdb.Error as error:
        raise explained(error, opened) from None
    finally:
        con.close()
    return Exported(out=target, format=name, count=written, counts=form.counts)


def use_labels(con: duckdb.DuckDBPyConnection, name: str | None) -> None:
    """Replace the table labels by the correct labels of a label set. None keeps the ReaL labels.

    An image's labels are ordered by score, the highest first. Raises DataError, with the nearest
    names, if the label set is unknown.
    """
    if name is None or name == "real":
        return
    query = """
        select image_id, original_label as label, cast(0 as smallint) as position
        from images
        where original_label is not null
    """
    if name != "original":
        known = con.execute("select label_set from stored_label_sets order by label_set").fetchall()
        names = [one for (one,) in known]
        if name not in names:
            raise DataError(
                f"the store has no label set {name!r}",
                value=name,
                count=len(names),
                parameter="label_set",
                remedy=did_you_mean(name, names, "List them with: realdb labels list"),
            )
        query = """
            select
                image_id,
                label,
                cast(
                    row_number() over (partition by image_id order by score desc, label) - 1
                    as smallint
                ) as position
            from stored_assessments
            where label_set = $name and verdict = 'correct'
        """
    parameters = None if name == "original" else {"name": name}
    catalog.replace(con, "labels", con.sql(query, params=parameters))


def _check_options(
    name: str,
    chosen: dict[str, object],
    *,
    where: str | None,
    columns: object,
    rules: Rules,
    label_set: str | None,
) -> None:
    """Raise UsageError if an option is set that the format does not use."""
    form = registry.find(name)
    unknown = [key for key in chosen if key not in form.options]
    if form.takes == "store":
        unknown += [key for key, it in (("where", where), ("columns", columns)) if it is not None]
    if not form.has_threshold:
        unknown += ["threshold"] if rules.threshold not in (None, PUBLISHED_THRESHOLD) else []
        unknown += ["scores"] if rules.scores is not None else []
        unknown += ["label_set"] if label_set is not None else []
    if unknown:
        own = ", ".join(f"`{key}`" for key in form.options) or "none"
        raise UsageError(
            f"the format {name} does not use {', '.join(f'`{key}`' for key in unknown)}. Its "
            f"options: {own}",
            parameter=unknown[0],
            value=name,
        )


def _reads_predictions(what: str) -> bool:
    """Return whether `what` may read the table `predictions`."""
    if what in TABLES:
        return what == "predictions" or what in COMPUTED
    if what in catalog.all_names():
        return "predictions" in catalog.tables_of(what)
    return not registry.is_whole(what)


def _refuse_predictions(what: str, *, predictions: object, with_stored: bool) -> None:
    """Raise UsageError if predictions are set that `what` does not read."""
    if predictions is None and not with_stored:
        return
    name = "with_stored" if predictions is None else "predictions"
    raise UsageError(
        f"{what} does not use `{name}`",
        parameter=name,
        value=what,
        remedy="The store has the stored models. Store others first with: realdb add FILE"
        if what == "store"
        else "Remove it",
    )


def _files_of(sources: Mapping[str, PredictionSource], *, with_stored: bool) -> dict[str, Any]:
    """Return the sources of predictions for the metadata of an exported file."""
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
    """Raise QueryError, with the source file, if the store lacks a table that is read."""
    for read in reads:
        if read in TABLES and read not in opened.names:
            raise missing_table(read)


def _is_query(what: str) -> bool:
    return what not in TABLES and re.search(r"\s", what) is not None


def _views_of(session: Session, what: str, *, condition: str | None) -> list[str]:
    """Return the views that `what` and a condition on its rows need."""
    con, opened = session.con, session.store
    if _is_query(what):
        statements.require_select(con, what, explains=False)
        statements.require_reading(con, what)
        # None means that the names of views are computed in the query. Then all are needed.
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
            f"{what!r} is not a table, a view, a subset or a SELECT",
            parameter="what",
            value=what,
            remedy=did_you_mean(
                what,
                known,
                "List them with: realdb views. realdb export --help lists the other formats",
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
    """Return the rows of `what`, and the header of a table or view."""
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
            remedy=f'Use a SELECT: "from {what}({arguments})"',
        )
    if _reads_predictions(what) and not has_models:
        root = session.store.root
        raise DataError(
            f"{what} reads the stored models, but no model is stored in {root}",
            file=root,
            remedy='Set `predictions="FILE"`, or store a model with: realdb add FILE',
        )
    return session.view(what), about


def _narrowed(
    rows: duckdb.DuckDBPyRelation,
    about: header.Header | None,
    where: str | None,
    columns: Sequence[str] | None,
) -> duckdb.DuckDBPyRelation:
    """Return the rows that meet `where`, ordered by key, with `columns` in their order."""
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
                f"there is no column {', '.join(unknown)}. The columns are: {', '.join(kinds)}"
                if unknown
                else f"`columns` is empty. The columns are: {', '.join(kinds)}",
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
    """Raise QueryError if a column is repeated, or a format of images has no column image_id."""
    registry.require_distinct(columns)
    if images is not None and "image_id" not in columns:
        raise QueryError(f"the format {images} needs a column image_id", column="image_id")


def _listed(columns: Sequence[str] | str | None) -> list[str] | None:
    """Read a,b. A name with a comma must be in double quotes."""
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
    label_set: str | None,
) -> dict[str, str]:
    """Return the metadata of an exported file."""
    sums = con.execute("select file_name, sha256 from sources order by file_name").fetchall()
    query: dict[str, Any] = {"what": what, "where": where, "columns": _listed(columns)}
    if rules.threshold != PUBLISHED_THRESHOLD:
        query["threshold"] = rules.threshold
    if rules.scores is not None:
        query["scores"] = {"file": str(rules.scores), "sha256": checksum(user_path(rules.scores))}
    if label_set is not None:
        query["label_set"] = label_set
    licences, citations = _of_label_sets(con, what, label_set)
    return {
        "realdb_version": __version__,
        "realdb_build": opened.build_id,
        "realdb_sources": json.dumps(dict(sums)),
        "realdb_query": json.dumps({key: it for key, it in query.items() if it is not None}),
        "license": "The data of Are we done with ImageNet? are licensed under Apache-2.0"
        + _CLIP_LICENCE * ("class_names" in opened.names)
        + "".join(licences),
        "citation": "Lucas Beyer et al., Are we done with ImageNet?, arXiv 2006.07159 (2020)"
        + "".join(citations),
    }


def _of_label_sets(
    con: duckdb.DuckDBPyConnection, what: str, label_set: str | None
) -> tuple[list[str], list[str]]:
    """Return the licences and citations of the label sets that may be in an exported file."""
    if what in TABLES:
        reads = {what}
    elif what in catalog.all_names():
        reads = catalog.tables_of(what)
    else:
        reads = {*LABEL_SET_TABLES} if what == "store" or _is_query(what) else set()
    rows = con.execute(
        """
        select label_set, licence, citation
        from stored_label_sets
        where label_set = $1 or $2
        order by label_set
        """,
        [label_set, bool(reads & {*LABEL_SET_TABLES})],
    ).fetchall()
    licences = [f"; those of {name} under {licence}" for name, licence, _ in rows if licence]
    return licences, [f"; {name}: {citation}" for name, _, citation in rows if citation]
