"""Ask the views of a distributed engine: Apache Spark, or what speaks Spark Connect, as Sail does.

An engine is named by where it is: spark://HOST:PORT (a Spark cluster, driven from here), local[N]
(Spark in this process, with N threads) or sc://HOST:PORT (a server of Spark Connect). PySpark
comes with the extra `realdb[spark]` and is imported only here.

The label side is small: the tables that a question needs are sent over the connection, so that the
store need not be where the engine can see it. The predictions are large: the engine reads them
where they are, flat Parquet files with the columns of the table `predictions`. See docs/scale.md.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import socket
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import DataError, QueryError, RealdbError, UsageError
from ..queries import catalog, dialects
from ..schema.tables import TABLES
from ..store import prediction_sets
from .build import open_store
from .rules import check_rules, judge_by, require_original_labels, rules_for

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from ..ingest.progress import Progress

_LOCAL = re.compile(r"local(\[(\*|[1-9]\d*)\])?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SECONDS = 10
# Rows up to so many bytes are part of the plan: Spark knows how few they are, and so copies them to
# each worker instead of shuffling the predictions. Its own bound for that, 10 MB, stays: with a
# higher one it takes a few hundred compressed prediction files for something small, too.
_SENT = 128 << 20
_SETTINGS = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.execution.arrow.localRelationThreshold": str(_SENT),
    "spark.sql.session.timeZone": "UTC",
}
# Named queries of the views that Spark cannot know to be small, and those that are empty where no
# model gives a second rank: to join with them it would shuffle every prediction.
_ONE_ROW_A_MODEL = frozenset({"ranked"})
_OF_LATER_RANKS = frozenset({"fives", "later_hits"})
_WHOLE = ("byte", "short", "integer", "long")
# Each column of the table `predictions`, and the types of Spark's that it may have in a file.
_COLUMNS = {
    "model": ("string",),
    "image_id": _WHOLE,
    "rank": _WHOLE,
    "label": _WHOLE,
    "confidence": ("double", "float", "void"),
}
_REMEDY = (
    "an engine reads flat Parquet files with the columns model, image_id, rank, label and "
    "confidence, as realdb add writes them to STORE/predictions; other files judge without --engine"
)
_LOOKS = f"The engine looks on its own machines, with its own credentials; {_REMEDY}"


class Engine:
    """A session of an engine, and the tables and views that were put into it."""

    def __init__(self, session: Any, name: str) -> None:
        self.session = session
        self.name = name

    def put(self, table: str, rows: pa.Table) -> None:
        """Send `rows` as the table `table`."""
        from pyspark.sql.pandas.types import from_arrow_schema

        with _asking(self.name):
            # Of no rows PySpark wants to be told the types.
            given = (rows,) if rows.num_rows else ([], from_arrow_schema(rows.schema))
            self.session.createDataFrame(*given).createOrReplaceTempView(table)

    def put_view(
        self,
        name: str,
        select: str,
        parameters: Mapping[str, object] | None = None,
        broadcast: Collection[str] = (),
    ) -> None:
        """Create the view `name` of a SELECT of DuckDB's; `parameters` are bound, by their names.

        `broadcast` names what it joins that is copied to each worker. Views that stand already keep
        what they read, also where `name` is among it.
        """
        with _asking(self.name):
            asked = self._ask(select, parameters, broadcast=broadcast)
            asked.createOrReplaceTempView(name)

    def read_predictions(self, files: Sequence[str], name: str = "predictions") -> None:
        """Have the table `predictions`, or `name`, show Parquet files, patterns or folders.

        Raises DataError where there are none, or where they have other columns or types.
        """
        with _reading(self.name, files):
            found = self.session.read.parquet(*files)
            types = {field.name: field.dataType.typeName() for field in found.schema.fields}
        if not types:  # what Sail makes of a file that is not there
            raise DataError(
                f"{_named(files)} cannot be read by {self.name}: no such file. {_LOOKS}"
            )
        wrong = [
            f"{column} is {types[column]}" if column in types else f"there is no column {column}"
            for column, allowed in _COLUMNS.items()
            if types.get(column) not in allowed
        ]
        if wrong:
            raise DataError(f"{_named(files)}: {'; '.join(wrong)}: {_REMEDY}")
        with _asking(self.name):
            found.select(*_COLUMNS).createOrReplaceTempView(name)

    def check_predictions(self) -> int:
        """Return the highest rank in `predictions`, 0 without any.

        Raises DataError where rows are no predictions, or stand twice.
        """
        of_models = self.query(dialects.prediction_faults()).order("all").fetchall()
        found = [row for row in of_models if any(row[1:4])]
        if not found:
            return max((row[4] for row in of_models), default=0)
        model, missing, outside, repeated, _ = found[0]
        said = [
            f"{count:,} rows {what}"
            for count, what in (
                (missing, "lack a model, image, rank or label"),
                (
                    outside,
                    "have an image other than 1-50000, a label other than 0-999, a rank below 1 or "
                    "NaN for a confidence",
                ),
                (repeated, "have an image and rank that stood before"),
            )
            if count
        ]
        more = f"; {len(found) - 1:,} more models have such rows" if len(found) > 1 else ""
        raise DataError(
            f"predictions of the model {model!r}: {', '.join(said)}{more}. realdb add checks files "
            "row by row, and says which row it is"
        )

    def table(self, name: str) -> duckdb.DuckDBPyRelation:
        """Return the rows of a table or view, brought here."""
        with _asking(self.name):
            return _here(self.session.table(name).toArrow())

    def query(
        self,
        select: str,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, str] | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """Return the answer of a SELECT of DuckDB's, whose rows are brought here.

        `tables` maps names of tables in it to what they are called in the session.
        """
        with _asking(self.name):
            return _here(self._ask(select, parameters, tables).toArrow())

    def _ask(
        self,
        select: str,
        parameters: Mapping[str, object] | None,
        tables: Mapping[str, str] | None = None,
        broadcast: Collection[str] = (),
    ) -> Any:
        text = dialects.spark(select, tables, broadcast)
        return self.session.sql(text, args=dict(parameters or {}))


def _here(rows: pa.Table) -> duckdb.DuckDBPyRelation:
    import duckdb

    con = duckdb.connect()
    con.register("rows", rows)
    con.execute("create table answer as from rows")
    return con.table("answer")


@contextlib.contextmanager
def connect(engine: str) -> Iterator[Engine]:
    """Yield a session of the engine, which ends with the block.

    Raises UsageError where `engine` is no address, or PySpark or Java is missing; DataError where
    nothing answers there.
    """
    is_local = _LOCAL.fullmatch(engine) is not None
    if not is_local and not engine.startswith(("spark://", "sc://")):
        raise UsageError(
            f"an engine is spark://HOST:PORT, sc://HOST:PORT (Spark Connect, Sail) or local[N]; "
            f"not {engine!r}"
        )
    if not is_local:
        _knock(engine)
    with warnings.catch_warnings():
        # Of pandas' version, which is not used, and of what later versions will call things.
        warnings.simplefilter("ignore")
        session, is_ours = _connect(engine) if engine.startswith("sc://") else _classic(engine)
    try:
        yield Engine(session, engine)
    finally:
        if is_ours:
            with contextlib.suppress(Exception):  # the answer is here; a server may be gone
                session.stop()


@contextlib.contextmanager
def judging(
    engine: str,
    files: Sequence[object],
    views: Collection[str],
    *,
    threshold: float,
    empty: str = "skip",
    scores: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    original_for: str | None = None,
    reads: Collection[str] = (),
) -> Iterator[Engine]:
    """Yield an engine with `views` over the store's tables and the predictions in `files`.

    Without files these are the stored models. `reads` are tables that are asked for themselves.
    `threshold`, `empty` and `scores` are as in `accuracy_table`; the labels that they make are made
    here and sent. `original_for` names what is asked that needs the original labels, if anything.
    """
    check_rules(threshold=threshold, empty=empty)
    opened = open_store(store, offline, progress)
    order = catalog.in_order(views, opened.names)
    tables = {*catalog.tables_of(*views), *reads}
    paths = _paths(files, opened.root) if "predictions" in tables else []
    rules = rules_for(threshold=threshold, scores=scores)
    needed = {*tables, *catalog.tables_of(*rules), "images", "questions"}
    with opened.connect(needed) as con, connect(engine) as asked:
        catalog.install(con, opened.names, rules)
        if original_for:
            require_original_labels(con, original_for)
        judge_by(con, threshold=threshold, scores=scores)
        for table in sorted(tables - {"predictions"}):
            asked.put(table, con.table(table).to_arrow_table())
        broadcast = _ONE_ROW_A_MODEL
        if paths:
            asked.read_predictions(paths)
            if asked.check_predictions() == 1:
                broadcast |= _OF_LATER_RANKS
        for view in order:
            if not view.about.parameters:
                asked.put_view(view.name, view.select, broadcast=broadcast)
            if view.name == "scored_predictions" and empty != "skip":
                instead = catalog.find("scored_with_empty").select
                asked.put_view(view.name, instead, {"empty": empty})
        yield asked


def ask(
    engine: str,
    sql: str,
    files: Sequence[str | Path],
    *,
    threshold: float,
    scores: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the answer of one SELECT of DuckDB's, which is translated and runs on the engine.

    Each file is a table named by its stem, and all stand in `predictions`. A view with parameters
    takes them as in DuckDB. Raises QueryError where the query holds what would mean something else
    there.
    """
    sql = dialects.without_macros(sql)
    named = dialects.tables_named(sql)
    found = dialects.faults(sql, is_view=False)
    if found:
        raise QueryError(f"on another engine this would mean something else, or fail: {found[0]}")
    paths = {_stem(file): file for file in files if not glob.has_magic(str(file))}
    own = {name: path for name, path in paths.items() if name.lower() in map(str.lower, named)}
    others = {name.lower() for name in named} - {name.lower() for name in own}
    views = [name for name in sorted(others) if name not in TABLES]
    with judging(
        engine,
        files,
        views,
        threshold=threshold,
        scores=scores,
        store=store,
        offline=offline,
        progress=progress,
        reads=[*(others & {*TABLES}), *(["predictions"] if own else [])],
    ) as asked:
        # Engines differ in how they take a name such as ViT-B.
        tables = {name: f"file_{place}" for place, name in enumerate(own)}
        for name, path in own.items():
            asked.read_predictions(_paths([path], Path()), tables[name])
        return asked.query(sql, tables=tables)


