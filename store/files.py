"""Files: checksums, and writing one aside before it takes its place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import DataError, UsageError
from . import temporary


def user_path(path: str | Path) -> Path:
    """Return a path as the user means it: `~` in front is the home folder, also without a shell."""
    return Path(os.path.expanduser(path))  # noqa: PTH111, Path.expanduser raises for ~.csv


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put(target: Path, content: bytes | Path) -> None:
    """Write `content`, or a copy of that file, to `target` in one step."""
    import shutil

    with replacing(target) as aside:
        if isinstance(content, Path):
            shutil.copyfile(content, aside)
        else:
            aside.write_bytes(content)


def exists(path: Path) -> DataError:
    """Return the error for a file or folder that is in the way."""
    return DataError(
        f"{path} exists already",
        file=path,
        parameter="force",
        remedy="To replace it use `force=True`",
    )


def require_parquet(out: Path, *, force: bool) -> None:
    """Refuse to write a Parquet file at `out` where one is, without `force`, or under a wrong name.

    Raises DataError where `out` is there, UsageError where its name is that of another format.
    """
    if out.suffix.lower() not in ("", ".parquet", ".pq"):
        raise UsageError(
            f"{out} is written as a Parquet file, which its name does not say",
            file=out,
            value=out.suffix,
            parameter="out",
            remedy=f"Name it {out.stem}.parquet",
        )
    if out.exists() and not force:
        raise exists(out)


@contextlib.contextmanager
def replacing(target: Path, check: Callable[[], object] | None = None) -> Iterator[Path]:
    """Yield a path beside `target` for the caller to write; then move it to `target`.

    The path has the name of `target`, in a temporary folder of its own: what a database writes
    beside its file goes with it. `check` is called just before the move, and may raise.

    A file takes the place of another in one step. A folder cannot: the old one is moved aside
    first, and back if the new one cannot take its place. Where anything fails, what was at `target`
    stays, and nothing is left beside it. What is in a folder is not synced: see sync_tree.
    """
    with temporary.beside(target.parent) as folder:
        aside = folder / target.name
        yield aside
        if aside.is_file():
            sync(aside)
        if check:
            check()
        if aside.is_dir() and target.is_dir():
            old = folder / ("new" if target.name == "old" else "old")
            try:
                target.replace(old)
                aside.replace(target)
            except BaseException:
                if old.exists() and not target.exists():
                    old.replace(target)
                raise
        else:
            aside.replace(target)
    sync(target.parent)


def sync_tree(folder: Path) -> None:
    """Wait until the folder and everything in it is on the disk."""
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
