"""Make a build: fill its tables, check it, and make it the current one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RealdbWarning, StoreError
from ..schema import quoting
from ..schema.tables import (
    KEPT_TABLES,
    LABEL_SET_TABLES,
    SCHEMA_VERSION,
    TABLES,
    comment_on,
    create_table,
    header_of,
)
from . import files
from .store import BEHIND, BUILD_ID, DATABASE, Store, new_connection, resolve, with_checksum

if TYPE_CHECKING:
    import duckdb

# What the comments of a build's realdb.duckdb say of the tables that the store keeps beside its
# builds, and of the views that read them.
NOTES = {
    "predictions": "The table predictions is empty in this file: the stored models are in the "
    "folder predictions of the store, one Parquet file for each. realdb export store OUT.duckdb "
    "writes a database with them.",
    **dict.fromkeys(
        LABEL_SET_TABLES,
        "The label sets that were added are not in this file: they are in the folders label_sets "
        "and groups of the store. realdb export store OUT.duckdb writes a database with them.",
    ),
}
_LOCK_SECONDS = 600
_KEPT_SECONDS = 24 * 3600


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
        self.connection = new_connection()
        # Two threads keep the peak of memory where it is measured, however many cores there are.
        self.connection.execute("set threads = 2")
        self.parquet_only = parquet_only
        if not parquet_only:
            path = quoting.literal(quoting.file_name(self.folder / DATABASE))
            # Clients older than DuckDB 2.0 refuse the storage version that 2.0 writes by default.
            self.connection.execute(f"attach {path} as build_file (storage_version 'v1.0.0')")
            self.connection.execute("use build_file")
            for table in KEPT_TABLES:
                create_table(self.connection, table)

    @property
    def tables(self) -> list[str]:
        """The tables that hold data."""
        return sorted(self.rows, key=TABLES.index)

    @contextlib.contextmanager
    def table(self, table: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Create a table for the caller to fill in the order of its key; then write its Parquet.

        Raises StoreError where a key is there twice, or a row is not in the Parquet file.
        """
        con = self.connection
        create_table(con, table)
        yield con
        name = quoting.identifier(table)
        key = ", ".join(map(quoting.identifier, header_of(table).key))
        path = self.folder / "tables" / f"{table}.parquet"
        con.table(table).write_parquet(str(path), compression="zstd")
        keys = con.execute(
            f"select count(*) from (select distinct {key} from {name})"  # noqa: S608, both quoted
        ).fetchall()[0][0]
        rows = con.table(table).count("*").fetchall()[0][0]
        written = con.read_parquet(quoting.one_file(path)).count("*").fetchall()[0][0]
        if not rows == keys == written:
            raise StoreError(
                f"the table {table} has {rows:,} rows, {keys:,} keys, {written:,} rows in Parquet",
                value=table,
                count=rows,
            )
        self.rows[table] = rows

    def publish(
        self, install: Callable[[duckdb.DuckDBPyConnection, Collection[str]], None]
    ) -> Store:
        """Make this the current build; `install` takes its tables' names and creates the views."""
        with self.table("build") as con:
            con.execute(
                "insert into build values ($1, $2, $3, $4)",
                [self.build_id, SCHEMA_VERSION, self.realdb_version, self.built_at],
            )
        if not self.parquet_only:
            # One transaction: hundreds of COMMENT ONs, each with a commit of its own, take 0.1 s.
            con.begin()
            install(con, (*self.tables, *KEPT_TABLES))
            for table in (*self.tables, *KEPT_TABLES):
                comment_on(con, "table", table, header_of(table), NOTES.get(table, ""))
            con.commit()
            con.execute("use memory")
            con.execute("detach build_file")
        hashed = [*(self.folder / "tables").iterdir(), self.folder / DATABASE]
        manifest = {
            "build_id": self.build_id,
            "schema_version": SCHEMA_VERSION,
            "realdb_version": self.realdb_version,
            "built_at": self.built_at.isoformat() + "Z",
            "tables": {table: self.rows[table] for table in self.tables},
            # By table; that of realdb.duckdb stands beside them.
            "checksums": {
                path.name.removesuffix(".parquet"): files.checksum(path)
                for path in sorted(hashed)
                if path.exists()
            },
        }
        text = json.dumps(with_checksum(manifest), indent=2) + "\n"
        (self.folder / "manifest.json").write_text(text, encoding="utf-8")
        # Nothing changes them any more, by mistake neither.
        for path in (self.folder / "tables").iterdir():
            path.chmod(0o444)
        files.sync_tree(self.folder)
        self.folder.replace(self.root / "builds" / self.build_id)
        files.sync(self.root / "builds")
        (self.root / BEHIND).touch()
        files.put(self.root / "CURRENT", (self.build_id + "\n").encode("ascii"))
        store = resolve(self.root)
        _copy_database(store)
        _sweep(self.root, self.build_id)
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
        root.mkdir(parents=True, exist_ok=True)
        with _lock(root):
            (root / "builds").mkdir(exist_ok=True)
            _sweep_partial(root)
            build = Build(root, realdb_version, parquet_only=parquet_only)
            try:
                yield build
            finally:
                build.discard()
    except filelock.Timeout:
        raise StoreError(
            f"another ingest has locked {root} for {_LOCK_SECONDS} seconds",
            file=root,
            remedy="Try again when it has ended",
        ) from None
    # A commit that cannot be written is an error of the transaction to DuckDB.
    except (
        OSError,
        duckdb.IOException,
        duckdb.TransactionException,
        duckdb.FatalException,
    ) as error:
        text = " ".join(str(error).split())
        raise StoreError(f"realdb cannot write the store in {root}: {text}", file=root) from error


