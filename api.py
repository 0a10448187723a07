"""The library calls, one a command: open the store, take files in, ask a view, return the answer.

Rows come back as a DuckDB relation: `.fetchall()`, `.df()`, `.pl()` and `.to_arrow_table()` are all
there, and its repr is a small table. What should be known of a result is warned of as a
RealdbWarning.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DataError, QueryError, RealdbWarning, StoreError, UsageError
from .queries import catalog
from .schema import store as stores

if TYPE_CHECKING:
    import duckdb

    from .ingest.progress import Progress
    from .schema.store import Store

IMAGES = 50_000
PUBLISHED_THRESHOLD = 0.8
EMPTY_RULES = ("skip", "wrong", "original")
# What `by` may name, and the view that answers.
BY = {
    "class": "accuracy_by_class",
    "label-count": "accuracy_by_label_count",
    "animal": "accuracy_by_animal",
}
# A guess is right on about one image in a thousand; the worst real models on about half.
_NEAR_CHANCE = 0.02
# No model agrees with the original labels as closely as the labels themselves do.
_TOO_GOOD = 0.98


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How often a model is right; the fields are the columns of the view `accuracy`.

    Shares are between 0 and 1. A share is None where it cannot be known: top-5 where the
    predictions have no five ranks, original accuracy where the store has no original labels.
    """

    model: str
    real_accuracy: float | None
    real_accuracy_low: float | None
    real_accuracy_high: float | None
    correct_images: int
    scored_images: int
    original_accuracy: float | None
    real_top5_accuracy: float | None
    original_top5_accuracy: float | None
    predicted_images: int


