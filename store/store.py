"""The store: a folder of builds, each the Parquet tables that one ingest made.

CURRENT                        the id of the current build, one line
builds/<id>/tables/*.parquet   the tables, never changed afterwards
builds/<id>/manifest.json      what the build is, and the SHA-256 of its files
builds/<id>/realdb.duckdb      tables, views and comments for any DuckDB client
realdb.duckdb                  a copy of the build's; realdb itself never reads it
predictions/                   the stored predictions, of any build: see prediction_sets.py

A build is made in a folder of its own, checked and synced. One atomic rename of CURRENT makes it
the current one. A reader resolves CURRENT once and keeps that build. A build that was replaced less
than a day ago stays, so that its readers may finish; older ones are removed by the next ingest.
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
from ..schema.tables import COMPUTED, SCHEMA_VERSION, create_table
from . import temporary
from .files import checksum, user_path

if TYPE_CHECKING:
    import threading

    import duckdb

# What a build is called: when it was made, and a random part.
BUILD_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
# What other clients read: of each build one, and a copy of the current build's beside the builds.
DATABASE = "realdb.duckdb"
# A file that is there as long as the realdb.duckdb of the store may be that of an older build.
BEHIND = ".realdb.duckdb-is-behind"
_REBUILD = "Rebuild it with: realdb ingest [FOLDER]"
# What DuckDB's optimizer must not do to a query over the views.
# common_subplan: DuckDB 2.0.0 waits for ever where a LIMIT stands over a plan that it has shared.
# partial_aggregate_pushdown: it counts equal votes before they are joined; there are none, and the
# recomputed scores take twice as long.
DISABLED_OPTIMIZERS = "common_subplan,partial_aggregate_pushdown"
# What the manifest of an older realdb holds, which had no checksum of its own.
_UNCHECKED = {
    *("build_id", "schema_version", "realdb_version", "built_at", "tables", "checksums"),
}
# The tables that a session fills.
_OF_SESSIONS = ("predictions", *COMPUTED)
# What open_ahead has begun: the thread, and what it makes.
_ahead: list[tuple[threading.Thread, list[duckdb.DuckDBPyConnection]]] = []


@dataclass(frozen=True, kw_only=True)
class Store:
    """The current build: `tables` maps each table it holds to its number of rows.

    `checksums` maps it to the SHA-256 of its Parquet file, and realdb.duckdb to its own; older
    builds have none.
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
        """What a view may read in a session: the tables it holds, and those of the session."""
        return [*self.tables, *_OF_SESSIONS]

    def parquet(self, table: str) -> Path:
        """Return the path of a table's Parquet file."""
        return self.folder / "tables" / f"{table}.parquet"

    def require_whole(self, table: str) -> None:
        """Raise StoreError where the file of a table is not the one that the build wrote.

        A time stamp is no reason to skip this: all tables take 3 ms.
        """
        expected = self.checksums.get(table)
        if expected is None:  # an older realdb kept none
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
        """Return an in-memory connection that sees the tables, and the empty ones of a session.

        The tables, or just those named, are views over the Parquet files: nothing done on the
        connection changes them.
        Raises StoreError where a file is gone or damaged.
        """
        import duckdb

        con = new_connection()
        # A name in a query is a table; it must not reach for a variable of the Python around it.
        con.execute("set python_enable_replacements = false")
        for table in self.tables:
            if tables is not None and table not in tables:
                continue
            self.require_whole(table)
            try:
                path = quoting.literal(quoting.one_file(self.parquet(table)))
                # By statement: half the time of a relation that becomes a view.
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
            create_table(con, table)
        return con


def require_own_folder(root: Path) -> None:
    """Raise StoreError where `root` is somebody else's folder: one that holds other things."""
    is_empty = not root.is_dir() or not any(root.iterdir())
    # In this order: another process may be at its first ingest, and begins with the lock.
    is_ours = (root / "CURRENT").is_file() or (root / ".lock").is_file()
    if not is_empty and not is_ours:
        raise StoreError(
            f"{root} holds other files and no store, so realdb builds none there",
            file=root,
            parameter="store",
            remedy="Name another folder with `store` or REALDB_HOME",
        )


