"""Files: checksums, and writing one aside before it takes its place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError, UsageError


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
            parameter="out",
            remedy=f"Name it {out.stem}.parquet",
        )
    if out.exists() and not force:
        raise exists(out)


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


def sync_tree(folder: Path) -> None:
    """Wait until the folder and all that stands in it is on the disk."""
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
