"""The prepared tables of the pages: a cache on disk, and one open copy of it.

<cache>/browse/<key>/prepared.duckdb        the tables, see preparing.py
<cache>/browse/<key>/predictions.parquet    the predictions of files that were named

The key is a hash of the build, the checksums of predictions and label sets, and the version of
realdb. A folder is written aside and moved. The store may change while the pages are open: then the
next tables are prepared, and the pages show the old ones until they are complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
import warnings
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import DataError, RealdbWarning, StoreError, counted
from ..ingest.locate import StoredModel, expand
from ..ingest.progress import Progress
from ..store import kept, label_sets, prediction_sets, temporary
from ..store import store as stores
from ..store.files import checksum, user_path
from ..store.store import Store
from ..version import __version__
from . import children
from .preparing import DATABASE, PREDICTIONS

if TYPE_CHECKING:
    import duckdb

_TASK = "Preparing the pages"
# Raised when preparing.py writes other tables.
_FORMAT = 2
# The prepared tables that stay in the cache.
_KEPT = 4
_SECONDS_BETWEEN_CHECKS = 1.0
_SECONDS_TO_END = 0.3
_MEMORY = "64MB"


def default_cache() -> Path:
    """Return the folder of prepared tables: in REALDB_CACHE, else in the user's cache folder."""
    if folder := os.environ.get("REALDB_CACHE"):
        return user_path(folder) / "browse"
    import platformdirs

    return platformdirs.user_cache_path("realdb", appauthor=False) / "browse"