def default_root() -> Path:
    """Return the store's folder: REALDB_HOME, else the platform's user data folder."""
    home = os.environ.get("REALDB_HOME")
    if home:
        return user_path(home)
    import platformdirs

    return platformdirs.user_data_path("realdb", appauthor=False)


def current(root: Path) -> str | None:
    """Return the id of the current build in the folder `root`; None where there is none."""
    try:
        return (root / "CURRENT").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def resolve(root: Path) -> Store:
    """Return the current build in the folder `root`.

    Raises StoreError where there is none, or where another schema version made it.
    """
    try:
        build_id = (root / "CURRENT").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise StoreError(
            f"there is no store in {root}",
            file=root,
            parameter="store",
            remedy="Build one with: realdb ingest [FOLDER], or name another with `store` or "
            "REALDB_HOME",
        ) from None
    except (OSError, ValueError) as error:
        raise _unreadable(root, root / "CURRENT", error) from None
    if not BUILD_ID.fullmatch(build_id):
        raise StoreError(
            f"the store in {root} is damaged: CURRENT names the build {build_id[:40]!r}, which is "
            "no name that realdb gives to a build",
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
                f"the store in {root} has schema version {version} (made by realdb "
                f"{manifest.get('realdb_version')}), and this realdb reads version "
                f"{SCHEMA_VERSION}",
                file=root,
                value=version,
                remedy=_REBUILD,
            )
        # Without a checksum an older realdb wrote it, or the name of the checksum is damaged.
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
            f"the store in {root} is damaged: builds/{build_id}/manifest.json has another form "
            "than realdb writes",
            file=path,
            remedy=_REBUILD,
        ) from None


def is_behind(root: Path) -> bool:
    """Say whether an ingest that made the current build has not copied its realdb.duckdb yet."""
    return (root / BEHIND).exists()


def with_checksum(manifest: Mapping[str, object]) -> dict[str, object]:
    """Return a manifest with the SHA-256 of all that it says otherwise."""
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
    """Start DuckDB in a thread, for the next connection to take up.

    That takes 16 ms, a tenth of `realdb accuracy`, in which Python may go on importing.
    """
    import threading

    import duckdb

    made: list[duckdb.DuckDBPyConnection] = []

    def connect() -> None:
        # What hinders it is said when the connection is asked for.
        with contextlib.suppress(duckdb.Error):
            made.append(_settled(duckdb.connect()))

    thread = threading.Thread(target=connect)
    thread.start()
    _ahead.append((thread, made))


def new_connection() -> duckdb.DuckDBPyConnection:
    """Return a connection to a database in memory of its own, with realdb's settings."""
    import duckdb

    return _opened_ahead() or _settled(duckdb.connect())


def _settled(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    import duckdb

    # Left to itself DuckDB spills into the working folder, and leaves that there when it is killed.
    folder = temporary.spill()
    con.execute("set temp_directory = $1", [str(folder or "")])
    # A later DuckDB that lacks one of these optimizers refuses the setting. It is not essential.
    with contextlib.suppress(duckdb.ParserException):
        con.execute(f"set disabled_optimizers = '{DISABLED_OPTIMIZERS}'")
    return con


def _opened_ahead() -> duckdb.DuckDBPyConnection | None:
    """Return the connection that open_ahead has begun; None where there is none."""
    if not _ahead:
        return None
    thread, made = _ahead.pop()
    thread.join()
    return made.pop() if made else None


def lock(con: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> None:
    """Have a connection read `files` and no others, load no extension, and keep it so.

    A file that may be read may be written too, as far as DuckDB is concerned: what a query may do
    is decided by its parse tree (queries/statements.py).
    """
    # A reader takes a path for a pattern: what it opens, and what it is told to open.
    paths = [name for file in files for name in (str(file), quoting.one_file(file))]
    listed = ", ".join(map(quoting.literal, dict.fromkeys(paths)))
    con.execute(f"set allowed_paths = [{listed}]")
    con.execute("set python_enable_replacements = false")
    con.execute("set autoinstall_known_extensions = false")
    con.execute("set autoload_known_extensions = false")
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")