def ingest(
    source: str | Path | None = None,
    *,
    store: str | Path | None = None,
    original: str | Path | None = None,
    original_format: str | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Store:
    """Build the store from the files in `source`, and return it.

    `source` is a folder, or a zip or tar of one; left out, the published files are downloaded (to
    a cache, each checked by its SHA-256). `original` is a file, or a folder tree, of original
    labels to take instead of those in `source`; `original_format` says which form it has where its
    content does not (see ingest.original_labels.FORMATS). `progress` is called with a task, how
    much of it is done, and how much there is.

    Raises DataError where a file is damaged or contradicts another, and StoreError where the store
    cannot be written; the store in force stays as it was.
    """
    from . import __version__
    from .ingest import build, sources
    from .ingest.progress import silent

    progress = progress or silent
    with (
        sources.locate(
            Path(source) if source is not None else None,
            offline=_is_offline(offline),
            progress=progress,
        ) as files,
        stores.new_build(_root(store), __version__) as made,
    ):
        build.load(
            made,
            files,
            original=Path(original) if original is not None else None,
            original_format=original_format,
            progress=progress,
        )
        return made.publish(partial(catalog.install, comment=True))


def connect(
    *,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with every table and every view that the store allows.

    The store is only read: what is done on the connection stays in memory. Builds the store first
    where there is none, unless `offline`.
    """
    opened = _open(store, offline, progress)
    con = opened.connect()
    catalog.install(con, [*opened.tables, "predictions"])
    return con


def info(*, store: str | Path | None = None) -> duckdb.DuckDBPyRelation:
    """Return what the store holds: a row for each table and each file that fills it."""
    opened = stores.resolve(_root(store))
    con = opened.connect()
    return con.sql(
        """
        with held as (
            select
                unnest($tables) as name,
                unnest($rows) as rows,
                generate_subscripts($tables, 1) as place
        ),

        filled as (
            select
                file_name,
                bytes,
                sha256,
                is_published,
                origin,
                unnest(string_split(tables, ', ')) as name
            from sources
        )

        select
            held.name as "table",
            held.rows,
            filled.file_name as file,
            filled.bytes,
            filled.is_published,
            filled.sha256,
            filled.origin
        from held
        left join filled on held.name = filled.name
        order by held.place, filled.file_name
        """,
        params={"tables": list(opened.tables), "rows": list(opened.tables.values())},
    )


def accuracy(
    predictions: object,
    *,
    model: str | None = None,
    threshold: float = PUBLISHED_THRESHOLD,
    empty: str = "skip",
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    require_complete: bool = False,
    store: str | Path | None = None,
    offline: bool | None = None,
) -> Accuracy:
    """Return the ReaL accuracy of one model, with what is needed to trust it.

    `predictions` is a path, an Arrow table, a pandas or Polars frame, a NumPy array of 50,000 class
    ids or of (50000, 1000) logits in file-name order, or a dict of file name to class id. See
    `accuracy_table` for the rest, and for several models.

    >>> realdb.accuracy("ViT.csv").real_accuracy  # doctest: +SKIP
    0.8398701880991524
    """
    rows = accuracy_table(
        predictions,
        model=model,
        threshold=threshold,
        empty=empty,
        columns=columns,
        input_format=input_format,
        require_complete=require_complete,
        store=store,
        offline=offline,
    )
    found = rows.fetchall()
    if len(found) != 1:
        names = ", ".join(row[0] for row in found[:5])
        raise DataError(
            f"there are {len(found)} models in these predictions ({names}"
            f"{', …' if len(found) > 5 else ''}); realdb.accuracy_table gives a row for each"
        )
    return Accuracy(**dict(zip(rows.columns, found[0], strict=True)))


def accuracy_table(
    *predictions: object,
    by: str | None = None,
    model: str | None = None,
    threshold: float = PUBLISHED_THRESHOLD,
    empty: str = "skip",
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    require_complete: bool = False,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the view `accuracy` for the given predictions: a row for each model.

    `by` asks for one of its breakdowns instead: class, label-count or animal. `threshold` judges by
    the labels of another operating point (view `labels_at`). `empty` says what becomes of an image
    without labels: skip leaves it out, as the paper does, wrong counts it as wrong, original judges
    it by its original label. `model`, `columns` and `input_format` are as in `ingest.predictions`.

    Raises DataError where predictions are refused, or do not cover all 50,000 images although
    `require_complete`. Warns where they cover only part, and where a figure looks like a mistake.
    """
    if empty not in EMPTY_RULES:
        raise UsageError(f"empty is one of {', '.join(EMPTY_RULES)}; not {empty!r}")
    if by is not None and by not in BY:
        raise UsageError(f"by is one of {', '.join(BY)}; not {by!r}")
    if not 0 <= threshold <= 1:
        raise UsageError(f"a threshold is between 0 and 1; not {threshold}")
    from .ingest import predictions as reading

    opened = _open(store, offline, progress)
    asked = ["accuracy", *([BY[by]] if by else [])]
    rules = ["labels_at"] if threshold != PUBLISHED_THRESHOLD else []
    con = opened.connect(catalog.tables_of(*asked, *rules))
    for given in predictions:
        reading.add(con, given, model=model, columns=columns, input_format=input_format)
    catalog.install(con, _tables(opened), [*asked, *rules])
    _judge_by(con, threshold=threshold, empty=empty)
    # Kept as a table: a relation would be computed anew each time that it is looked at.
    con.execute("create table answer as from accuracy order by model")
    _look_at(con.table("answer"), require_complete)
    return con.view(BY[by]).order("all") if by else con.table("answer")


def query(
    sql: str,
    *predictions: str | Path,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the answer of one query over the tables, the views and prediction files.

    Each file is a table of its own, named by its stem, and all of them stand in `predictions`.
    Raises QueryError where the query is no SELECT (the store is only read) or DuckDB refuses it.
    """
    import duckdb

    from .ingest import predictions as reading

    opened = _open(store, offline, progress)
    con = opened.connect()
    models = {
        name: reading.add(con, path) for name, path in _names_of(map(Path, predictions)).items()
    }
    for name, those in models.items():
        is_of_file = duckdb.ColumnExpression("model").isin(*map(duckdb.ConstantExpression, those))
        con.table("predictions").filter(is_of_file).create_view(name)
    catalog.install(con, _tables(opened))
    # A name in the query is a table; it must not reach for a variable of the Python around it.
    con.execute("set python_enable_replacements = false")
    try:
        statements = con.extract_statements(sql)
        kinds = [statement.type for statement in statements]
        if kinds == [duckdb.StatementType.EXPLAIN]:  # EXPLAIN ANALYZE runs what it explains
            kinds = [statement.type for statement in con.extract_statements(_explained(sql))]
        if kinds != [duckdb.StatementType.SELECT]:
            raise QueryError(
                "one SELECT is expected (or FROM, WITH, DESCRIBE, SUMMARIZE, EXPLAIN): the store "
                "is only read"
            )
        return con.sql(sql)
    except duckdb.Error as error:
        raise QueryError(_explain(str(error), opened)) from None


def _names_of(paths: Iterable[Path]) -> dict[str, Path]:
    """Map what each file is called in a query to the file; DataError where that name is taken."""
    names: dict[str, Path] = {}
    for path in paths:
        name = "stdin" if str(path) == "-" else path.stem
        # DuckDB tells names by their letters, not by their case.
        if name.lower() in (*stores.TABLES, *catalog.views()):
            raise DataError(
                f"{path}: {name!r} is a table or view of realdb; rename the file to query it"
            )
        for other in names:
            if name.lower() == other.lower():
                raise DataError(
                    f"{names[other]} and {path} would both be the table {name!r}; rename one"
                )
        names[name] = path
    return names


def _explained(sql: str) -> str:
    """Return the statement behind EXPLAIN, EXPLAIN ANALYZE or EXPLAIN (options)."""
    _, _, rest = re.split(r"(\bexplain\b)", sql, maxsplit=1, flags=re.IGNORECASE)
    return re.sub(r"^\s*(analyze\b|\([^)]*\))", "", rest, flags=re.IGNORECASE)


def views(name: str | None = None) -> duckdb.DuckDBPyRelation:
    """Return the catalogue: a row for each table and view, or for each column of the one named.

    Raises QueryError, with the nearest names, where there is none of that name.
    """
    if name is not None:
        about = stores.about(name) if name in stores.TABLES else catalog.find(name).about
        meanings = {**{f"${key}": text for key, text in about.parameters.items()}, **about.columns}
        return _relation(
            column=list(meanings),
            is_key=[column in about.key for column in meanings],
            meaning=list(meanings.values()),
        )
    found = [("table", table, stores.about(table)) for table in stores.TABLES]
    found += [(view.layer, view.name, view.about) for view in catalog.views().values()]
    return _relation(
        kind=[kind for kind, _, _ in found],
        name=[name for _, name, _ in found],
        grain=[about.grain for _, _, about in found],
        about=[about.summary for _, _, about in found],
    )


def view_sql(name: str) -> str:
    """Return the file of the table or view `name`: its header and its statement."""
    path = stores.sql_path(name) if name in stores.TABLES else catalog.find(name).path
    return path.read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A question, the SQL that answers it, and the answer."""

    question: str
    sql: str
    rows: duckdb.DuckDBPyRelation


def demo(
    *,
    synthetic: bool = False,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> list[Example]:
    """Score the original ImageNet labels as if they were a model, and ask three questions more.

    Builds the store first where there is none. With `synthetic` the store is made of generated
    files in the upstream formats, in a folder that does not outlive the call, and needs no network.
    """
    if not synthetic:
        return _examples(_open(store, offline, progress))
    import tempfile

    from .ingest.synthetic import write_synthetic

    with tempfile.TemporaryDirectory() as folder:
        write_synthetic(Path(folder) / "upstream")
        with warnings.catch_warnings():
            # These files are not the published ones, and nobody takes them for those.
            warnings.simplefilter("ignore", RealdbWarning)
            made = ingest(
                Path(folder) / "upstream", store=Path(folder) / "store", progress=progress
            )
        return _examples(made)


def _examples(opened: Store) -> list[Example]:
    con = opened.connect()
    con.execute(
        """
        insert into predictions
        select 'original labels', image_id, 1, original_label, null
        from images
        where original_label is not null
        """
    )
    catalog.install(con, _tables(opened))
    score = "-- How often are the original labels right?\nfrom accuracy"
    return [
        # Executed here: the synthetic store is gone when the caller looks at the rows.
        Example(
            question=sql.splitlines()[0].removeprefix("-- "),
            sql="\n".join(sql.splitlines()[1:]),
            rows=_kept(con.sql(sql)),
        )
        for sql in (score, *catalog.examples())
    ]


def _judge_by(con: duckdb.DuckDBPyConnection, *, threshold: float, empty: str) -> None:
    """Put the labels, and the rule for images without any, in force for the views on `con`."""
    if threshold != PUBLISHED_THRESHOLD:
        catalog.substitute(con, "labels", "labels_at", {"threshold": threshold})
    if empty != "skip":
        catalog.substitute(con, "scored_predictions", "scored_with_empty", {"empty": empty})


def _look_at(accuracies: duckdb.DuckDBPyRelation, require_complete: bool) -> None:
    """Warn of what the reader of these figures should know."""
    for row in accuracies.fetchall():
        result = Accuracy(**dict(zip(accuracies.columns, row, strict=True)))
        if result.predicted_images < IMAGES:
            text = (
                f"{result.model} covers {result.predicted_images:,} of the {IMAGES:,} images; it "
                f"is scored on the {result.scored_images:,} of them that have ReaL labels"
            )
            if require_complete:
                raise DataError(text + ", and --require-complete asks for all")
            warnings.warn(text, RealdbWarning, stacklevel=3)
        if result.original_accuracy is None:
            text = "the store has no original labels, so there is no original accuracy"
            warnings.warn(text, RealdbWarning, stacklevel=3)
        elif result.original_accuracy >= _TOO_GOOD:
            warnings.warn(
                f"{result.model} agrees with the original labels on {result.original_accuracy:.1%} "
                "of the images: are these predictions, or the original labels themselves?",
                RealdbWarning,
                stacklevel=3,
            )
        if result.real_accuracy is not None and result.real_accuracy < _NEAR_CHANCE:
            warnings.warn(
                f"{result.model} is near chance: are its images in another order, or its class ids "
                "others than 0-999 in the order of the sorted WordNet ids?",
                RealdbWarning,
                stacklevel=3,
            )


def _kept(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return `rows` as a relation that no longer needs its files."""
    import duckdb

    return duckdb.connect().from_arrow(rows.to_arrow_table())


def _relation(**columns: list[object]) -> duckdb.DuckDBPyRelation:
    import duckdb
    import pyarrow as pa

    return duckdb.connect().from_arrow(pa.table(columns))


def _open(
    store: str | Path | None, offline: bool | None, progress: Progress | None = None
) -> Store:
    """Return the store in force, building it first where there is none."""
    root = _root(store)
    try:
        return stores.resolve(root)
    except StoreError:
        if (root / "CURRENT").exists():
            raise
        if _is_offline(offline):
            raise StoreError(
                f"there is no store in {root}, and none is built offline (--offline or "
                "REALDB_OFFLINE). Build it from files that you have: realdb ingest FOLDER"
            ) from None
    warnings.warn(
        f"there is no store in {root} yet: building it from the published files, once",
        RealdbWarning,
        stacklevel=3,
    )
    return ingest(store=root, offline=False, progress=progress)


def _root(store: str | Path | None) -> Path:
    return Path(store) if store is not None else stores.default_root()


def _tables(opened: Store) -> list[str]:
    return [*opened.tables, "predictions"]


def _is_offline(offline: bool | None) -> bool:
    if offline is not None:
        return offline
    return os.environ.get("REALDB_OFFLINE", "").lower() not in ("", "0", "false", "no")


def _explain(message: str, opened: Store) -> str:
    """Add to DuckDB's message which source a view that is not there would need."""
    for name in catalog.views():
        if f"with name {name} does not exist" in message:  # a table, or a function with parameters
            try:
                catalog.require(name, _tables(opened))
            except QueryError as error:
                return str(error)
    for table in stores.TABLES:
        if f"Table with name {table} does not exist" in message:
            return f"this store has no table {table}: it comes from {stores.source_of(table)}"
    return message
