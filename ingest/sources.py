"""Where the files come from: a folder, an archive, or (see `downloads`) the published places."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import DataError, RealdbWarning
from ..store.temporary import scratch
from .downloads import download
from .known import KnownFile, SourceFile, known_files, source_file
from .progress import Progress, silent

_SINGLE = (".npz", ".npy", ".json", ".jsonl", ".csv", ".txt")


@contextmanager
def locate(
    source: Path | None = None,
    *,
    offline: bool = False,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Iterator[dict[str, SourceFile]]:
    """Find the known files in `source`, a folder or a zip or tar archive, or download them.

    Gives the files by name, in the order of sources.toml; `path` holds only within the context. A
    folder is searched at its top level, an archive at any depth, for names and aliases. Without
    `source` the cache is used (`cache`, else REALDB_CACHE, else the user's cache folder) and,
    unless `offline`, what it lacks is fetched; `progress` is told of URLs in bytes, of wheels one
    by one.

    Warns with RealdbWarning of files that could not be had. Raises DataError where `source` cannot
    be read, holds no known file or the same one twice with different bytes, and where real.json can
    be had from nowhere.
    """
    with scratch() as folder:
        if source is None:
            files = download(cache=cache, scratch=folder, offline=offline, progress=progress)
        else:
            files = (
                in_folder(source, known_files()) if source.is_dir() else _in_archive(source, folder)
            )
        yield files


def tell(source: Path, files: Mapping[str, SourceFile]) -> None:
    """Warn of files that are not the published ones, and of those that `source` lacks.

    For when they have been read and taken: a file that is refused draws no warning as well.
    """
    tell_others(files.values(), known_files())
    known = [file for file in known_files().values() if any("url" in p for p in file.places)]
    missing = [file for file in known if file.name not in files]
    if missing:
        lost = "; ".join(f"{file.name}: {file.holds}" for file in missing)
        warnings.warn(
            f"{source} does not have all files, and so the store does not have their content "
            f"({lost})",
            RealdbWarning,
            stacklevel=2,
        )


def tell_others(files: Iterable[SourceFile], known: Mapping[str, KnownFile]) -> None:
    """Warn of files that are not the published ones."""
    for file in files:
        pinned = known[file.name].sha256
        if pinned and not file.is_published:
            warnings.warn(
                f"{file.origin} is not the published {file.name} (sha256 {file.sha256[:12]}, not "
                f"{pinned[:12]}); it is well formed, and was taken",
                RealdbWarning,
                stacklevel=3,
            )


def in_folder(folder: Path, wanted: Mapping[str, KnownFile]) -> dict[str, SourceFile]:
    """Find the files `wanted`, by their names, in a folder; DataError where none is there."""
    try:
        paths = [(known, folder / name) for name, known in _names(wanted).items()]
        found = [source_file(known, path, str(path)) for known, path in paths if path.is_file()]
        return _choose(found, folder, sorted(path.name for path in folder.iterdir()), wanted)
    except OSError as error:
        file = error.filename or folder
        raise DataError(f"{file} cannot be read: {error.strerror}", file=file) from error


def _names(wanted: Mapping[str, KnownFile]) -> dict[str, KnownFile]:
    """Map each name and alias to its file, names first."""
    known = wanted.values()
    return {file.name: file for file in known} | {a: file for file in known for a in file.aliases}


def _in_archive(archive: Path, folder: Path) -> dict[str, SourceFile]:
    """Extract the known files of `archive`, each into a folder of its own in `folder`."""
    if not archive.is_file():
        raise DataError(
            f"{archive} does not exist, neither as a file nor as a folder",
            file=archive,
            parameter="source",
        )
    # By its name, since an npz is a zip by its content.
    if archive.name in _names(known_files()) or archive.suffix.lower() in _SINGLE:
        raise DataError(
            f"{archive} is a single file",
            file=archive,
            parameter="source",
            remedy="Name the folder that contains it and the other files: realdb ingest"
            f" {archive.parent}",
        )
    return in_archive(archive, folder, known_files())


def in_archive(
    archive: Path, folder: Path, wanted: Mapping[str, KnownFile]
) -> dict[str, SourceFile]:
    """Extract the files `wanted` from `archive`, each into a folder of its own in `folder`.

    DataError where none is there, or the archive cannot be read.
    """
    import shutil

    names = _names(wanted)
    found: list[SourceFile] = []
    seen: list[str] = []
    try:
        for member, open_member in _members(archive):
            *parents, name = member.replace("\\", "/").split("/")
            if "__MACOSX" in parents or name.startswith("._"):
                continue
            seen.append(member)
            if name in names:
                # Of the member's own path only the name is used: nothing lands outside `folder`.
                path = folder / str(len(found)) / name
                path.parent.mkdir()
                with open_member() as stream, path.open("wb") as copy:
                    shutil.copyfileobj(stream, copy)
                found.append(source_file(names[name], path, f"{archive}: {member}"))
    # Any: tarfile, zipfile and their decompressors have a dozen errors for bytes they cannot read.
    except Exception as error:
        raise DataError(
            f"{archive} cannot be unpacked ({error})",
            file=archive,
            parameter="source",
            remedy="Fetch or pack it again, or name the folder that contains the files: realdb"
            " ingest FOLDER",
        ) from error
    return _choose(found, archive, seen, wanted)


def _members(archive: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give the files in a zip or tar archive: the name, and a function that opens it."""
    import tarfile
    import zipfile

    # A tar whose last member is an npz ends as a zip does: ask for tar first.
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for entry in tar:
                if entry.isreg() or entry.islnk():
                    yield entry.name, partial(tar.extractfile, entry)
            # tarfile takes a broken header for the end, and stops before a compressor's checksum.
            stream: Any = tar.fileobj
            while block := stream.read(1 << 20):
                if block.strip(b"\0"):
                    raise ValueError("what follows its last readable member is damaged")
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                if not member.is_dir():
                    yield member.filename, partial(opened.open, member)
    else:
        raise ValueError("it is no zip or tar archive, or a damaged one")


def _choose(
    found: list[SourceFile], where: Path, seen: list[str], wanted: Mapping[str, KnownFile]
) -> dict[str, SourceFile]:
    """Take one file for each name; refuse none, and two with different bytes."""
    if not found:
        there = ", ".join(seen[:5]) + (", …" if len(seen) > 5 else "")
        raise DataError(
            f"{where} contains none of the files that realdb knows: looked for"
            f" {', '.join(_names(wanted))}; found {there or 'nothing'}",
            file=where,
            count=0,
            parameter="source",
            remedy="Name the folder that contains them",
        )
    chosen: dict[str, SourceFile] = {}
    for file in found:
        other = chosen.setdefault(file.name, file)
        if other.sha256 != file.sha256:
            raise DataError(
                f"{other.origin} and {file.origin} are both {file.name} but differ in their bytes"
                f" (sha256 {other.sha256[:12]} and {file.sha256[:12]})",
                file=where,
                value=file.name,
                count=2,
                remedy="Remove one of them",
            )
    return {name: chosen[name] for name in wanted if name in chosen}