def _lock(root: Path) -> contextlib.AbstractContextManager[object]:
    """Take the lock of the store, and say so where another process has it first."""
    import warnings

    import filelock

    lock = filelock.FileLock(root / ".lock")
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        warnings.warn(
            f"another realdb process is building the store in {root}; this one waits for it",
            RealdbWarning,
            stacklevel=6,
        )
    return lock.acquire(timeout=_LOCK_SECONDS)


def repair(store: Store) -> None:
    """Make realdb.duckdb that of the current build, where an ingest was killed before it did.

    An ingest that is at work does so itself.
    """
    import filelock

    # A store that cannot be written is read all the same.
    with (
        contextlib.suppress(filelock.Timeout, OSError),
        filelock.FileLock(store.root / ".lock", timeout=0),
    ):
        _copy_database(resolve(store.root))


def _copy_database(store: Store) -> None:
    """Put the build's realdb.duckdb beside it, or remove that of an older build."""
    made = store.folder / DATABASE
    # On Windows another client may hold the old copy open; it is a convenience, not the truth.
    with contextlib.suppress(PermissionError):
        if made.exists():
            files.put(store.root / DATABASE, made)
        else:
            (store.root / DATABASE).unlink(missing_ok=True)
        (store.root / BEHIND).unlink(missing_ok=True)


def _sweep(root: Path, current: str) -> None:
    """Remove the builds that were replaced more than a day ago; other folders are not ours.

    A build was replaced when the next one wrote its manifest.
    """
    import shutil
    import time

    builds = [path for path in (root / "builds").iterdir() if BUILD_ID.fullmatch(path.name)]
    replaced_at = time.time()
    for folder in sorted(builds, key=_written_at, reverse=True):
        if folder.name != current and time.time() - replaced_at > _KEPT_SECONDS:
            if os.name == "nt":  # which removes no file that nobody may write
                for path in folder.glob("tables/*"):
                    path.chmod(0o666)
            shutil.rmtree(folder, ignore_errors=True)
            continue
        replaced_at = _written_at(folder)


def _written_at(build: Path) -> float:
    try:
        return (build / "manifest.json").stat().st_mtime
    except OSError:
        return 0


def _sweep_partial(root: Path) -> None:
    """Remove what a killed ingest left; the lock is held, so nobody is at work in it."""
    import shutil

    for folder in (root / "builds").glob("*.partial"):
        if BUILD_ID.fullmatch(folder.stem):
            shutil.rmtree(folder, ignore_errors=True)
