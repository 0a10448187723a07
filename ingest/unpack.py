"""Make a plain file of standard input, a pipe, a URL or a compressed file."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from ..errors import DataError
from ..store.temporary import scratch
from . import formats
from .formats import foreign, remote

if TYPE_CHECKING:
    import zipfile

# The first bytes of compressed content, and the compression.
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_SUFFIXES = (".gz", ".zst", ".zstd", ".bz2", ".xz", ".zip")
# The limits of nested compression, and of the unpacked size: 50,000 images with 1,000 values of
# 20 digits are 1 GB.
DEEPEST = 3
LARGEST = 4 << 30
_BLOCK = 1 << 20
# How many seconds to wait until a process opens the pipe for writing.
PATIENCE = 5.0
_SHOWN = 5
# Files that operating systems add to a zip.
_LEFT_BY_SYSTEMS = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def stem(source: str | Path) -> str:
    """Return the name of a file without suffixes; for FILE::TABLE the name of the table."""
    path = Path(remote.name(source) if remote.is_url(source) else source)
    _, _, table = str(path).partition("::")
    if table:
        return table
    plain = unpacked(path)
    # A folder has no suffix: ViT-B.16 may be a folder, and ViT-B.16.zip a packed file.
    is_stem = path.is_dir() or (plain != path and plain.suffix.lower() not in _known_suffixes())
    return plain.name if is_stem else plain.stem


def unpacked(path: Path) -> Path:
    """Return the path without the suffix of a compression."""
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path


def _known_suffixes() -> set[str]:
    return {suffix for form in formats.PREDICTION_FORMATS.values() for suffix in form.suffixes}


def is_needed(source: str | Path) -> bool:
    """Return whether `copy` must make a plain file of `source` first."""
    if remote.is_url(source) or str(source) == "-":
        return True
    return _is_pipe(Path(source)) or _compression(Path(source)) is not None


@contextlib.contextmanager
def copy(source: str | Path) -> Iterator[Path]:
    """Copy stdin, a URL or an unpacked file to a file that exists inside of the context.

    The copy has the stem of `source`, and a DataError from inside names `source`. Raises DataError
    if compressed content is damaged, or a URL cannot be downloaded.
    """
    if remote.is_url(source):
        with (
            fetched(source) as path,
            copy(path) if is_needed(path) else contextlib.nullcontext(path) as plain,
        ):
            yield plain
        return
    path = Path(source)
    name = "standard input" if str(path) == "-" else str(source)
    with scratch() as folder:
        target = folder / ("stdin" if str(path) == "-" else _name(path))
        with _called(target, name):
            if str(path) == "-":
                _write(cast("IO[bytes]", sys.stdin.buffer), target, name)
            elif _is_pipe(path):
                with _opened(path) as pipe:
                    _write(pipe, target, name)
            else:
                _unpack(path, target, name)
            for depth in range(2 if _is_plain(path) else 1, DEEPEST + 2):
                if _compression(target) is None:
                    break
                if depth > DEEPEST:
                    raise DataError(
                        f"{name} is compressed more than {DEEPEST} times",
                        file=name,
                        count=DEEPEST,
                        remedy="Unpack it, and pass the unpacked file",
                    )
                packed = target.rename(folder / "packed")
                _unpack(packed, target, name)
                packed.unlink()
            yield target


@contextlib.contextmanager
def fetched(url: str) -> Iterator[Path]:
    """Copy the unchanged file at a URL to a file that exists inside of the context; see `copy`."""
    with scratch() as folder:
        path = remote.fetch(url, folder)
        with _called(path, url):
            yield path


def _name(path: Path) -> str:
    """Return a name for the plain file with the stem of `path`."""
    plain = unpacked(path)
    is_known = plain == path or plain.suffix.lower() in _known_suffixes()
    return plain.name if is_known else f"{plain.name}.txt"


def _is_plain(path: Path) -> bool:
    """Return whether `path` is a file on disk: its first copy is already unpacked."""
    return str(path) != "-" and not _is_pipe(path)


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a pipe after a process has written to it. Raises DataError if none does."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb", buffering=0) as pipe:  # noqa: PTH123, a descriptor
        end = time.monotonic() + PATIENCE
        first: bytes | None = b""
        while first == b"":
            # None: the pipe is open for writing, but nothing was written yet.
            first = pipe.read(_BLOCK)
            if first == b"":
                if time.monotonic() > end:
                    raise DataError(
                        f"{path} is a pipe, and nothing was written to it for {PATIENCE:g} s",
                        file=path,
                        remedy="Start the command that writes to it, or pass a file",
                    )
                time.sleep(0.02)
        os.set_blocking(descriptor, True)
        yield cast("IO[bytes]", _Continued(first or b"", pipe))


class _Continued(io.RawIOBase):
    """A file whose beginning was already read."""

    def __init__(self, first: bytes, rest: io.FileIO) -> None:
        super().__init__()
        self.first = first
        self.rest = rest

    def read(self, size: int = -1) -> bytes | None:
        if self.first:
            first, self.first = self.first, b""
            return first
        return self.rest.read(size)


def _write(source: IO[bytes], target: Path, name: str) -> None:
    """Copy `source` to `target`. Raises DataError if it is larger than LARGEST."""
    size = 0
    with target.open("wb") as file:
        while block := source.read(_BLOCK):
            size += len(block)
            if size > LARGEST:
                raise DataError(
                    f"{name} is larger than {LARGEST / (1 << 30):g} GB"
                    + (" unpacked" if name != "standard input" else ""),
                    file=name,
                    remedy="Write the predictions as Parquet, or unpack them and pass the unpacked "
                    "file",
                )
            file.write(block)


def _unpack(path: Path, target: Path, name: str) -> None:
    """Unpack one compression of the file at `path`; messages call it `name`."""
    import zlib

    try:
        with _stream(path, name) as packed:
            _write(packed, target, name)
    except (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise DataError(f"{name} cannot be unpacked: {lines[0]}", file=name) from None
    except Exception as error:
        # The errors of lzma and zipfile, compared by name: the modules may not be imported.
        if type(error).__name__ not in ("LZMAError", "BadZipFile"):
            raise
        raise DataError(f"{name} cannot be unpacked: {error}", file=name) from None


@contextlib.contextmanager
def _stream(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open the content of a compressed file."""
    kind = _compression(path)
    if kind == "zip":
        import zipfile

        with zipfile.ZipFile(path) as archive, archive.open(_member(archive, name)) as file:
            yield file
    elif kind == "bz2":
        import bz2

        with bz2.open(path) as file:
            yield cast("IO[bytes]", file)
    elif kind == "xz":
        import lzma

        with lzma.open(path) as file:
            yield cast("IO[bytes]", file)
    else:
        import pyarrow as pa

        with pa.input_stream(str(path), compression=kind) as file:
            yield cast("IO[bytes]", file)


