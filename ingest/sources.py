"""Where the files come from: a folder, an archive, or the places that sources.toml names."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache as cached
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import DataError, RealdbWarning
from .progress import Progress, silent

_TIMEOUT = 20  # seconds until a host that says nothing is given up
_SINGLE = (".npz", ".npy", ".json", ".jsonl", ".csv", ".txt")


@dataclass(frozen=True, kw_only=True)
class KnownFile:
    """One table of sources.toml, whose head explains the keys; without a checksum it is ''."""

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

    `name` is its name in sources.toml, `path` where its bytes can be read, `origin` where they came
    from (a path, a URL, or an archive or a wheel and its member), and `is_published` says that its
    checksum is the pinned one.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    origin: str
    is_published: bool


def refusal(path: Path, text: str) -> DataError:
    """Return the error for a file that is not as it was published; `text` says what and where."""
    return DataError(f"{path.name}: {text}. Download it again, or leave it out of the folder")


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

    Warns with RealdbWarning of a file that is not the published one and of files that could not be
    had. Raises DataError where `source` cannot be read, holds no known file or the same one twice
    with different bytes, and where real.json can be had from nowhere.
    """
    import tempfile

    # On Windows a file that is still mapped cannot be removed: no reason to fail.
    with tempfile.TemporaryDirectory(prefix="realdb-", ignore_cleanup_errors=True) as folder:
        if source is None:
            default = _default_cache() if cache is None else cache
            run = _Run(cache=default, wheels=Path(folder), offline=offline, progress=progress)
            files = _download(run)
        else:
            files = _in_folder(source) if source.is_dir() else _in_archive(source, Path(folder))
        yield files


@cached
def known_files() -> dict[str, KnownFile]:
    """Read the tables of sources.toml, by name and in order."""
    return {name: KnownFile(name=name, **table) for name, table in _toml()["files"].items()}


def _toml() -> dict[str, Any]:
    import tomllib

    return tomllib.loads(Path(__file__).with_name("sources.toml").read_text("utf-8"))


def _names() -> dict[str, KnownFile]:
    """Map each name and alias to its file, names first."""
    known = known_files().values()
    return {file.name: file for file in known} | {a: file for file in known for a in file.aliases}


# A folder or an archive


def _in_folder(folder: Path) -> dict[str, SourceFile]:
    try:
        paths = [(known, folder / name) for name, known in _names().items()]
        found = [_source_file(known, path, str(path)) for known, path in paths if path.is_file()]
        return _choose(found, folder, sorted(path.name for path in folder.iterdir()))
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be read: {error.strerror}") from error


def _in_archive(archive: Path, folder: Path) -> dict[str, SourceFile]:
    """Extract the known files of `archive`, each into a folder of its own in `folder`."""
    import shutil

    names = _names()
    if not archive.is_file():
        raise DataError(f"{archive}: there is no such file or folder")
    # By its name, since an npz is a zip by its content.
    if archive.name in names or archive.suffix.lower() in _SINGLE:
        raise DataError(
            f"{archive} is a single file; give the folder that holds it and the other files:"
            f" realdb ingest {archive.parent}"
        )
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
                found.append(_source_file(names[name], path, f"{archive}: {member}"))
    # Any: tarfile, zipfile and their decompressors have a dozen errors for bytes they cannot read.
    except Exception as error:
        raise DataError(
            f"{archive} cannot be unpacked ({error}); fetch or pack it again, or give the folder"
            " that holds the files: realdb ingest FOLDER"
        ) from error
    return _choose(found, archive, seen)


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