@dataclass(eq=False)
class Prepared:
    """Prepared tables, open for reading. Each thread has a connection of its own."""

    folder: Path
    key: str
    results: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import duckdb

        path = str(self.folder / f"{DATABASE}.duckdb")
        # The pages come from several threads, and most queries take less than a millisecond.
        self._con = duckdb.connect(
            path, read_only=True, config={"threads": 1, "memory_limit": _MEMORY}
        )
        self._local = threading.local()
        stores.settle(self._con)
        self._con.execute("set enable_external_access = false")
        self._con.execute("set lock_configuration = true")
        ((self.build_id, names, sources),) = self._con.execute("from prepared_from").fetchall()
        # The tables and views that the store has. The others are there too, without rows.
        self.names: set[str] = {*names}
        # For each file that was named: its path, and its models.
        self._files: dict[str, dict[str, Any]] = json.loads(sources)

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The connection of this thread."""
        if not hasattr(self._local, "con"):
            self._local.con = self._con.cursor()
        con: duckdb.DuckDBPyConnection = self._local.con
        return con

    @property
    def predictions(self) -> Path | None:
        """The file with the predictions of the files that were named; None without such files."""
        path = self.folder / PREDICTIONS
        return path if self._files else None

    @property
    def models_of_files(self) -> dict[str, list[str]]:
        """The models of each file that was named, by the name of the file without suffix."""
        return {name: each["models"] for name, each in self._files.items()}

    def source(self, model: str) -> str | None:
        """Return the file of a model; None for a stored model."""
        return next(
            (each["file"] for each in self._files.values() if model in each["models"]), None
        )

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query by column."""
        found = self.con.execute(sql, [*values])
        columns = [column[0] for column in found.description]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        """Return the only value of a query."""
        ((value,),) = self.con.execute(sql, [*values]).fetchall()
        return value

    def column(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """Return the only column of a query."""
        return [value for (value,) in self.con.execute(sql, [*values]).fetchall()]

    @cached_property
    def classes(self) -> dict[int, dict[str, Any]]:
        """The classes by id, with the first of their names as `short`."""
        if "classes" not in self.names:
            return {}
        found = {row["label"]: row for row in self.rows("from classes order by label")}
        for row in found.values():
            row["short"] = row["name"].split(",")[0] if row["name"] else None
        return found

    @cached_property
    def class_names(self) -> dict[int | None, str | None]:
        """The first name of each class."""
        return {label: row["short"] for label, row in self.classes.items()}

    @cached_property
    def threshold(self) -> float:
        """The lowest score that makes a label."""
        return float(self.value("select threshold from pipeline_rules"))

    @cached_property
    def models(self) -> list[str]:
        """The models, the best first."""
        return self.column("select model from leaderboard order by real_rank nulls last, model")


# The tables that this process has open. DuckDB would share their settings, which are locked.
_open: weakref.WeakValueDictionary[Path, Prepared] = weakref.WeakValueDictionary()


def opened(folder: Path, key: str) -> Prepared:
    """Return the tables in a folder. They are opened if no other pages of this process have them.

    Raises duckdb.Error or ValueError if they cannot be read.
    """
    found = _open.get(folder)
    if found is None:
        found = _open[folder] = Prepared(folder, key)
    with contextlib.suppress(OSError):
        os.utime(folder)
    return found


class Watch:
    """The prepared tables of a store. They are prepared anew when the store changes."""

    def __init__(
        self,
        root: Path,
        files: Sequence[str | Path] = (),
        *,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Open the tables. Prepare them first if they are not in the cache.

        Raises StoreError if the store cannot be read, and the errors of reading prediction files.
        """
        self.root = root
        self.files = [str(file) for file in files]
        self.cache = cache or default_cache()
        # What the pages say if the store has changed, and its tables are not prepared yet.
        self.notice: str | None = None
        self._lock = threading.Lock()
        self._child: Any = None
        self._seen = self._state()
        self._checked = time.monotonic()
        self._current = self._open(progress)

    @property
    def current(self) -> Prepared:
        """The tables to show. If the store has changed, other tables are prepared meanwhile."""
        now = time.monotonic()
        if now - self._checked > _SECONDS_BETWEEN_CHECKS and self._lock.acquire(blocking=False):
            self._checked = now
            state = self._state()
            if state == self._seen:
                self._lock.release()
            else:
                self._seen = state
                self.notice = "The store has changed. Its pages are being prepared."
                threading.Thread(target=self._renew, daemon=True).start()
        return self._current

    def close(self) -> None:
        """End the process that prepares tables."""
        if self._child is not None:
            self._child.kill()

    def _renew(self) -> None:
        """Replace the tables, and release the lock."""
        try:
            renewed = self._open(None)
            self.notice = None
            self._current = renewed
        except (errors.RealdbError, OSError) as error:
            self.notice = f"The store has changed, and its pages cannot be prepared: {error}"
        finally:
            self._lock.release()

    def _state(self) -> list[object]:
        """Return what changes with the store: its build, and the times of the files beside it."""
        folders = (kept.PREDICTIONS, kept.LABEL_SETS, kept.GROUPS)
        found: list[object] = [stores.current(self.root)]
        for folder in folders:
            for path in sorted((self.root / folder).glob("[!.]*")):
                with contextlib.suppress(OSError):
                    about = path.stat()
                    found.append((folder, path.name, about.st_mtime_ns, about.st_size))
        return found

    def _open(self, progress: Progress | None) -> Prepared:
        import duckdb

        # A stored file may be replaced, or another process may tidy the cache, between two steps.
        reason: object = None
        for is_last in (False, True):
            key = self._key(stores.resolve(self.root))
            folder = self.cache / key
            try:
                if folder.is_dir():
                    with contextlib.suppress(duckdb.Error, ValueError):
                        return opened(folder, key)
                self._prepare(folder, progress)
                return opened(folder, key)
            except kept.RemovedError:
                if is_last:
                    raise
            except (duckdb.Error, ValueError) as error:
                reason = error
        raise StoreError(
            f"realdb cannot read the prepared pages in {folder} ({reason})",
            file=folder,
            remedy="Set REALDB_CACHE to another folder",
        )

    def _key(self, opened: Store) -> str:
        """Return the hash of what the tables are prepared from."""
        parts: list[object] = [_FORMAT, __version__, opened.build_id]
        if self.files:
            parts += [_of_source(self.root, source) for source in expand(self.files, self.root)]
        else:
            parts += [(file.name, _sums(file)) for file in prediction_sets.files(self.root)]
        for kind in label_sets.KINDS:
            for folder in label_sets.folders(self.root, kind):
                parts.append((kind.folder, folder.name, checksum(folder / "checksums.json")))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def _prepare(self, target: Path, progress: Progress | None) -> None:
        """Prepare the tables in a process of its own, and move them to `target`."""
        try:
            self.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
            with temporary.beside(self.cache) as aside:
                made = aside / target.name
                made.mkdir()
                self._run(
                    {"root": str(self.root), "files": self.files, "folder": str(made)}, progress
                )
                # What is there is damaged, or another process was faster.
                shutil.rmtree(target, ignore_errors=True)
                with contextlib.suppress(OSError):
                    made.replace(target)
        except OSError as error:
            raise StoreError(
                f"realdb cannot write the prepared pages to {self.cache}: "
                f"{error.strerror or error}",
                file=self.cache,
                remedy="Set REALDB_CACHE to another folder",
            ) from None
        self._tidy()

    def _run(self, request: dict[str, object], progress: Progress | None) -> None:
        child = self._child = children.start("preparing")
        assert child.stdin is not None and child.stdout is not None
        try:
            # The pipe stays open: the process ends when it is closed.
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps(request).encode() + b"\n")
                child.stdin.flush()
            for line in _lines(child.stdout):
                if "step" in line and progress is not None:
                    progress(_TASK, line["step"], line["steps"])
                elif "warning" in line:
                    warnings.warn(line["warning"], RealdbWarning, stacklevel=2)
                elif "error" in line:
                    raise _error(line["error"])
                elif "done" in line:
                    return
        finally:
            for pipe in (child.stdin, child.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()
            # It ends when the pipe is closed, and removes its temporary files.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_SECONDS_TO_END)
            child.kill()
            child.wait()
            self._child = None
        raise StoreError(
            "the process that prepares the pages ended before it was done",
            remedy="Set REALDB_DEBUG=1 to see its messages",
        )

    def _tidy(self) -> None:
        """Remove the tables that were not opened for the longest time."""
        with contextlib.suppress(OSError):
            found = [path for path in self.cache.glob("[!.]*") if path.is_dir()]
            found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
            for path in found[_KEPT:]:
                shutil.rmtree(path, ignore_errors=True)


def _lines(stream: Iterable[bytes] | None) -> Iterator[dict[str, Any]]:
    for line in stream or ():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _error(about: dict[str, Any]) -> errors.RealdbError:
    """Return the error of the process, with its fields."""
    kind = getattr(errors, about["kind"], None)
    if about["kind"] == "RemovedError":
        kind = kept.RemovedError
    error: errors.RealdbError = (kind or DataError)(about["message"])
    error.__dict__ |= about["fields"]
    return error


def _sums(file: Path) -> str:
    """Return the checksums of a stored model as they were recorded, or the file's own."""
    sidecar = file.with_name(f"{file.stem}.checksums.json")
    try:
        return checksum(sidecar if sidecar.exists() else file)
    except FileNotFoundError:
        raise kept.RemovedError(f"{file} was removed while realdb read it", file=file) from None


def _of_source(root: Path, source: Any) -> object:
    """Return the name and checksum of predictions; what has no checksum never equals another."""
    predictions = source.predictions
    if isinstance(predictions, StoredModel):
        return (predictions.name, _sums(prediction_sets.path(root, predictions.name)))
    paths = [
        Path(path) for path in (predictions if isinstance(predictions, tuple) else [predictions])
    ]
    if all(path.is_file() for path in paths):
        return (source.model, [(str(path), checksum(path)) for path in paths])
    return (source.model, [*map(str, paths)], os.urandom(16).hex())


def described(prepared: Prepared) -> str:
    """Return how many images and models the pages show."""
    images = prepared.value("select count(*) from shown_images")
    return f"{counted(images, 'image')}, {counted(len(prepared.models), 'model')}"
