"""The store: a folder of builds. Each build has the Parquet tables of one ingest.

CURRENT                        the id of the current build, one line
builds/<id>/tables/*.parquet   the tables, which never change
builds/<id>/manifest.json      facts about the build, and the SHA-256 of its files
builds/<id>/realdb.duckdb      tables, views and comments for any DuckDB client
realdb.duckdb                  a copy of the current build's; realdb itself never reads it
predictions/                   the stored predictions, for all builds: see prediction_sets.py

A build is created in its own folder, checked and synced. Then an atomic rename of CURRENT makes it
the current build. A reader reads CURRENT once and keeps this build. The next ingest removes builds
that were replaced more than a day ago. The others are kept for their readers.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..schema import quoting
from ..schema.tables import COMPUTED, KEPT_TABLES, LABEL_SET_TABLES, SCHEMA_VERSION, create_table
from . import temporary
from .files import checksum, user_path

if TYPE_CHECKING:
    import threading

    import duckdb

# The id of a build: its time, and a random part.
BUILD_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
# The database for other clients: one in each build, and a copy of the current one in the store.
DATABASE = "realdb.duckdb"
# The file that marks the store's realdb.duckdb as possibly older than the current build.
BEHIND = ".realdb.duckdb-is-behind"
_REBUILD = "Build it again with: realdb ingest [FOLDER]"
# Optimizers of DuckDB that are disabled for the views.
# common_subplan: DuckDB 2.0.0 hung on a LIMIT over a shared plan. docs/performance.md has times
# without it.
# partial_aggregate_pushdown: it groups equal votes before a join. There are none, so the recomputed
# scores take twice as long.
DISABLED_OPTIMIZERS = "common_subplan,partial_aggregate_pushdown"
# The keys in the manifest of an older realdb, which has no checksum of itself.
_UNCHECKED = {
    *("build_id", "schema_version", "realdb_version", "built_at", "tables", "checksums"),
}
# The tables that a session fills.
_OF_SESSIONS = (*KEPT_TABLES, *COMPUTED)
# The thread of open_ahead, and its connection.
_ahead: list[tuple[threading.Thread, list[duckdb.DuckDBPyConnection]]] = []


@dataclass(frozen=True, kw_only=True)
class Store:
    """The current build. `tables` maps each of its tables to the number of rows.

    A store is also a path: its folder.

    `checksums` maps each table, and realdb.duckdb, to the SHA-256 of its file. Older builds have no
    checksums.
    """

    root: Path
    build_id: str
    built_at: str
    realdb_version: str
    tables: dict[str, int]
    checksums: dict[str, str]

    def __fspath__(self) -> str:
        """Return the store's folder, so that a store can be named by itself."""
        return str(self.root)

    @property
    def folder(self) -> Path:
        """The build's folder."""
        return self.root / "builds" / self.build_id

    @property
    def names(self) -> list[str]:
        """The tables that a view may read: those of the build, and those that a session fills."""
        return [*self.tables, *_OF_SESSIONS]

    def parquet(self, table: str) -> Path:
        """Return the path of a table's Parquet file."""
        return self.folder / "tables" / f"{table}.parquet"

    def require_whole(self, table: str) -> None:
        """Raise StoreError if the file of a table is not the one that the build wrote.

        This reads the whole file each time. All tables take 3 ms.
        """
        expected = self.checksums.get(table)
        if expected is None:  # a build of an older realdb
            return
        try:
            found = checksum(self.parquet(table))
        except OSError as error:
            found = error.strerror or str(error)
        if found != expected:
            raise StoreError(
                f"the store in {self.root} is damaged: builds/{self.build_id}/tables/{table}"
                f".parquet is not the file that the build wrote (sha256 {found[:24]}, expected "
                f"{expected[:24]})",
                file=self.parquet(table),
                value=table,
                remedy=_REBUILD,
            )

    def connect(self, tables: Collection[str] | None = None) -> duckdb.DuckDBPyConnection:
        """Return an in-memory connection with the tables and an empty table `predictions`.

        All tables, or only `tables`, are views over the Parquet files. Statements on the connection
        do not change the files. The tables that are kept beside builds are empty. Raises StoreError
        if a file is missing or damaged.
        """
        import duckdb

        con = new_connection()
        # A name in a query must be a table, not a variable of the calling Python code.
        con.execute("set python_enable_replacements = false")
        for table in self.tables:
            if tables is not None and table not in tables:
                continue
            self.require_whole(table)
            try:
                path = quoting.literal(quoting.one_file(self.parquet(table)))
                # A statement takes half the time of a relation with create_view.
                con.execute(
                    f"create view {quoting.identifier(table)} as "
                    f"from read_parquet({path}, hive_partitioning = false)"
                )
            except duckdb.Error as error:
                raise StoreError(
                    f"the store in {self.root} is damaged: realdb cannot read "
                    f"builds/{self.build_id}/tables/{table}.parquet ({error})",
                    file=self.root,
                    value=table,
                    remedy=_REBUILD,
                ) from None
        for table in _OF_SESSIONS:
            if tables is None or table not in LABEL_SET_TABLES or table in tables:
                create_table(con, table)
        return con


