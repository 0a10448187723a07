"""The store: a folder of builds, each the Parquet tables that one ingest made.

CURRENT                        the id of the build in force, one line
builds/<id>/tables/*.parquet   the tables, never changed afterwards
builds/<id>/manifest.json      what the build is
builds/<id>/realdb.duckdb      tables, views and comments for any DuckDB client
realdb.duckdb                  a copy of the build's; realdb itself never reads it
predictions/                   the stored predictions, of any build: see prediction_sets.py

A build is made in a folder of its own, checked, synced, and comes into force by one atomic rename
of CURRENT. A reader resolves CURRENT once and keeps that build. The previous build stays until the
next one, so that its readers may finish; older ones go.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, RealdbWarning, StoreError, UsageError
from . import header, quoting

if TYPE_CHECKING:
    import threading

    import duckdb

# Raised whenever a .sql file of this folder changes what a store holds; a test compares it with
# fingerprint().
SCHEMA_VERSION = 1

# The order in which a reader meets them: what was labelled, what was asked, who answered.
TABLES = (
    "images",
    "labels",
    "classes",
    "questions",
    "raters",
    "votes",
    "scores",
    "train_files",
    "predictions",
    "sources",
    "build",
)
_FOLDER = Path(__file__).parent
_LOCK_SECONDS = 600
_BUILD_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}(\.partial)?")
_REBUILD = "Rebuild it with: realdb ingest [FOLDER]"
# What open_ahead has begun: the thread, and what it makes.
_ahead: list[tuple[threading.Thread, list[duckdb.DuckDBPyConnection]]] = []


@dataclass(frozen=True, kw_only=True)
class Store:
    """A build in force: `tables` maps each table it holds to its number of rows.

    `checksums` maps it to the SHA-256 of its Parquet file; older builds have none.
    """

    root: Path
    build_id: str
    built_at: str
    realdb_version: str
    tables: dict[str, int]
    checksums: dict[str, str]

    @property
    def folder(self) -> Path:
        """The build's folder."""
        return self.root / "builds" / self.build_id

    @property
    def names(self) -> list[str]:
        """What a view may read here: the tables it holds, and `predictions`."""
        return [*self.tables, "predictions"]

    def parquet(self, table: str) -> Path:
        """Return where a table's Parquet file stands."""
        return self.folder / "tables" / f"{table}.parquet"

    def connect(self, tables: Collection[str] | None = None) -> duckdb.DuckDBPyConnection:
        """Return an in-memory connection that sees the tables, and an empty `predictions`.

        The tables, or just those named, are views over the Parquet files: nothing done on the
        connection changes them.
        Raises StoreError where a file is gone or damaged.
        """
        import duckdb

        con = _connect()
        # A name in a query is a table; it must not reach for a variable of the Python around it.
        con.execute("set python_enable_replacements = false")
        for table in self.tables:
            if tables is not None and table not in tables:
                continue
            try:
                path = quoting.literal(quoting.one_file(self.parquet(table)))
                # By statement: half the time of a relation that becomes a view.
                con.execute(
                    f"create view {quoting.identifier(table)} as "
                    f"from read_parquet({path}, hive_partitioning = false)"
                )
            except duckdb.Error as error:
                raise StoreError(
                    f"the store in {self.root} is damaged: builds/{self.build_id}/tables/{table}"
                    f".parquet cannot be read ({error}). {_REBUILD}"
                ) from None
        create_table(con, "predictions")
        return con


def require_own_folder(root: Path) -> None:
    """Raise StoreError where `root` is somebody else's folder: one that holds other things."""
    is_ours = (root / "CURRENT").is_file() or (root / ".lock").is_file()
    if root.is_dir() and any(root.iterdir()) and not is_ours:
        raise StoreError(
            f"{root} is no store and is not empty, so none is built there. Name another folder "
            "with --store or REALDB_HOME"
        )


