"""What a store keeps beside its builds: names of files, checksums, the lock, readers.

A new ingest leaves these files as they are: the stored predictions (prediction_sets.py) and the
stored label sets and groups (label_sets.py).
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
# What Windows keeps for itself, whatever follows the first dot.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_LONGEST = 150
_Verb = TypeVar("_Verb", bound=Callable[..., Any])


class RemovedError(StoreError):
    """A stored file is not there any more."""


class Checksums(NamedTuple):
    """What a file is: its size in bytes, and its CRC-32 and SHA-256 in hexadecimal digits."""

    bytes: int
    crc32: str
    sha256: str


def is_that_of(sums: Checksums, content: bytes) -> bool:
    """Say whether `content` has a size and CRC-32, which takes half the time of SHA-256."""
    return (sums.bytes, sums.crc32) == (len(content), _crc32(content))


def checksums(file: Path) -> Checksums:
    """Return the checksums of a file."""
    content = file.read_bytes()
    return Checksums(len(content), _crc32(content), hashlib.sha256(content).hexdigest())


def _crc32(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def stem(name: str) -> str:
    """Return what the file or folder of something called `name` is called.

    It is the name, percent-encoded. A name with capital letters, or a long one, ends in a part of
    its SHA-256, so that `ViT` and `vit` are two files on every file system.
    """
    from urllib.parse import quote

    # A ~ is left to what is appended here; a first dot would hide the file.
    encoded = re.sub(r"^\.", "%2E", quote(name, safe="").replace("~", "%7E"))
    if _RESERVED.match(encoded):
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded) > _LONGEST or not encoded or re.search("[A-Z]", name):
        encoded = f"{encoded[:_LONGEST]}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return encoded


def name_of(stem: str) -> str:
    """Return the name of something stored, as far as the name of its file or folder tells it."""
    from urllib.parse import unquote

    return unquote(stem.partition("~")[0])


@contextlib.contextmanager
def locked(folder: Path, commands: str) -> Iterator[None]:
    """Hold the lock of a folder in the store: one process at a time changes what is in it.

    `commands` are those that do, for the message.
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
            remedy="Try again when it has ended",
        ) from None
    except OSError as error:
        raise StoreError(
            f"realdb cannot write the store in {folder.parent}: {error}", file=folder.parent
        ) from error


def reading_again(verb: _Verb) -> _Verb:
    """Have a function run a second time where a stored file was removed while it was read."""

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
    """Say whether an error is that a stored file is not there any more."""
    if isinstance(error, RemovedError):
        return True
    text = str(error)  # DuckDB has no other sign of it
    # Where a file is gone, DuckDB looks for a folder, which a locked connection refuses.
    signs = ("No such file", "No files found", ".parquet/**/")
    folders = (PREDICTIONS, LABEL_SETS, GROUPS)
    return any(f"/{folder}/" in text for folder in folders) and any(sign in text for sign in signs)