def require_plain(**given: object) -> None:
    """Raise UsageError where an option is given that is for files which realdb reads itself."""
    unfit = [name for name, value in given.items() if value]
    if unfit:
        raise UsageError(f"{', '.join(unfit)}: no such option with --engine: {_REMEDY}")


def _stem(file: str | Path) -> str:
    return PurePosixPath(str(file).replace("\\", "/")).stem


def _paths(files: Sequence[object], root: Path) -> list[str]:
    """Return what the engine is to read; it stands in another folder than this process does."""
    if not files:
        if not prediction_sets.files(root):
            raise DataError(
                f"no model is stored in {root}, and no file is named. Name Parquet files that the "
                "engine can see, or store models with: realdb add FILE"
            )
        return [f"{(root / 'predictions').resolve()}/*.parquet"]
    paths = []
    for given in files:
        if not isinstance(given, str | Path):
            raise UsageError(f"a {type(given).__name__} is not sent to an engine: {_REMEDY}")
        file = str(given)
        if file == "-" or Path(file).suffix.lower() not in ("", ".parquet", ".pq"):
            raise DataError(f"{file}: {_REMEDY}")
        if "/model=" in f"/{file}":
            raise DataError(
                f"{file}: folders model=NAME are read otherwise by every engine (to Spark 001 is "
                f"the number 1): {_REMEDY}"
            )
        paths.append(file if _URL.match(file) else str(Path(file).absolute()))
    return paths


