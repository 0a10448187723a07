"""Run views and queries on a distributed engine: Apache Spark, or a server of Spark Connect.

The address of an engine is spark://HOST:PORT (a Spark cluster with its driver here), local[N]
(Spark in this process with N threads) or sc://HOST:PORT (Spark Connect, such as Sail). PySpark is
in the extra `realdb[spark]`. Only this module imports it.

The label tables are small. They are sent over the connection, so the engine need not read the
store. The predictions are large. The engine reads them itself, from flat Parquet files with the
columns of the table `predictions`. See docs/scale.md.
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
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import DataError, QueryError, RealdbError, UsageError, counted
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
# Rows up to this number of bytes are part of the plan. Spark knows their size, and copies them to
# each worker instead of shuffling the predictions. Its own limit for copies, 10 MB, is unchanged:
# with a higher one Spark also copies a few hundred compressed prediction files.
_SENT = 128 << 20
_SETTINGS = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.execution.arrow.localRelationThreshold": str(_SENT),
    "spark.sql.session.timeZone": "UTC",
}
# CTEs of the views whose small size Spark cannot know, and those that are empty if no model has a
# second rank. To join them Spark would shuffle all predictions.
_ONE_ROW_A_MODEL = frozenset({"ranked"})
_OF_LATER_RANKS = frozenset({"fives", "later_hits"})
_WHOLE = ("byte", "short", "integer", "long")
# The columns of the table `predictions`, and their possible Spark types in a file.
_COLUMNS = {
    "model": ("string",),
    "image_id": _WHOLE,
    "rank": _WHOLE,
    "label": _WHOLE,
    "confidence": ("double", "float", "void"),
}
_REMEDY = (
    "With `engine`, use flat Parquet files with the columns model, image_id, rank, label and "
    "confidence. realdb add writes such files to STORE/predictions. Other formats can be read "
    "without `engine`"
)
_LOOKS = f"The engine reads from its own machines, with its own credentials. {_REMEDY}"


class SparkSession:
    """A session of Spark or Spark Connect with realdb's tables and views.

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
            # PySpark cannot infer the types of an empty table.
            given = (rows,) if rows.num_rows else ([], from_arrow_schema(rows.schema))
            self.spark.createDataFrame(*given).createOrReplaceTempView(table)

    def put_view(
        self,
        name: str,
        select: str,
        parameters: Mapping[str, object] | None = None,
        broadcast: Collection[str] = (),
    ) -> None:
        """Create the view `name` of a SELECT in DuckDB's dialect; `parameters` are bound by name.

        `broadcast` are joined relations to copy to each worker. Existing views keep the relations
        that they read, also if one of these is replaced.
        """
        with _translated_errors(self.name):
            asked = self._ask(select, parameters, broadcast=broadcast)
            asked.createOrReplaceTempView(name)

    def read_predictions(self, files: Sequence[str], name: str = "predictions") -> None:
        """Create the table `name` of Parquet files, patterns or folders.

        Raises DataError if there are no files, or if they have other columns or types.
        """
        with _reading(self.name, files):
            found = self.spark.read.parquet(*files)
            types = {field.name: field.dataType.typeName() for field in found.schema.fields}
        if not types:  # Sail's result for a missing file
            raise DataError(
                f"{self.name} cannot read {_named(files)}: no such file",
                file=files[0],
                remedy=_LOOKS,
            )
        wrong = [
            f"the column {column} has type {types[column]}"
            if column in types
            else f"the column {column} is missing"
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
        """Return the highest rank in `predictions`; 0 if the table is empty.

        Raises DataError for invalid or repeated rows.
        """
        of_models = self.query(dialects.prediction_faults()).order("all").fetchall()
        found = [row for row in of_models if any(row[1:4])]
        if not found:
            return max((row[4] for row in of_models), default=0)
        model, missing, outside, repeated, _ = found[0]
        faults = [
            f"{counted(count, 'row')} {what}"
            for count, what in (
                (missing, "without model, image, rank or label"),
                (
                    outside,
                    "with an image outside 1-50000, a label outside 0-999, a rank below 1 or a NaN "
                    "confidence",
                ),
                (repeated, "with a repeated image and rank"),
            )
            if count
        ]
        more = f". {counted(len(found) - 1, 'more model')} with such rows" if len(found) > 1 else ""
        raise DataError(
            f"the predictions of the model {model!r} have {', '.join(faults)}{more}",
            column="model",
            value=model,
            count=missing + outside + repeated,
            remedy="Find the rows with: realdb add FILE",
        )

    def table(self, name: str) -> duckdb.DuckDBPyRelation:
        """Return the rows of a table or view as a local relation."""
        with _translated_errors(self.name):
            return _here(self.spark.table(name).toArrow())

    def query(
        self,
        select: str,
        parameters: Mapping[str, object] | None = None,
        tables: Mapping[str, str] | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """Return the rows of a SELECT in DuckDB's dialect as a local relation.

        `tables` maps names of tables in the SELECT to their names in the session.
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
    """Yield a session of the engine, and close it after the block.

    Raises UsageError if `engine` is not an address, or PySpark or Java is missing. Raises DataError
    if there is no connection.
    """
    is_local = _LOCAL.fullmatch(engine) is not None
    if not is_local and not engine.startswith(("spark://", "sc://")):
        raise UsageError(
            f"`engine` is {engine!r}. It must be spark://HOST:PORT, sc://HOST:PORT (Spark Connect, "
            "Sail) or local[N]",
            parameter="engine",
            value=engine,
        )
    if not is_local:
        _knock(engine)
    with warnings.catch_warnings():
        # Ignore warnings on the version of pandas, which is not used, and deprecations.
        warnings.simplefilter("ignore")
        session, is_ours = _connect(engine) if engine.startswith("sc://") else _classic(engine)
    try:
        yield SparkSession(session, engine)
    finally:
        if is_ours:
            with contextlib.suppress(Exception):  # the rows are local; the server may be gone
                session.stop()


@contextlib.contextmanager
def judging(
    engine: str,
    files: Sequence[object],
    views: Collection[str],
    *,
    rules: Rules,
    store: Store | str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
    original_for: str | None = None,
    tables: Collection[str] = (),
) -> Iterator[SparkSession]:
    """Yield a Spark session with `views` over the store's tables and the predictions in `files`.

    The default `files` are the stored models. `tables` are further tables to send. `rules` are
    applied here, and the resulting labels are sent. `original_for` is what needs the original
    labels, if anything does.
    """
    views = [*views, *(view for table, view in COMPUTED.items() if table in tables)]
    needed = {*catalog.tables_of(*views), *tables}
    # The engine applies the rule for images without labels, because it has the predictions.
    here = replace(rules, empty="skip", average="micro")
    is_other = rules.empty != "skip"
    session = Session(store, tables=needed, rules=here, offline=offline, progress=progress)
    for name in views:
        rules.require_view(name)
    order = catalog.in_order(views, session.store.names)
    session.require(["judged_images"] if is_other else [])
    paths = _paths(files, session.store.root) if "predictions" in needed else []
    with session, connect(engine) as there:
        session.prepare(original_for=original_for or rules.original_for)
        for table in sorted(needed - {"predictions", *COMPUTED}):
            there.put(table, session.view(table).to_arrow_table())
        if is_other:
            there.put("judged_images", session.view("judged_images").to_arrow_table())
        broadcast = _ONE_ROW_A_MODEL
        if paths:
            there.read_predictions(paths)
            if there.check_predictions() == 1:
                broadcast |= _OF_LATER_RANKS
        for view in order:
            is_mean = view.name == "accuracy" and rules.average == "class"
            select = catalog.find("accuracy_class_average").select if is_mean else view.select
            if not view.about.parameters and not (is_other and view.name == "judged_images"):
                there.put_view(view.name, select, broadcast=broadcast)
            if view.name == "scored_predictions" and is_other:
                instead = catalog.find("scored_with_unlabeled_rule").select
                there.put_view(view.name, instead, {"empty": rules.empty})
            for table, counts in COMPUTED.items():
                if view.name == counts:
                    there.put(table, _tests(there, table, counts))
        yield there


def ask(
    engine: str,
    sql: str,
    files: Sequence[str | Path],
    *,
    rules: Rules,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Translate one SELECT in DuckDB's dialect, run it on the engine, and return its rows.

    Each file is a table, named by its stem. `predictions` has the rows of all files. Views with
    parameters are called as in DuckDB. Raises QueryError if a part of the query has another meaning
    on the engine.
    """
    sql = dialects.without_macros(sql)
    named = dialects.tables_named(sql)
    found = dialects.faults(sql, is_view=False)
    if found:
        raise QueryError(f"the query would fail or change its meaning on the engine: {found[0]}")
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
        # Engines treat names such as ViT-B differently.
        names = {name: f"file_{place}" for place, name in enumerate(own)}
        for name, path in own.items():
            there.read_predictions(_paths([path], Path()), names[name])
        return there.query(sql, tables=names)


def _tests(there: SparkSession, table: str, counts: str) -> pa.Table:
    """Return a computed table, computed here from the engine's view of counts."""
    from ..stats import paired

    rows = there.table(counts).to_arrow_table()
    with new_connection() as here:
        here.register(counts, rows)
        create_table(here, table)
        paired.show_tests(here)
        return here.table(table).to_arrow_table()


def require_plain(**options: object) -> None:
    """Raise UsageError if an option is set that only realdb's own reader supports."""
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
    """Return absolute paths for the engine, whose working folder is another one."""
    if not files:
        if not prediction_sets.files(root):
            raise DataError(
                f"there are no predictions: no file is set, and no model is stored in {root}",
                file=root,
                remedy="Pass Parquet files that the engine can read, or store models with: realdb "
                "add FILE",
            )
        return [f"{(root / 'predictions').resolve()}/*.parquet"]
    paths = []
    for source in files:
        if not isinstance(source, str | Path):
            raise UsageError(
                f"`engine` cannot be used with predictions in memory (a {type(source).__name__})",
                value=type(source).__name__,
                remedy=_REMEDY,
            )
        file = str(source)
        if file == "-" or Path(file).suffix.lower() not in ("", ".parquet", ".pq"):
            raise DataError(
                f"{file} does not have the suffix of a Parquet file", file=file, remedy=_REMEDY
            )
        if "/model=" in f"/{file}":
            raise DataError(
                f"{file} has a folder model=NAME, which engines read differently (Spark reads 001 "
                "as the number 1)",
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
            with contextlib.suppress(Exception):  # a server may not support this setting
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
                remedy=f"Stop it, or use that address instead of {engine}",
            )
        return running.newSession(), False
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise UsageError(
            f"{engine} needs Java 17 or newer, which was not found (JAVA_HOME, PATH)",
            parameter="engine",
            value=engine,
            remedy='Install Java, or run sail spark server and set `engine="sc://127.0.0.1:50051"`',
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
        # Few partitions: there is no cluster, and the default of 200 takes seconds.
        builder = builder.config("spark.sql.shuffle.partitions", "4")
    with _translated_errors(engine):
        return builder.getOrCreate(), True


def _missing(error: ImportError) -> UsageError:
    return UsageError(
        f"`engine` needs PySpark, which cannot be imported ({str(error).splitlines()[0]})",
        parameter="engine",
        remedy="Install it with: pip install 'realdb[spark]'",
    )


def _knock(engine: str) -> None:
    """Raise DataError if there is no server. Spark itself would retry for minutes."""
    place = urlsplit(engine.split(",")[0])
    try:
        host, port = place.hostname, place.port or (15002 if place.scheme == "sc" else 7077)
        if not host:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"`engine` is {engine!r}, which has no valid host and port",
            parameter="engine",
            value=engine,
            remedy="Use an address such as sc://HOST:PORT",
        ) from None
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise DataError(
            f"there is no connection to {engine}: {error}", parameter="engine", value=engine
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
        raise QueryError(f"{engine} failed: {_sentence(error)}") from None


@contextlib.contextmanager
def _reading(engine: str, files: Sequence[str]) -> Iterator[None]:
    """Turn the errors of finding and opening files into one sentence."""
    try:
        yield
    except Exception as error:
        if not _is_of_spark(error):
            raise
        raise DataError(
            f"{engine} cannot read {_named(files)}: {_sentence(error)}",
            file=files[0],
            remedy=_LOOKS,
        ) from None


def _is_of_spark(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("pyspark", "py4j", "grpc")


def _sentence(error: Exception) -> str:
    """Return the innermost cause in Spark's message as one line, without Java's stack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    told = [line for line in lines if not line.startswith("An error occurred")]
    said = [*told[:1], *causes][-1] if told else ""
    return said.rstrip(".:") or type(error).__name__


def _named(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1:,} more"
