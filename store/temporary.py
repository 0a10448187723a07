"""Temporary folders. Each has a lock file, so the folders of killed commands can be removed later.

.realdb-<random>.partial    beside the file that it will replace
realdb-<random>             in the system's temporary folder
<the same>.lock             held while the process that created the folder uses it

The operating system releases the lock when the process ends in any way. filelock would work too,
but its import takes 28 ms, and each query needs such a folder for the files that DuckDB spills.
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
# The folders of this process, and the descriptors of their locks.
_held: dict[Path, int] = {}
# A forked child shares the descriptors, but the folders belong to its parent.
_owner = os.getpid()
_spills: list[Path] = []


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder in `folder`, for files to be moved; remove it afterwards."""
    with _made(folder, *_BESIDE) as made:
        yield made


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder in the system's temporary folder, and remove it afterwards."""
    import tempfile

    with _made(Path(tempfile.gettempdir()), *_SYSTEM) as made:
        yield made


def spill() -> Path | None:
    """Return a folder for the files that one connection spills. DuckDB creates it if needed.

    It is in the system's temporary folder, and is removed when the process ends. Return None if it
    cannot be created.
    """
    import tempfile

    if _owner != os.getpid():
        _forget()
    try:
        if not _spills:
            _spills.append(_make(Path(tempfile.gettempdir()), *_SYSTEM))
    except OSError:
        return None
    # Connections of one process write files of the same names, so each has its own folder.
    _spills.append(_spills[0] / str(len(_spills)))
    return _spills[-1]


def sweep(folder: Path, prefix: str = _BESIDE[0], suffix: str = _BESIDE[1]) -> None:
    """Remove the temporary folders in `folder` of processes that ended without removing them."""
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
    """Remove the folders of this process, at its end."""
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
    """Create a lock, and then a folder that only the owner can access."""
    sweep(parent, prefix, suffix)
    while True:
        name = f"{prefix}{os.urandom(8).hex()}"
        lock = parent / f"{name}{_LOCK}"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            is_ours = _try(descriptor)
        except OSError:  # a file system without locks: folders of killed processes stay there
            is_ours = True
        # Another process may have removed the lock file before this process locked it.
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
    if sys.platform == "win32":  # Windows cannot remove an open file
        os.close(descriptor)
    with contextlib.suppress(OSError):
        folder.with_name(f"{name}{_LOCK}").unlink()
    if sys.platform != "win32":
        os.close(descriptor)


def _remove_if_free(lock: Path, folder: Path) -> None:
    """Remove a folder and its lock, unless a process holds it or it belongs to another user."""
    import shutil

    found = lock.lstat()
    # In a world-writable folder another user could place a link to one of this user's files.
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
    """Make a forked process use its own folders."""
    global _owner
    _owner = os.getpid()
    _held.clear()
    _spills.clear()


def _try(descriptor: int) -> bool:
    """Lock an open file until it is closed; return whether the lock was free."""
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