def _connect(engine: str) -> tuple[Any, bool]:
    try:
        from pyspark.sql.connect.session import SparkSession
    except ImportError as error:
        raise _missing(error) from None
    with _asking(engine):
        session = SparkSession.builder.remote(engine).create()
        for name, value in _SETTINGS.items():
            with contextlib.suppress(Exception):  # a server may have fixed it, or not know it
                session.conf.set(name, value)
    return session, True


def _classic(engine: str) -> tuple[Any, bool]:
    import shutil

    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise _missing(error) from None
    running = SparkSession.getActiveSession()
    if running is not None:
        if running.sparkContext.master != engine:
            raise UsageError(
                f"this process has a Spark session at {running.sparkContext.master} already: stop "
                f"it, or name that engine instead of {engine}"
            )
        return running.newSession(), False
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise UsageError(
            f"{engine} needs Java 17 or newer, which is not found here (JAVA_HOME, PATH). Without "
            "Java: sail spark server --port 50051, and --engine sc://127.0.0.1:50051"
        )
    builder = SparkSession.builder.master(engine).appName("realdb")
    for name, value in {
        **_SETTINGS,
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(name, value)
    if _LOCAL.fullmatch(engine):
        # A few large parts: there is no cluster to spread over, and 200 small ones take seconds.
        builder = builder.config("spark.sql.shuffle.partitions", "4")
    with _asking(engine):
        return builder.getOrCreate(), True


def _missing(error: ImportError) -> UsageError:
    return UsageError(
        f"an engine needs PySpark, which is not installed here ({str(error).splitlines()[0]}): "
        "pip install 'realdb[spark]'"
    )


def _knock(engine: str) -> None:
    """Raise DataError where nothing listens: Spark itself would try again for minutes."""
    place = urlsplit(engine.split(",")[0])
    try:
        host, port = place.hostname, place.port or (15002 if place.scheme == "sc" else 7077)
        if not host:
            raise ValueError
    except ValueError:
        raise UsageError(f"{engine!r} names no host and port: sc://HOST:PORT") from None
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise DataError(f"no engine answers at {engine}: {error}") from None


@contextlib.contextmanager
def _asking(engine: str) -> Iterator[None]:
    """Turn the errors of PySpark into one sentence."""
    try:
        yield
    except RealdbError:
        raise
    except Exception as error:
        if not _is_of_spark(error):
            raise
        raise QueryError(f"{engine} refuses it: {_sentence(error)}") from None


@contextlib.contextmanager
def _reading(engine: str, files: Sequence[str]) -> Iterator[None]:
    """Turn what goes wrong as files are found and opened into one sentence."""
    try:
        yield
    except Exception as error:
        if not _is_of_spark(error):
            raise
        raise DataError(
            f"{_named(files)} cannot be read by {engine}: {_sentence(error)}. {_LOOKS}"
        ) from None


def _is_of_spark(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("pyspark", "py4j", "grpc")


def _sentence(error: Exception) -> str:
    """Return what Spark says in a line, without the stack of Java's: the innermost cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    told = [line for line in lines if not line.startswith("An error occurred")]
    said = [*told[:1], *causes][-1] if told else ""
    return said.rstrip(".:") or type(error).__name__


def _named(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1:,} more"
