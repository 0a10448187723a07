"""Temporary folders, each with a lock file beside it: what a killed command left is removed later.

.realdb-<random>.partial    beside what it will replace
realdb-<random>             in the system's temporary folder
<the same>.lock             held as long as the folder's maker is at work

The lock is held by the operating system, which frees it however the process ends. filelock would do
as well, but its import takes 28 ms, and a query needs such a folder each time, for what DuckDB
spills.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

_BESIDE = (".realdb-", ".partial")
_SYSTEM = ("realdb-", "")
_LOCK = ".lock"
# What this process has made: each folder, and the descriptor of its lock.
_held: dict[Path, int] = {}
# A child that was forked shares the descriptors; the folders are its parent's.
_owner = os.getpid()
_spills: list[Path] = []


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder in `folder`, for what will be moved from there; remove it then."""
    with _made(folder, *_BESIDE) as made:
        yield made


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder in the system's temporary folder, and remove it afterwards."""
    import tempfile

    with _made(Path(tempfile.gettempdir()), *_SYSTEM) as made:
        yield made


def spill() -> Path | None:
    """Return a folder for what one connection spills, which DuckDB makes if it needs it.

    It is in the system's temporary folder, and removed when the process ends. None where there is
    no such folder.
    """
    import tempfile

    if _owner != os.getpid():
        _forget()
    try:
        if not _spills:
            _spills.append(_make(Path(tempfile.gettempdir()), *_SYSTEM))
    except OSError:
        return None
    # Connections of one process would write to files of the same names.
    _spills.append(_spills[0] / str(len(_spills)))
    return _spills[-1]


def sweep(folder: Path, prefix: str = _BESIDE[0], suffix: str = _BESIDE[1]) -> None:
    """Remove the temporary folders in `folder` whose makers have ended without doing so."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        locks = [
            Path(entry.path)
            for entry in entries
            if entry.name.startswith(prefix) and entry.name.endswith(_LOCK)
        ]
        for lock in locks:
            with contextlib.suppress(OSError):
                _remove_if_free(lock, lock.with_name(lock.name.removesuffix(_LOCK) + suffix))


def remove_all() -> None:
    """Remove what this process has made: the last thing that it does."""
    if _owner == os.getpid():
        for folder in [*_held]:
            _remove(folder)


atexit.register(remove_all)


@contextlib.contextmanager
def _made(parent: Path, prefix: str, suffix: str) -> Iterator[Path]:
    if _owner != os.getpid():
        _forget()
    folder = _make(parent, prefix, suffix)
    try:
        yield folder
    finally:
        _remove(folder)


def _make(parent: Path, prefix: str, suffix: str) -> Path:
    """Make a folder that is its owner's alone; its lock first."""
    sweep(parent, prefix, suffix)
    while True:
        name = f"{prefix}{os.urandom(8).hex()}"
        lock = parent / f"{name}{_LOCK}"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            is_ours = _try(descriptor)
        except OSError:  # a file system without locks: what is left there stays
            is_ours = True
        # Another process may take a lock for free that is just being made, and remove it.
        if is_ours and os.fstat(descriptor).st_nlink:
            break
        os.close(descriptor)
    folder = parent / f"{name}{suffix}"
    _held[folder] = descriptor
    folder.mkdir(0o700)
    return folder


def _remove(folder: Path) -> None:
    """Remove a folder of this process, then its lock."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    descriptor = _held.pop(folder, None)
    if descriptor is None:
        return
    name = folder.name.removesuffix(_BESIDE[1])
    if sys.platform == "win32":  # Windows removes no file that is open
        os.close(descriptor)
    with contextlib.suppress(OSError):
        folder.with_name(f"{name}{_LOCK}").unlink()
    if sys.platform != "win32":
        os.close(descriptor)


def _remove_if_free(lock: Path, folder: Path) -> None:
    """Remove a folder and its lock, unless somebody holds it or it is another user's."""
    import shutil

    found = lock.lstat()
    # In a folder that all may write to, a link could lead to a file of one's own.
    if not stat.S_ISREG(found.st_mode):
        return
    if sys.platform != "win32" and found.st_uid != os.getuid():
        return
    descriptor = os.open(lock, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        if not _try(descriptor):
            return
        shutil.rmtree(folder, ignore_errors=True)
        if sys.platform != "win32":
            lock.unlink()
    finally:
        os.close(descriptor)
    if sys.platform == "win32":
        lock.unlink()


def _forget() -> None:
    """Have a process that was forked make folders of its own."""
    global _owner
    _owner = os.getpid()
    _held.clear()
    _spills.clear()


def _try(descriptor: int) -> bool:
    """Take the lock of an open file, which is freed as it is closed; return whether it was free."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
