"""Create a build: fill its tables, check it, and make it the current one."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RealdbWarning, StoreError, counted
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

# Notes in the comments of a build's realdb.duckdb, on the tables that the store keeps beside its
# builds. The comments of views that read these tables have them too.
NOTES = {
    "predictions": "The table predictions is empty in this file: the stored models are in the "
    "folder predictions of the store, one Parquet file for each. realdb export store OUT.duckdb "
    "writes a database with them.",
    **dict.fromkeys(
        LABEL_SET_TABLES,
        "The added label sets and groups are not in this file. They are in the folders label_sets "
        "and groups of the store. realdb export store OUT.duckdb writes a database with them.",
    ),
}
_LOCK_SECONDS = 600
_KEPT_SECONDS = 24 * 3600


class Build:
    """A new build. `connection` writes to realdb.duckdb in its `folder`.

    With `parquet_only` there is no realdb.duckdb, and the tables are filled in memory.
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
        self.parquet_only = parquet_only

    @functools.cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection, opened for the first table: many source files are refused before it."""
        con = new_connection()
        # Two threads limit the peak memory, also on machines with many cores.
        con.execute("set threads = 2")
        if not self.parquet_only:
            path = quoting.literal(quoting.file_name(self.folder / DATABASE))
            # Clients older than DuckDB 2.0 cannot read the default storage version of 2.0.
            con.execute(f"attach {path} as build_file (storage_version 'v1.0.0')")
            con.execute("use build_file")
            for table in KEPT_TABLES:
                create_table(con, table)
        return con

    @property
    def tables(self) -> list[str]:
        """The tables that hold data."""
        return sorted(self.rows, key=TABLES.index)

    @contextlib.contextmanager
    def table(self, table: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Create a table for the caller to fill in the order of its key; then write its Parquet.

        Raises StoreError if a key is repeated, or a row is missing from the Parquet file.
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
                f"the table {table} has {counted(rows, 'row')}, {counted(keys, 'distinct key')}, "
                f"and {counted(written, 'row')} in its Parquet file. These must be equal",
                value=table,
                count=rows,
            )
        self.rows[table] = rows

    def publish(
        self, install: Callable[[duckdb.DuckDBPyConnection, Collection[str]], None]
    ) -> Store:
        """Make this the current build. `install` creates the views for a list of table names."""
        with self.table("build") as con:
            con.execute(
                "insert into build values ($1, $2, $3, $4)",
                [self.build_id, SCHEMA_VERSION, self.realdb_version, self.built_at],
            )
        if not self.parquet_only:
            # Use one transaction: hundreds of separate COMMENT ON statements take 0.1 s.
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
            # By table, and for realdb.duckdb.
            "checksums": {
                path.name.removesuffix(".parquet"): files.checksum(path)
                for path in sorted(hashed)
                if path.exists()
            },
        }
        text = json.dumps(with_checksum(manifest), indent=2) + "\n"
        (self.folder / "manifest.json").write_text(text, encoding="utf-8")
        # Read-only files prevent changes by mistake.
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
        """Remove all files of the build."""
        import shutil

        if "connection" in vars(self):
            self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def new_build(root: Path, realdb_version: str, *, parquet_only: bool = False) -> Iterator[Build]:
    """Yield a build in the folder `root`. Remove it afterwards if it was not published.

    A store has one build in progress at a time. A second one warns, and waits for the first. Raises
    StoreError if the folder cannot be written or the wait is too long.
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
            remedy="Try again after it has ended",
        ) from None
    # DuckDB raises a TransactionException if a commit cannot be written.
    except (
        OSError,
        duckdb.IOException,
        duckdb.TransactionException,
        duckdb.FatalException,
    ) as error:
        text = " ".join(str(error).split())
        raise StoreError(f"realdb cannot write the store in {root}: {text}", file=root) from error


def _lock(root: Path) -> contextlib.AbstractContextManager[object]:
    """Take the lock of the store. Warn if another process holds it."""
    import warnings

    import filelock

    lock = filelock.FileLock(root / ".lock")
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        warnings.warn(
            f"another realdb process is building the store in {root}. Waiting for it",
            RealdbWarning,
            stacklevel=6,
        )
    return lock.acquire(timeout=_LOCK_SECONDS)


def repair(store: Store) -> None:
    """Copy realdb.duckdb from the current build, if an ingest was killed before it did.

    A running ingest does so itself.
    """
    import filelock

    # A read-only store can still be read.
    with (
        contextlib.suppress(filelock.Timeout, OSError),
        filelock.FileLock(store.root / ".lock", timeout=0),
    ):
        _copy_database(resolve(store.root))


def _copy_database(store: Store) -> None:
    """Copy the build's realdb.duckdb to the store's folder, or remove that of an older build."""
    made = store.folder / DATABASE
    # On Windows another client may have the old copy open. realdb itself does not need the copy.
    with contextlib.suppress(PermissionError):
        if made.exists():
            files.put(store.root / DATABASE, made)
        else:
            (store.root / DATABASE).unlink(missing_ok=True)
        (store.root / BEHIND).unlink(missing_ok=True)


def _sweep(root: Path, current: str) -> None:
    """Remove the builds that were replaced more than a day ago. Keep all other folders.

    A build is replaced when the next one writes its manifest.
    """
    import shutil
    import time

    builds = [path for path in (root / "builds").iterdir() if BUILD_ID.fullmatch(path.name)]
    replaced_at = time.time()
    for folder in sorted(builds, key=_written_at, reverse=True):
        if folder.name != current and time.time() - replaced_at > _KEPT_SECONDS:
            if os.name == "nt":  # Windows does not remove read-only files
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
    """Remove the files of a killed ingest. The caller holds the lock, so no other ingest runs."""
    import shutil

    for folder in (root / "builds").glob("*.partial"):
        if BUILD_ID.fullmatch(folder.stem):
            shutil.rmtree(folder, ignore_errors=True)