def _choose(found: list[SourceFile], where: Path, seen: list[str]) -> dict[str, SourceFile]:
    """Take one file for each name; refuse none, and two with different bytes."""
    if not found:
        there = ", ".join(seen[:5]) + (", …" if len(seen) > 5 else "")
        raise DataError(
            f"{where} holds none of the files that realdb knows: looked for {', '.join(_names())};"
            f" found {there or 'nothing'}. Give the folder in which they stand"
        )
    chosen: dict[str, SourceFile] = {}
    for file in found:
        other = chosen.setdefault(file.name, file)
        if other.sha256 != file.sha256:
            raise DataError(
                f"{other.origin} and {file.origin} are both {file.name} but differ in their bytes"
                f" (sha256 {other.sha256[:12]} and {file.sha256[:12]}); remove one of them"
            )
    for file in chosen.values():
        pinned = known_files()[file.name].sha256
        if pinned and not file.is_published:
            text = (
                f"{file.origin} is not the published {file.name} (sha256 {file.sha256[:12]}, not"
                f" {pinned[:12]}); it is accepted if it is well formed"
            )
            warnings.warn(text, RealdbWarning, stacklevel=2)
    return {name: chosen[name] for name in known_files() if name in chosen}


def _source_file(known: KnownFile, path: Path, origin: str) -> SourceFile:
    import hashlib

    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return SourceFile(
        name=known.name,
        path=path,
        sha256=digest,
        bytes=path.stat().st_size,
        origin=origin,
        is_published=digest == known.sha256,
    )


# Downloads


class _NotHadError(Exception):
    """A place does not give its file; the text is the reason, for the user."""


@dataclass(kw_only=True)
class _Run:
    """What the downloads of one call share; `failed` maps a host or a wheel to the reason."""

    cache: Path
    wheels: Path
    offline: bool
    progress: Progress
    failed: dict[str, str] = field(default_factory=dict)

    def refuse_failed(self, *hosts: str) -> None:
        """Raise where a host failed before, so that nobody waits for it twice."""
        for host in hosts:
            if host in self.failed:
                raise _NotHadError(self.failed[host])

    def fail(self, host: str, reason: str) -> _NotHadError:
        self.failed[host] = reason
        return _NotHadError(reason)


@dataclass
class _Bar:
    """A Progress in the form in which pooch moves a progress bar."""

    progress: Progress
    task: str
    size: int
    done: int = 0
    total: int = 0  # pooch sets it to the bytes on the wire, which may be compressed: not used

    def update(self, step: int) -> None:
        self.done = min(self.done + step, self.size)
        self.progress(self.task, self.done, self.size)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        self.progress(self.task, self.size, self.size)


def _default_cache() -> Path:
    import platformdirs

    if folder := os.environ.get("REALDB_CACHE"):
        return Path(folder).expanduser()
    return platformdirs.user_cache_path("realdb", appauthor=False) / "downloads"


def _download(run: _Run) -> dict[str, SourceFile]:
    """Have the files that are marked `fetch`: from the cache, else from their places."""
    wanted = [known for known in known_files().values() if known.fetch]
    reasons: dict[str, list[str]] = {known.name: [] for known in wanted}
    try:
        had = [_have(run, known, reasons[known.name]) for known in wanted]
    except OSError as error:
        raise DataError(
            f"the cache folder {run.cache} cannot be used ({error.strerror or error}); set"
            " REALDB_CACHE to another one"
        ) from error
    files = {file.name: file for file in had if file}
    missing = [known for known in wanted if known.name not in files]
    if "real.json" not in files and run.offline:
        raise DataError(
            "offline (--offline or REALDB_OFFLINE): nothing may be downloaded; give a folder:"
            " realdb ingest FOLDER, or leave out --offline"
        )
    if missing:
        text = _missing_text(missing, [why for known in missing for why in reasons[known.name]])
        if "real.json" not in files:
            raise DataError(text)
        warnings.warn(text, RealdbWarning, stacklevel=2)
    return files


def _have(run: _Run, known: KnownFile, reasons: list[str]) -> SourceFile | None:
    """Give a file out of the cache or its places; add to `reasons` why a place did not give it."""
    target = run.cache / known.sha256[:16] / known.name
    if target.is_file():
        file = _source_file(known, target, str(target))
        if file.is_published:
            return file
    if run.offline:
        reasons.append(f"offline, and not in the cache {run.cache}")
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    for place in known.places:
        try:
            origin = (_from_url if "url" in place else _from_wheel)(run, known, place, target)
            return _source_file(known, target, origin)
        except _NotHadError as error:
            reasons.append(str(error))
    return None


