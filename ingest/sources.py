"""Find the source files: in a folder, in an archive, or online (see `downloads`)."""

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

    Yields the files by name, in the order of sources.toml. Their `path` is valid only inside the
    context. realdb looks for names and aliases: at the top level of a folder, at any depth of an
    archive. Without `source` it uses the cache (`cache`, else REALDB_CACHE, else the user's cache
    folder). It downloads the files that are not in the cache, unless `offline` is set. `progress`
    counts bytes for a URL, and wheels one by one.

    Warns with RealdbWarning about files that could not be downloaded. Raises DataError if `source`
    cannot be read, has no known file, or has a file twice with different bytes, or if real.json is
    not available.
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
    """Warn about files that differ from the published ones, and about files missing in `source`.

    Call it after the files were read, because a file that was refused needs no warning as well.
    """
    tell_others(files.values(), known_files())
    known = [file for file in known_files().values() if any("url" in p for p in file.places)]
    missing = [file for file in known if file.name not in files]
    if missing:
        lost = "; ".join(f"{file.name}: {file.holds}" for file in missing)
        warnings.warn(
            f"{source} does not have all files, and the store does not have the content of the "
            f"missing {len(missing)} ({lost})",
            RealdbWarning,
            stacklevel=2,
        )


def tell_others(files: Iterable[SourceFile], known: Mapping[str, KnownFile]) -> None:
    """Warn about files that differ from the published ones."""
    for file in files:
        pinned = known[file.name].sha256
        if pinned and not file.is_published:
            warnings.warn(
                f"{file.origin} differs from the published {file.name} (sha256 {file.sha256[:12]}, "
                f"not {pinned[:12]}). Its format is valid, and realdb uses it",
                RealdbWarning,
                stacklevel=3,
            )


def in_folder(folder: Path, wanted: Mapping[str, KnownFile]) -> dict[str, SourceFile]:
    """Find the files `wanted` in a folder by name; DataError if it has none of them."""
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
    """Extract the known files of `archive`, each into its own folder in `folder`."""
    if not archive.is_file():
        raise DataError(
            f"{archive} does not exist: there is no file and no folder of this name",
            file=archive,
            parameter="source",
        )
    # Checked by name, because an npz is also a zip.
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
    """Extract the files `wanted` from `archive`, each into its own folder in `folder`.

    Raises DataError if the archive has none of them or cannot be read.
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
                # Only the name of the member's path is used: no file is written outside `folder`.
                path = folder / str(len(found)) / name
                path.parent.mkdir()
                with open_member() as stream, path.open("wb") as copy:
                    shutil.copyfileobj(stream, copy)
                found.append(source_file(names[name], path, f"{archive}: {member}"))
    # Any error: tarfile, zipfile and their decompressors raise many kinds for invalid bytes.
    except Exception as error:
        raise DataError(
            f"{archive} cannot be unpacked ({error})",
            file=archive,
            parameter="source",
            remedy="Download or pack it again, or pass a folder that contains the files: realdb"
            " ingest FOLDER",
        ) from error
    return _choose(found, archive, seen, wanted)


def _members(archive: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield each file in a zip or tar archive: its name, and a function that opens it."""
    import tarfile
    import zipfile

    # Test for tar first: a tar whose last member is an npz also ends like a zip.
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for entry in tar:
                if entry.isreg() or entry.islnk():
                    yield entry.name, partial(tar.extractfile, entry)
            # tarfile treats a broken header as the end, and stops before a compressor's checksum.
            stream: Any = tar.fileobj
            while block := stream.read(1 << 20):
                if block.strip(b"\0"):
                    raise ValueError("it is damaged after its last readable member")
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                if not member.is_dir():
                    yield member.filename, partial(opened.open, member)
    else:
        raise ValueError("it is not a zip or tar archive, or it is damaged")


def _choose(
    found: list[SourceFile], where: Path, seen: list[str], wanted: Mapping[str, KnownFile]
) -> dict[str, SourceFile]:
    """Return one file for each name. Refuse no files, and two files with different bytes."""
    if not found:
        there = ", ".join(seen[:5]) + (", …" if len(seen) > 5 else "")
        raise DataError(
            f"{where} contains none of the files that realdb looks for"
            f" ({', '.join(_names(wanted))}). It contains {there or 'nothing'}",
            file=where,
            count=0,
            parameter="source",
            remedy="Pass the folder that contains them",
        )
    chosen: dict[str, SourceFile] = {}
    for file in found:
        other = chosen.setdefault(file.name, file)
        if other.sha256 != file.sha256:
            raise DataError(
                f"{other.origin} and {file.origin} are both {file.name}, but their bytes differ"
                f" (sha256 {other.sha256[:12]} and {file.sha256[:12]})",
                file=where,
                value=file.name,
                count=2,
                remedy="Remove one of them",
            )
    return {name: chosen[name] for name in wanted if name in chosen}