def default_root() -> Path:
    """Return the store's folder: REALDB_HOME, else the platform's user data folder."""
    home = os.environ.get("REALDB_HOME")
    if home:
        return Path(home)
    import platformdirs

    return platformdirs.user_data_path("realdb", appauthor=False)


def current(root: Path) -> str | None:
    """Return the id of the build in force in the folder `root`; None where there is none."""
    try:
        return (root / "CURRENT").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def resolve(root: Path) -> Store:
    """Return the build in force in the folder `root`.

    Raises StoreError where there is none, or where another schema version made it.
    """
    try:
        build_id = (root / "CURRENT").read_text(encoding="ascii").strip()
        text = (root / "builds" / build_id / "manifest.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StoreError(
            f"there is no store in {root}. Build one with: realdb ingest [FOLDER], or name another "
            "with --store or REALDB_HOME"
        ) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"the store in {root} cannot be read: {error}. {_REBUILD}") from None
    try:
        manifest = json.loads(text)
        version = manifest["schema_version"]
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"the store in {root} has schema version {version} (made by realdb "
                f"{manifest.get('realdb_version')}), this realdb reads version {SCHEMA_VERSION}. "
                f"{_REBUILD}"
            )
        return Store(
            root=root,
            build_id=build_id,
            built_at=manifest["built_at"],
            realdb_version=manifest["realdb_version"],
            tables=dict(manifest["tables"]),
            checksums=dict(manifest.get("checksums", {})),
        )
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f"the store in {root} is damaged: builds/{build_id}/manifest.json is not what realdb "
            f"writes. {_REBUILD}"
        ) from None


