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
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import DataError, QueryError, RealdbError, UsageError
from ..queries import catalog, dialects
from ..schema.tables import COMPUTED, TABLES, create_table
from ..store import prediction_sets
from ..store.files import user_path
from ..store.store import new_connection
from .rules import Rules
from .session import Session

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from ..ingest.progress import Progress
    from ..store.store import Store

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
    "An engine reads flat Parquet files with the columns model, image_id, rank, label and "
    "confidence, as realdb add writes them to STORE/predictions. Without `engine` realdb reads "
    "other files too"
)
_LOOKS = f"The engine looks on its own machines, with its own credentials. {_REMEDY}"


class SparkSession:
    """A session of Spark, or of what speaks Spark Connect, with tables and views put into it.

    spark: the session of PySpark
    name: the engine's address
    """

    def __init__(self, spark: Any, name: str) -> None:
        self.spark = spark
        self.name = name

    def put(self, table: str, rows: pa.Table) -> None:
        """Send `rows` as the table `table`."""
        from pyspark.sql.pandas.types import from_arrow_schema

        with _translated_errors(self.name):
            # Of no rows PySpark wants to be told the types.
            given = (rows,) if rows.num_rows else ([], from_arrow_schema(rows.schema))
            self.spark.createDataFrame(*given).createOrReplaceTempView(table)

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
        with _translated_errors(self.name):
            asked = self._ask(select, parameters, broadcast=broadcast)
            asked.createOrReplaceTempView(name)

    def read_predictions(self, files: Sequence[str], name: str = "predictions") -> None:
        """Have the table `predictions`, or `name`, show Parquet files, patterns or folders.

        Raises DataError where there are none, or where they have other columns or types.
        """
        with _reading(self.name, files):
            found = self.spark.read.parquet(*files)
            types = {field.name: field.dataType.typeName() for field in found.schema.fields}
        if not types:  # what Sail makes of a file that is not there
            raise DataError(
                f"{_named(files)} cannot be read by {self.name}: no such file",
                file=files[0],
                remedy=_LOOKS,
            )
        wrong = [
            f"{column} is {types[column]}" if column in types else f"there is no column {column}"
            for column, allowed in _COLUMNS.items()
            if types.get(column) not in allowed
        ]
        if wrong:
            raise DataError(
                f"{_named(files)}: {'; '.join(wrong)}",
                file=files[0],
                column=next(name for name in _COLUMNS if types.get(name) not in _COLUMNS[name]),
                remedy=_REMEDY,
            )
        with _translated_errors(self.name):
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
        faults = [
            f"{count:,} rows {what}"
            for count, what in (
                (missing, "have no model, image, rank or label"),
                (
                    outside,
                    "have an image other than 1-50000, a label other than 0-999, a rank below 1 or "
                    "NaN for a confidence",
                ),
                (repeated, "repeat an image and rank"),
            )
            if count
        ]
        more = f"; {len(found) - 1:,} more models have such rows" if len(found) > 1 else ""
        raise DataError(
            f"predictions of the model {model!r}: {', '.join(faults)}{more}",
            column="model",
            value=model,
            count=missing + outside + repeated,
            remedy="realdb add checks files row by row, and names the rows",
        )

    def table(self, name: str) -> duckdb.DuckDBPyRelation:
        """Return the rows of a table or view, brought here."""
        with _translated_errors(self.name):
            return _here(self.spark.table(name).toArrow())

    def query(
        self,
        select: str,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, str] | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """Return the answer of a SELECT of DuckDB's, whose rows are brought here.

        `tables` maps names of tables in it to what they are called in the session.
        """
        with _translated_errors(self.name):
            return _here(self._ask(select, parameters, tables).toArrow())

    def _ask(
        self,
        select: str,
        parameters: Mapping[str, object] | None,
        tables: Mapping[str, str] | None = None,
        broadcast: Collection[str] = (),
    ) -> Any:
        text = dialects.spark(select, tables, broadcast)
        return self.spark.sql(text, args=dict(parameters or {}))


def _here(rows: pa.Table) -> duckdb.DuckDBPyRelation:
    import duckdb

    con = duckdb.connect()
    con.register("rows", rows)
    con.execute("create table answer as from rows")
    return con.table("answer")


