"""The files that realdb knows, from sources.toml, and how realdb recognises them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..store.files import checksum

_ORIGINAL = "images.original_label"


@dataclass(frozen=True, kw_only=True)
class KnownFile:
    """One table of sources.toml, which explains the keys. A missing checksum is ''."""

    name: str
    holds: str
    sha256: str = ""
    bytes: int = 0
    aliases: Sequence[str] = ()
    fetch: bool = False
    feeds: Sequence[str] = ()
    places: Sequence[dict[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file that was found.

    name: its name in sources.toml
    path: the file to read
    origin: where the file came from: a path, a URL, or an archive or a wheel and its member
    is_published: its checksum is the pinned one
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    origin: str
    is_published: bool


def refusal(
    path: Path,
    text: str,
    *,
    row: int | None = None,
    column: str | None = None,
    value: object = None,
    count: int | None = None,
    remedy: str = "Download it again, or leave it out of the folder",
) -> DataError:
    """Return the error for a file that differs from the published one; `text` is the problem."""
    return DataError(
        f"{path.name}: {text}",
        file=path.name,
        row=row,
        column=column,
        value=value,
        count=count,
        remedy=remedy,
    )


@cache
def known_files() -> dict[str, KnownFile]:
    """Read the tables of sources.toml, by name and in order."""
    return {name: KnownFile(name=name, **table) for name, table in _toml()["files"].items()}


def repository() -> str:
    """Return the page where a person finds the files that have a URL."""
    address: str = _toml()["repository"]
    return address


def _toml() -> dict[str, Any]:
    import tomllib

    return tomllib.loads(Path(__file__).with_name("sources.toml").read_text("utf-8"))


def source_file(known: KnownFile, path: Path, origin: str) -> SourceFile:
    """Describe the file at `path`, with its checksum."""
    digest = checksum(path)
    for other in known_files().values():
        # Files of original labels may have each other's names: realdb reads them by content.
        are_originals = _ORIGINAL in known.feeds and _ORIGINAL in other.feeds
        if digest == other.sha256 != known.sha256 and not are_originals:
            raise DataError(
                f"{path.name} has the checksum of the published {other.name}",
                file=path.name,
                value=other.name,
                remedy="Rename it: two files may be swapped",
            )
    return SourceFile(
        name=known.name,
        path=path,
        sha256=digest,
        bytes=path.stat().st_size,
        origin=origin,
        is_published=digest == known.sha256,
    )
