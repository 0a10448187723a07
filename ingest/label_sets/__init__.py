"""The published label sets: their metadata in releases.toml, and a reader for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..known import KnownFile

if TYPE_CHECKING:
    from ..known import SourceFile
    from .content import Content, Known

_Reader = Callable[[Mapping[str, "SourceFile"], "Known"], "list[Content]"]
# The module that reads each release.
_READERS = {
    "multilabel-v3": "multilabel",
    "biodiversity": "biodiversity",
    "cleanlab-mturk": "mturk",
    "vit3b-mistakes": "mistakes",
    "greedy-soups-mistakes": "mistakes",
    "imagenet-x": "imagenet_x",
}


@dataclass(frozen=True, kw_only=True)
class Release:
    """A published label set, as in releases.toml, with its files."""

    name: str
    title: str
    licence: str
    citation: str
    files: Mapping[str, KnownFile]

    def read(self, files: Mapping[str, SourceFile], known: Known) -> list[Content]:
        """Read the files. Return the label set itself first, then its subsets.

        Raises DataError if a file does not have the published form.
        """
        reader: _Reader = import_module(f".{_READERS[self.name]}", __name__).read
        return reader(files, known)


@cache
def releases() -> dict[str, Release]:
    """Return the published label sets by name."""
    import tomllib

    content = tomllib.loads(Path(__file__).with_name("releases.toml").read_text("utf-8"))
    files = {name: KnownFile(name=name, **table) for name, table in content["files"].items()}

    def release(name: str, *, files_of: Sequence[str], **about: Any) -> Release:
        return Release(name=name, files={file: files[file] for file in files_of}, **about)

    return {
        name: release(name, files_of=table.pop("files"), **table)
        for name, table in content["releases"].items()
    }


def release_of(file_name: str) -> str | None:
    """Return the name of the release that has a file of this name; None if there is none."""
    found = [name for name, release in releases().items() if file_name in release.files]
    return found[0] if found else None