@contextlib.contextmanager
def connect(engine: str) -> Iterator[SparkSession]:
    """Yield a session of the engine, which ends with the block.

    Raises UsageError where `engine` is no address, or PySpark or Java is missing; DataError where
    nothing answers there.
    """
    is_local = _LOCAL.fullmatch(engine) is not None
    if not is_local and not engine.startswith(("spark://", "sc://")):
        raise UsageError(
            f"`engine` is {engine!r}; it is spark://HOST:PORT, sc://HOST:PORT (Spark Connect, "
            "Sail) or local[N]",
            parameter="engine",
            value=engine,
        )
    if not is_local:
        _knock(engine)
    with warnings.catch_warnings():
        # Of pandas' version, which is not used, and of what later versions will call things.
        warnings.simplefilter("ignore")
        session, is_ours = _connect(engine) if engine.startswith("sc://") else _classic(engine)
    try:
        yield SparkSession(session, engine)
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
    rules: Rules,
    store: Store | str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    original_for: str | None = None,
    tables: Collection[str] = (),
) -> Iterator[SparkSession]:
    """Yield a Spark session with `views` over the store's tables and the predictions in `files`.

    Without files these are the stored models. `tables` are those that the question reads itself.
    The labels that `rules` make are made here and sent. `original_for` names what needs the
    original labels, if anything does.
    """
    views = [*views, *(view for table, view in COMPUTED.items() if table in tables)]
    needed = {*catalog.tables_of(*views), *tables}
    # What images without labels count as is decided there, with the predictions.
    here = replace(rules, empty="skip")
    session = Session(store, tables=needed, rules=here, offline=offline, progress=progress)
    order = catalog.in_order(views, session.store.names)
    paths = _paths(files, session.store.root) if "predictions" in needed else []
    with session, connect(engine) as there:
        session.prepare(original_for=original_for or rules.original_for)
        for table in sorted(needed - {"predictions", *COMPUTED}):
            there.put(table, session.view(table).to_arrow_table())
        broadcast = _ONE_ROW_A_MODEL
        if paths:
            there.read_predictions(paths)
            if there.check_predictions() == 1:
                broadcast |= _OF_LATER_RANKS
        for view in order:
            if not view.about.parameters:
                there.put_view(view.name, view.select, broadcast=broadcast)
            if view.name == "scored_predictions" and rules.empty != "skip":
                instead = catalog.find("scored_with_unlabeled_rule").select
                there.put_view(view.name, instead, {"empty": rules.empty})
            if view.name == COMPUTED["paired_tests"]:
                there.put("paired_tests", _paired_tests(there))
        yield there