def _from_url(run: _Run, known: KnownFile, place: dict[str, str], target: Path) -> str:
    """Download what stands at a URL to `target`."""
    from urllib.parse import urlsplit

    import pooch

    host = urlsplit(place["url"]).netloc
    run.refuse_failed(host)
    bar = _Bar(run.progress, f"downloading {known.name}", known.bytes)
    log = pooch.get_logger()  # it talks on stderr of what `progress` tells already
    level = log.level
    log.setLevel("WARNING")
    try:
        get = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=_TIMEOUT)
        known_hash = f"sha256:{known.sha256}"
        pooch.retrieve(place["url"], known_hash, target.name, target.parent, downloader=get)
    except OSError as error:
        if error.errno is not None:  # of the disk: the errors of requests carry no number
            raise
        response = getattr(error, "response", None)
        if response is None:
            reason = f"{host} gave no answer ({type(error).__name__})"
            raise run.fail(host, reason) from error
        raise _NotHadError(f"{host} answered {response.status_code}") from error
    except ValueError as error:
        raise _NotHadError(f"{host} gave other bytes than the published {known.name}") from error
    finally:
        log.setLevel(level)
    return place["url"]


def _from_wheel(run: _Run, known: KnownFile, place: dict[str, str], target: Path) -> str:
    """Take a member out of a wheel and put it at `target`."""
    import hashlib
    import zipfile

    origin = f"{place['wheel']}: {place['member']}"
    try:
        with zipfile.ZipFile(_wheel(run, place["wheel"])) as opened:
            content = opened.read(place["member"])
    except (KeyError, zipfile.BadZipFile) as error:
        raise _NotHadError(f"{origin} cannot be read") from error
    if hashlib.sha256(content).hexdigest() != known.sha256:
        raise _NotHadError(f"{origin} has other bytes than the published {known.name}")
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return origin


def _wheel(run: _Run, requirement: str) -> Path:
    """Download a wheel with pip, once in a run; nothing is installed."""
    import subprocess
    import sys

    folder = run.wheels / requirement
    if wheel := next(folder.glob("*.whl"), None):
        return wheel
    run.refuse_failed("pip", "the package index", requirement)
    run.progress(f"downloading {requirement}", 0, 1)
    # -P: a pip.py in the folder that the user happens to stand in is not what is meant.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps"]
    command += ["--only-binary", ":all:", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--retries", "1", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    run.progress(f"downloading {requirement}", 1, 1)
    if wheel := next(folder.glob("*.whl"), None):
        return wheel
    if "No module named pip" in done.stderr:
        raise run.fail("pip", "this Python environment has no pip to fetch wheels with")
    if "connection broken by" in done.stderr:
        raise run.fail("the package index", "the package index gave no answer to pip")
    said = [line[7:] for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    raise run.fail(requirement, f"pip: {said[-1] if said else f'no wheel of {requirement}'}")


def _missing_text(missing: list[KnownFile], reasons: list[str]) -> str:
    """Say what is missing, what that costs, why, and how to have it all the same."""
    homes = [place for known in missing for place in known.places[:1]]
    by_hand = [_toml()["repository"] if "url" in p else f"the wheel {p['wheel']}" for p in homes]
    feeds = {table for known in missing for table in known.feeds}
    return (
        f"{', '.join(known.name for known in missing)} could not be had, and so these are missing"
        f" or incomplete: {', '.join(sorted(feeds))}; why: {'; '.join(dict.fromkeys(reasons))}. To"
        f" have them, download them by hand from {' and '.join(dict.fromkeys(by_hand))} into a"
        " folder, with the other files you want, and run: realdb ingest FOLDER"
    )
