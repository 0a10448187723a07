"""What stands between a name and a plain file: standard input, and compression."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from ...errors import DataError

# How compressed content begins, and what Arrow calls the compression.
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_SUFFIXES = (".gz", ".zst", ".zstd")


def stem(path: Path) -> str:
    """Return what a file is called: its name without suffixes; of FILE::TABLE the table's."""
    _, _, table = str(path).partition("::")
    if table:
        return table
    path = unpacked(path)
    # A folder has no suffix: ViT-B.16 may be one.
    return path.name if path.is_dir() else path.stem


def unpacked(path: Path) -> Path:
    """Return the path without the suffix of a compression."""
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path


def is_needed(path: Path) -> bool:
    """Say whether `copy` must make a plain file of it first."""
    return str(path) == "-" or _compression(path) is not None


@contextlib.contextmanager
def copy(path: Path) -> Iterator[Path]:
    """Keep what comes on stdin, or a file unpacked, in a file for as long as the context lasts.

    Its stem is that of `path`. Raises DataError where what is compressed is damaged.
    """
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        if str(path) == "-":
            target = Path(folder) / "stdin"
            with target.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            yield target
            return
        import pyarrow as pa

        target = Path(folder) / unpacked(path).name
        try:
            with (
                pa.input_stream(str(path), compression=_compression(path)) as packed,
                target.open("wb") as file,
            ):
                shutil.copyfileobj(packed, file)
        except (pa.ArrowException, OSError, EOFError) as error:
            raise DataError(f"{path} cannot be unpacked: {str(error).splitlines()[0]}") from None
        yield target


def _compression(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:  # said by whoever reads it
        return None
    return next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), None)
