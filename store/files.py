"""Files: paths, checksums, and atomic writes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import DataError, UsageError
from . import temporary


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path with a leading `~` expanded to the home folder."""
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
    """Return the error for an existing file or folder."""
    return DataError(
        f"{path} already exists",
        file=path,
        parameter="force",
        remedy="Use `force=True` to replace it",
    )


def require_parquet(out: Path, *, force: bool) -> None:
    """Check that a Parquet file may be written to `out`.

    Raises DataError if `out` exists and `force` is not set, UsageError if its suffix is that of
    another format.
    """
    if out.suffix.lower() not in ("", ".parquet", ".pq"):
        raise UsageError(
            f"{out} does not have the suffix of a Parquet file",
            file=out,
            value=out.suffix,
            parameter="out",
            remedy=f"Use {out.stem}.parquet",
        )
    if out.exists() and not force:
        raise exists(out)


@contextlib.contextmanager
def replacing(target: Path, check: Callable[[], object] | None = None) -> Iterator[Path]:
    """Yield a path beside `target` for the caller to write; then move it to `target`.

    The path has the name of `target`, in a temporary folder. Files that a database writes beside
    its own are removed with this folder. `check` is called just before the move, and may raise.

    A file is replaced atomically. A folder cannot be: the old one is moved aside first, and moved
    back if the move of the new one fails. If anything fails, `target` is unchanged, and the
    temporary folder is removed. The content of a folder is not synced: see sync_tree.
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
    """Wait until `path` is on the disk. Windows cannot sync folders, and renames do not need it."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