class Build:
    """A build in the making: `connection` writes to its realdb.duckdb, `folder` is its own.

    With `parquet_only` there is no realdb.duckdb: the tables are filled in memory.
    """

    def __init__(self, root: Path, realdb_version: str, *, parquet_only: bool = False) -> None:
        import uuid
        from datetime import UTC, datetime

        now = datetime.now(UTC)
        self.root = root
        self.build_id = f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        self.realdb_version = realdb_version
        self.built_at = now.replace(microsecond=0, tzinfo=None)
        self.folder = root / "builds" / f"{self.build_id}.partial"
        (self.folder / "tables").mkdir(parents=True)
        self.rows: dict[str, int] = {}
        self.connection = _connect()
        # Two threads keep the peak of memory where it is measured, however many cores there are.
        self.connection.execute("set threads = 2")
        self.parquet_only = parquet_only
        if not parquet_only:
            path = quoting.literal(str(self.folder / "realdb.duckdb"))
            # Clients older than DuckDB 2.0 refuse the storage version that 2.0 writes by default.
            self.connection.execute(f"attach {path} as build_file (storage_version 'v1.0.0')")
            self.connection.execute("use build_file")
            create_table(self.connection, "predictions")

    @property
    def tables(self) -> list[str]:
        """The tables that hold data."""
        return sorted(self.rows, key=TABLES.index)

    @contextlib.contextmanager
    def table(self, table: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Create a table for the caller to fill in the order of its key; then write its Parquet.

        Raises StoreError where a key stands twice or the Parquet file lacks a row.
        """
        con = self.connection
        create_table(con, table)
        yield con
        name = quoting.identifier(table)
        key = ", ".join(map(quoting.identifier, about(table).key))
        path = self.folder / "tables" / f"{table}.parquet"
        con.table(table).write_parquet(str(path), compression="zstd")
        keys = con.execute(
            f"select count(*) from (select distinct {key} from {name})"  # noqa: S608, both quoted
        ).fetchall()[0][0]
        rows = con.table(table).count("*").fetchall()[0][0]
        written = con.read_parquet(quoting.one_file(path)).count("*").fetchall()[0][0]
        if not rows == keys == written:
            raise StoreError(
                f"the table {table} has {rows:,} rows, {keys:,} keys, {written:,} rows in Parquet"
            )
        self.rows[table] = rows

    def publish(
        self, install: Callable[[duckdb.DuckDBPyConnection, Collection[str]], None]
    ) -> Store:
        """Put the build in force; `install` is given its tables' names and creates the views."""
        with self.table("build") as con:
            con.execute(
                "insert into build values ($1, $2, $3, $4)",
                [self.build_id, SCHEMA_VERSION, self.realdb_version, self.built_at],
            )
        if not self.parquet_only:
            # One transaction: hundreds of COMMENT ONs, each with a commit of its own, take 0.1 s.
            con.begin()
            install(con, (*self.tables, "predictions"))
            for table in (*self.tables, "predictions"):
                comment(con, "table", table, about(table))
            con.commit()
            con.execute("use memory")
            con.execute("detach build_file")
        manifest = {
            "build_id": self.build_id,
            "schema_version": SCHEMA_VERSION,
            "realdb_version": self.realdb_version,
            "built_at": self.built_at.isoformat() + "Z",
            "tables": {table: self.rows[table] for table in self.tables},
            "checksums": {
                table: checksum(self.folder / "tables" / f"{table}.parquet")
                for table in self.tables
            },
        }
        text = json.dumps(manifest, indent=2) + "\n"
        (self.folder / "manifest.json").write_text(text, encoding="utf-8")
        _sync_tree(self.folder)
        self.folder.replace(self.root / "builds" / self.build_id)
        sync(self.root / "builds")
        previous = current(self.root)
        _put(self.root / "CURRENT", (self.build_id + "\n").encode("ascii"))
        store = resolve(self.root)
        # On Windows another client may hold the old copy open; it is a convenience, not the truth.
        with contextlib.suppress(PermissionError):
            if self.parquet_only:
                (self.root / "realdb.duckdb").unlink(missing_ok=True)  # that of an older build
            else:
                _put(self.root / "realdb.duckdb", store.folder / "realdb.duckdb")
        _sweep(self.root, keep={self.build_id, previous})
        return store

    def discard(self) -> None:
        """Leave nothing of the build behind."""
        import shutil

        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def new_build(root: Path, realdb_version: str, *, parquet_only: bool = False) -> Iterator[Build]:
    """Yield a build in the folder `root`; one that is not published leaves no trace.

    One build at a time is made in a store; a second waits for the first, and warns that it does.
    Raises StoreError where the folder cannot be written or the wait is too long.
    """
    import duckdb
    import filelock

    try:
        (root / "builds").mkdir(parents=True, exist_ok=True)
        with _lock(root):
            _sweep_partial(root)
            build = Build(root, realdb_version, parquet_only=parquet_only)
            try:
                yield build
            finally:
                build.discard()
    except filelock.Timeout:
        raise StoreError(f"another ingest has held {root} for {_LOCK_SECONDS} seconds") from None
    except (OSError, duckdb.IOException) as error:
        raise StoreError(f"the store in {root} cannot be written: {error}") from error


def _lock(root: Path) -> contextlib.AbstractContextManager[object]:
    """Take the lock of the store, and say so where another process has it first."""
    import warnings

    import filelock

    lock = filelock.FileLock(root / ".lock")
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        warnings.warn(
            f"another realdb process is building the store in {root}: waiting for it to finish",
            RealdbWarning,
            stacklevel=6,
        )
    return lock.acquire(timeout=_LOCK_SECONDS)


def create_table(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Create the table `table`, empty, from its .sql file."""
    con.execute(sql_path(table).read_text(encoding="utf-8"))


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sql_path(table: str) -> Path:
    """Return where a table's .sql file stands."""
    return _FOLDER / f"{table}.sql"


def about(table: str) -> header.Header:
    """Return the header of a table's .sql file."""
    text = sql_path(table).read_text(encoding="utf-8")
    return header.parse(text, f"schema/{table}.sql")


def source_of(table: str) -> str:
    """Return the files that a table comes from, in words."""
    return about(table).source


def comment(con: duckdb.DuckDBPyConnection, kind: str, name: str, said: header.Header) -> None:
    """Write a header's summary and column lines into the database, by COMMENT ON."""
    target = quoting.identifier(name)
    con.execute(f"comment on {kind} {target} is {quoting.literal(summary(said))}")
    for column, meaning in said.columns.items():
        place = f"{target}.{quoting.identifier(column)}"
        con.execute(f"comment on column {place} is {quoting.literal(meaning)}")


def summary(said: header.Header) -> str:
    """Return what a header says of the whole, in one line."""
    whole = " ".join(
        f"{label}: {text}."
        for label, text in (
            ("Grain", said.grain),
            ("Key", ", ".join(said.key)),
            ("Rule", said.rule),
            ("Source", said.source),
        )
        if text
    )
    return f"{said.summary} {whole}"


def fingerprint() -> str:
    """Return the SHA-256 of the statements in this folder, their comments left out."""
    import hashlib

    digest = hashlib.sha256()
    for path in sorted(_FOLDER.glob("*.sql")):
        lines = path.read_text(encoding="utf-8").splitlines()
        digest.update("\n".join(line for line in lines if not line.startswith("--")).encode())
    return digest.hexdigest()


def open_ahead() -> None:
    """Start DuckDB in a thread, for the next connection to take up.

    That takes 16 ms, a tenth of `realdb accuracy`, in which Python may go on importing.
    """
    import threading

    import duckdb

    made: list[duckdb.DuckDBPyConnection] = []

    def connect() -> None:
        # What hinders it is said when the connection is asked for.
        with contextlib.suppress(duckdb.Error):
            made.append(duckdb.connect())

    thread = threading.Thread(target=connect)
    thread.start()
    _ahead.append((thread, made))


def _connect() -> duckdb.DuckDBPyConnection:
    """Return a connection to a database in memory of its own."""
    import duckdb

    if _ahead:
        thread, made = _ahead.pop()
        thread.join()
        if made:
            return made.pop()
    return duckdb.connect()


def _put(target: Path, content: bytes | Path) -> None:
    """Write `content`, or a copy of that file, to `target` in one step."""
    import shutil

    with replacing(target) as aside:
        if isinstance(content, Path):
            shutil.copyfile(content, aside)
        else:
            aside.write_bytes(content)


def require_parquet(out: Path, *, force: bool) -> None:
    """Refuse to write a Parquet file at `out` where one is, without `force`, or under a wrong name.

    Raises DataError where `out` is there, UsageError where its name is that of another format.
    """
    if out.suffix.lower() not in ("", ".parquet", ".pq"):
        raise UsageError(
            f"{out} would be a Parquet file by its content: name it {out.stem}.parquet"
        )
    if out.exists() and not force:
        raise DataError(f"{out} is there already; --force replaces it")


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` for the caller to write; then put it there, in one step.

    What stood at `target` stays where anything fails, and nothing is left beside it.
    """
    import uuid

    aside = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield aside
        sync(aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    sync(target.parent)


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def sync(path: Path) -> None:
    """Wait until `path` is on the disk. Windows can sync no folder and needs none for a rename."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(root: Path, keep: set[str | None]) -> None:
    """Remove the builds that are not to be kept; what else stands there is not ours."""
    import shutil

    for folder in (root / "builds").iterdir():
        if _BUILD_NAME.fullmatch(folder.name) and folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep_partial(root: Path) -> None:
    """Remove what a killed ingest left; the lock is held, so nobody is at work in it."""
    import shutil

    for folder in (root / "builds").glob("*.partial"):
        if _BUILD_NAME.fullmatch(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
    for path in (*root.glob("CURRENT.*.partial"), *root.glob("realdb.duckdb.*.partial")):
        path.unlink(missing_ok=True)
