"""Shared functions for the files beside the builds: file names, checksums, locks, second reads.

These files are the stored predictions (prediction_sets.py), and the stored label sets and groups
(label_sets.py). A new ingest does not change them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..errors import StoreError

PREDICTIONS = "predictions"
LABEL_SETS = "label_sets"
GROUPS = "groups"
_LOCK_SECONDS = 600
# Reserved file names on Windows, with any suffix.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_LONGEST = 150
_Verb = TypeVar("_Verb", bound=Callable[..., Any])


class RemovedError(StoreError):
    """A stored file was removed."""


class Checksums(NamedTuple):
    """A file's size in bytes, and its CRC-32 and SHA-256 in hexadecimal digits."""

    bytes: int
    crc32: str
    sha256: str


def is_that_of(sums: Checksums, content: bytes) -> bool:
    """Return whether `content` has this size and CRC-32, which takes half the time of SHA-256."""
    return (sums.bytes, sums.crc32) == (len(content), _crc32(content))


def checksums(file: Path) -> Checksums:
    """Return the checksums of a file."""
    content = file.read_bytes()
    return Checksums(len(content), _crc32(content), hashlib.sha256(content).hexdigest())


def _crc32(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def stem(name: str) -> str:
    """Return the name of the file or folder, without suffix, for a model, label set or grouping.

    It is `name`, percent-encoded. A name with capital letters, or a long one, ends in a part of its
    SHA-256: `ViT` and `vit` are two files on every file system.
    """
    from urllib.parse import quote

    # The ~ separates the part of the SHA-256. A leading dot would hide the file.
    encoded = re.sub(r"^\.", "%2E", quote(name, safe="").replace("~", "%7E"))
    if _RESERVED.match(encoded):
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded) > _LONGEST or not encoded or re.search("[A-Z]", name):
        encoded = f"{encoded[:_LONGEST]}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return encoded


def name_of(stem: str) -> str:
    """Return the name for the name of a file or folder. A long name is cut."""
    from urllib.parse import unquote

    return unquote(stem.partition("~")[0])


@contextlib.contextmanager
def locked(folder: Path, commands: str) -> Iterator[None]:
    """Hold the lock of a folder in the store. Only one process at a time changes its files.

    `commands` are the commands that take the lock, for the message.
    """
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=_LOCK_SECONDS):
            yield
    except filelock.Timeout:
        raise StoreError(
            f"another {commands} has locked {folder} for {_LOCK_SECONDS} seconds",
            file=folder,
            remedy="Try again after it has ended",
        ) from None
    except OSError as error:
        raise StoreError(
            f"realdb cannot write the store in {folder.parent}: {error}", file=folder.parent
        ) from error


def reading_again(verb: _Verb) -> _Verb:
    """Run a function a second time if a stored file was removed while it read the files."""

    @functools.wraps(verb)
    def ask(*arguments: Any, **options: Any) -> Any:
        try:
            return verb(*arguments, **options)
        except Exception as error:
            if not is_removal(error):
                raise
        return verb(*arguments, **options)

    return ask  # type: ignore[return-value]


def is_removal(error: Exception) -> bool:
    """Return whether an error means that a stored file was removed."""
    if isinstance(error, RemovedError):
        return True
    text = str(error)  # DuckDB has no specific error
    # If a file is missing, DuckDB looks for a folder, which a locked connection refuses.
    signs = ("No such file", "No files found", ".parquet/**/")
    folders = (PREDICTIONS, LABEL_SETS, GROUPS)
    return any(f"/{folder}/" in text for folder in folders) and any(sign in text for sign in signs)