def ask(
    engine: str,
    sql: str,
    files: Sequence[str | Path],
    *,
    rules: Rules,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the answer of one SELECT of DuckDB's, which is translated and runs on the engine.

    Each file is a table named by its stem, and `predictions` has the rows of all of them. A view
    with parameters takes them as in DuckDB. Raises QueryError where the query holds what would mean
    something else there.
    """
    sql = dialects.without_macros(sql)
    named = dialects.tables_named(sql)
    found = dialects.faults(sql, is_view=False)
    if found:
        raise QueryError(f"on another engine this would mean something else, or fail: {found[0]}")
    paths = {_stem(file): file for file in files if not glob.has_magic(str(file))}
    own = {name: path for name, path in paths.items() if name.lower() in map(str.lower, named)}
    others = {name.lower() for name in named} - {name.lower() for name in own}
    with judging(
        engine,
        files,
        [name for name in sorted(others) if name not in TABLES],
        rules=rules,
        store=store,
        offline=offline,
        progress=progress,
        tables=[*(others & {*TABLES}), *(["predictions"] if own else [])],
    ) as there:
        # Engines differ in how they take a name such as ViT-B.
        names = {name: f"file_{place}" for place, name in enumerate(own)}
        for name, path in own.items():
            there.read_predictions(_paths([path], Path()), names[name])
        return there.query(sql, tables=names)


def _paired_tests(there: SparkSession) -> pa.Table:
    """Return the table `paired_tests`, computed here from the engine's `paired_counts`."""
    from ..stats import paired

    counts = there.table("paired_counts").to_arrow_table()
    with new_connection() as here:
        here.register("paired_counts", counts)
        create_table(here, "paired_tests")
        paired.show_tests(here)
        return here.table("paired_tests").to_arrow_table()


def require_plain(**options: object) -> None:
    """Raise UsageError where an option is set that is for files which realdb reads itself."""
    unfit = [name for name, value in options.items() if value]
    if unfit:
        raise UsageError(
            f"{', '.join(f'`{name}`' for name in unfit)} cannot be used with `engine`",
            parameter=unfit[0],
            remedy=_REMEDY,
        )


def _stem(file: str | Path) -> str:
    return PurePosixPath(str(file).replace("\\", "/")).stem


def _paths(files: Sequence[object], root: Path) -> list[str]:
    """Return what the engine is to read; it stands in another folder than this process does."""
    if not files:
        if not prediction_sets.files(root):
            raise DataError(
                f"no model is stored in {root}, and no file is named",
                file=root,
                remedy="Name Parquet files that the engine can see, or store models with: realdb "
                "add FILE",
            )
        return [f"{(root / 'predictions').resolve()}/*.parquet"]
    paths = []
    for source in files:
        if not isinstance(source, str | Path):
            raise UsageError(
                f"predictions in memory, here a {type(source).__name__}, are not sent to an engine",
                value=type(source).__name__,
                remedy=_REMEDY,
            )
        file = str(source)
        if file == "-" or Path(file).suffix.lower() not in ("", ".parquet", ".pq"):
            raise DataError(f"{file} is not a Parquet file by its name", file=file, remedy=_REMEDY)
        if "/model=" in f"/{file}":
            raise DataError(
                f"{file}: every engine reads folders model=NAME in its own way (to Spark 001 is "
                "the number 1)",
                file=file,
                remedy=_REMEDY,
            )
        paths.append(file if _URL.match(file) else str(user_path(file).absolute()))
    return paths


def _connect(engine: str) -> tuple[Any, bool]:
    try:
        from pyspark.sql.connect.session import SparkSession as RemoteSpark
    except ImportError as error:
        raise _missing(error) from None
    with _translated_errors(engine):
        session = RemoteSpark.builder.remote(engine).create()
        for name, value in _SETTINGS.items():
            with contextlib.suppress(Exception):  # a server may have fixed it, or not know it
                session.conf.set(name, value)
    return session, True


def _classic(engine: str) -> tuple[Any, bool]:
    import shutil

    try:
        from pyspark.sql import SparkSession as Spark
    except ImportError as error:
        raise _missing(error) from None
    running = Spark.getActiveSession()
    if running is not None:
        if running.sparkContext.master != engine:
            raise UsageError(
                f"this process already has a Spark session at {running.sparkContext.master}",
                parameter="engine",
                value=engine,
                remedy=f"Stop it, or name that engine instead of {engine}",
            )
        return running.newSession(), False
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise UsageError(
            f"{engine} needs Java 17 or newer, which was not found (JAVA_HOME, PATH)",
            parameter="engine",
            value=engine,
            remedy="Without Java: run sail spark server, and name it by "
            '`engine="sc://127.0.0.1:50051"`',
        )
    builder = Spark.builder.master(engine).appName("realdb")
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
    with _translated_errors(engine):
        return builder.getOrCreate(), True


def _missing(error: ImportError) -> UsageError:
    return UsageError(
        f"an engine needs PySpark, which cannot be imported ({str(error).splitlines()[0]})",
        parameter="engine",
        remedy="Install it with: pip install 'realdb[spark]'",
    )


def _knock(engine: str) -> None:
    """Raise DataError where nothing listens: Spark itself would try again for minutes."""
    place = urlsplit(engine.split(",")[0])
    try:
        host, port = place.hostname, place.port or (15002 if place.scheme == "sc" else 7077)
        if not host:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"`engine` is {engine!r}, without a host and port",
            parameter="engine",
            value=engine,
            remedy="Name them, as in sc://HOST:PORT",
        ) from None
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise DataError(
            f"no engine answers at {engine}: {error}", parameter="engine", value=engine
        ) from None


@contextlib.contextmanager
def _translated_errors(engine: str) -> Iterator[None]:
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
            f"{_named(files)} cannot be read by {engine}: {_sentence(error)}",
            file=files[0],
            remedy=_LOOKS,
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