def require_own_folder(root: Path) -> None:
    """Raise StoreError if the folder `root` has files, but no store."""
    is_empty = not root.is_dir() or not any(root.iterdir())
    # Check this last: another process may be at its first ingest, which first creates the lock.
    is_ours = (root / "CURRENT").is_file() or (root / ".lock").is_file()
    if not is_empty and not is_ours:
        raise StoreError(
            f"{root} contains other files and no store, so no store is built there",
            file=root,
            parameter="store",
            remedy="Set another folder with `store` or REALDB_HOME",
        )


def default_root() -> Path:
    """Return the store's folder: REALDB_HOME, else the platform's user data folder."""
    home = os.environ.get("REALDB_HOME")
    if home:
        return user_path(home)
    import platformdirs

    return platformdirs.user_data_path("realdb", appauthor=False)


def current(root: Path) -> str | None:
    """Return the id of the current build in the folder `root`; None if there is none."""
    try:
        return (root / "CURRENT").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def resolve(root: Path) -> Store:
    """Return the current build in the folder `root`.

    Raises StoreError if there is none, or if it has another schema version.
    """
    try:
        build_id = (root / "CURRENT").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise StoreError(
            f"there is no store in {root}",
            file=root,
            parameter="store",
            remedy="Build one with: realdb ingest [FOLDER], or set another folder with `store` or "
            "REALDB_HOME",
        ) from None
    except (OSError, ValueError) as error:
        raise _unreadable(root, root / "CURRENT", error) from None
    if not BUILD_ID.fullmatch(build_id):
        raise StoreError(
            f"the store in {root} is damaged: CURRENT contains {build_id[:40]!r}, which is not the "
            "id of a build",
            file=root / "CURRENT",
            value=build_id[:40],
            remedy=_REBUILD,
        )
    path = root / "builds" / build_id / "manifest.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unreadable(root, path, error) from None
    try:
        manifest = json.loads(text)
        version = manifest["schema_version"]
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"the store in {root} has schema version {version} (built by realdb "
                f"{manifest.get('realdb_version')}), but this realdb reads only version "
                f"{SCHEMA_VERSION}",
                file=root,
                value=version,
                remedy=_REBUILD,
            )
        # Without a checksum, either an older realdb wrote the manifest or its key is damaged.
        if manifest != with_checksum(manifest) and not {*manifest} <= _UNCHECKED:
            raise ValueError
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
            f"the store in {root} is damaged: builds/{build_id}/manifest.json is not a valid "
            "manifest",
            file=path,
            remedy=_REBUILD,
        ) from None


def is_behind(root: Path) -> bool:
    """Return whether the realdb.duckdb of the current build was not copied yet."""
    return (root / BEHIND).exists()


def with_checksum(manifest: Mapping[str, object]) -> dict[str, object]:
    """Return a manifest with the SHA-256 of its other entries."""
    import hashlib

    content = {name: value for name, value in manifest.items() if name != "checksum"}
    text = json.dumps(content, sort_keys=True)
    return content | {"checksum": hashlib.sha256(text.encode()).hexdigest()}


def _unreadable(root: Path, path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"the store in {root} is damaged: realdb cannot read {path.relative_to(root).as_posix()} "
        f"({getattr(error, 'strerror', None) or error})",
        file=path,
        remedy=_REBUILD,
    )


def open_ahead() -> None:
    """Start DuckDB in a thread, for the next connection.

    The start takes 16 ms, a tenth of `realdb accuracy`. Python imports modules meanwhile.
    """
    import threading

    import duckdb

    made: list[duckdb.DuckDBPyConnection] = []

    def connect() -> None:
        # Errors are raised later, by the call that needs the connection.
        with contextlib.suppress(duckdb.Error):
            made.append(settle(duckdb.connect()))

    thread = threading.Thread(target=connect)
    thread.start()
    _ahead.append((thread, made))


def new_connection() -> duckdb.DuckDBPyConnection:
    """Return a connection to a new in-memory database with realdb's settings."""
    import duckdb

    return _opened_ahead() or settle(duckdb.connect())


def settle(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Apply realdb's settings to a new connection, and return it."""
    import duckdb

    # By default DuckDB spills into the working folder, and leaves the files if it is killed.
    folder = temporary.spill()
    con.execute("set temp_directory = $1", [str(folder or "")])
    # A later DuckDB without one of these optimizers rejects the setting, which is not essential.
    with contextlib.suppress(duckdb.ParserException):
        con.execute(f"set disabled_optimizers = '{DISABLED_OPTIMIZERS}'")
    return con


def _opened_ahead() -> duckdb.DuckDBPyConnection | None:
    """Return the connection of open_ahead; None if there is none."""
    if not _ahead:
        return None
    thread, made = _ahead.pop()
    thread.join()
    return made.pop() if made else None


def lock(con: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> None:
    """Restrict a connection permanently to `files`, without extensions.

    DuckDB can also write the files that it can read. queries/statements.py checks statements by
    their parse trees.
    """
    # Readers treat a path as a pattern. Allow both the path and its escaped pattern.
    paths = [name for file in files for name in (str(file), quoting.one_file(file))]
    listed = ", ".join(map(quoting.literal, dict.fromkeys(paths)))
    con.execute(f"set allowed_paths = [{listed}]")
    con.execute("set python_enable_replacements = false")
    con.execute("set autoinstall_known_extensions = false")
    con.execute("set autoload_known_extensions = false")
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")
