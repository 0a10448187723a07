"""What stands between a name and a plain file: standard input, a URL, and compression."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from ..store.temporary import scratch
from .formats import remote

# How compressed content begins, and what Arrow calls the compression.
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_SUFFIXES = (".gz", ".zst", ".zstd")


def stem(source: str | Path) -> str:
    """Return what a file is called: its name without suffixes; of FILE::TABLE the table's."""
    path = Path(remote.name(source) if remote.is_url(source) else source)
    _, _, table = str(path).partition("::")
    if table:
        return table
    path = unpacked(path)
    # A folder has no suffix: ViT-B.16 may be one.
    return path.name if path.is_dir() else path.stem


def unpacked(path: Path) -> Path:
    """Return the path without the suffix of a compression."""
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path


def is_needed(source: str | Path) -> bool:
    """Say whether `copy` must make a plain file of it first."""
    return remote.is_url(source) or str(source) == "-" or _compression(Path(source)) is not None


@contextlib.contextmanager
def copy(source: str | Path) -> Iterator[Path]:
    """Keep what comes on stdin, from a URL, or a file unpacked, in a file inside of the context.

    Its stem is that of `source`, by which a DataError from inside calls it. Raises DataError where
    what is compressed is damaged, or what is at a URL cannot be had.
    """
    if remote.is_url(source):
        with (
            fetched(source) as path,
            copy(path) if is_needed(path) else contextlib.nullcontext(path) as plain,
        ):
            yield plain
        return
    path = Path(source)
    with scratch() as folder:
        target = folder / ("stdin" if str(path) == "-" else unpacked(path).name)
        _unpack(path, target)
        with _called(target, "standard input" if str(path) == "-" else str(source)):
            yield target


@contextlib.contextmanager
def fetched(url: str) -> Iterator[Path]:
    """Keep what is at a URL, as it is, in a file inside of the context; else as `copy`."""
    with scratch() as folder:
        path = remote.fetch(url, folder)
        with _called(path, url):
            yield path


def _unpack(path: Path, target: Path) -> None:
    import shutil

    if str(path) == "-":
        with target.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return
    import pyarrow as pa

    try:
        with (
            pa.input_stream(str(path), compression=_compression(path)) as packed,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(packed, file)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise DataError(
            f"{path} cannot be unpacked: {str(error).splitlines()[0]}", file=path
        ) from None


@contextlib.contextmanager
def _called(path: Path, name: str) -> Iterator[None]:
    """Name what is refused as the user does."""
    try:
        yield
    except DataError as error:
        error.message = error.message.replace(str(path), name)
        error.args = (error.message,)
        error.remedy = error.remedy and error.remedy.replace(str(path), name)
        error.file = error.file and error.file.replace(str(path), name)
        raise error from None


def _compression(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:  # reported by whoever reads it
        return None
    return next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), None)