def _member(archive: zipfile.ZipFile, name: str) -> str:
    """Return the one file in a zip. Raises DataError if there are several, or none."""
    members = [
        each.filename
        for each in archive.infolist()
        if not each.is_dir()
        and not each.filename.startswith(_LEFT_BY_SYSTEMS[0])
        and each.filename.rpartition("/")[2] not in _LEFT_BY_SYSTEMS
    ]
    if len(members) != 1:
        shown = ", ".join(members[:_SHOWN]) + (", …" if len(members) > _SHOWN else "")
        raise DataError(
            f"{name} is a zip with {len(members):,} files"
            + (f" ({shown}), and one is expected" if members else ""),
            file=name,
            count=len(members),
            remedy="Unpack it, and pass the file with the predictions" if members else None,
        )
    return members[0]


@contextlib.contextmanager
def _called(path: Path, name: str) -> Iterator[None]:
    """Replace `path` by `name`, the user's name for the file, in errors."""
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
            head = file.read(6)
    except OSError:  # reported by whoever reads it
        return None
    found = next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), None)
    return found if found != "zip" or _is_packed(path) else None


def _is_packed(path: Path) -> bool:
    """Return whether a zip holds packed files; some formats, such as npz, are a zip themselves."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):  # reported by whoever reads it
        return False
    return not foreign.of_zip(names) and not any(
        form.member and name.endswith(form.member)
        for form in formats.PREDICTION_FORMATS.values()
        for name in names
    )
