"""Find the files of a published label set: a file, a folder, an archive, or a download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...errors import DataError, UsageError, did_you_mean
from ...store.temporary import scratch
from .. import sources
from ..downloads import fetch
from ..known import KnownFile, SourceFile, source_file
from ..progress import Progress, silent
from . import Release, release_of, releases

_ARCHIVES = (".zip", ".whl", ".tar", ".gz", ".tgz", ".xz", ".bz2")


def find(what: str | Path) -> tuple[Release | None, Path | None]:
    """Return the release for `what`, and its path. `what` is a name or a path.

    The release is None for the user's own file, and the path is None for a name. Raises DataError
    if a folder or an archive has no release or several. Raises UsageError if `what` is neither a
    release nor an existing path.
    """
    known = releases()
    if str(what) in known:
        return known[str(what)], None
    path = Path(what)
    if path.is_file() and path.suffix.lower() not in _ARCHIVES:
        name = release_of(path.name)
        release = known[name] if name else None
        return release, path.parent if release and len(release.files) > 1 else path
    if not path.exists():
        raise UsageError(
            f"{str(what)!r} is neither an existing file nor a published label set",
            parameter="what",
            value=what,
            remedy=did_you_mean(
                str(what), known, f"The published label sets are {', '.join(known)}"
            ),
        )
    with scratch() as folder:
        every = {name: file for each in known.values() for name, file in each.files.items()}
        found = _look(path, folder, every)
    held = [release for release in known.values() if {*release.files} <= {*found}]
    if len(held) != 1:
        names = ", ".join(release.name for release in held)
        raise DataError(
            f"{path} has {f'several label sets: {names}' if held else 'no complete label set'}",
            file=path,
            count=len(held),
            parameter="source",
            remedy=f"Choose one by name: realdb labels add NAME with `source={path}`",
        )
    return held[0], path


@contextmanager
def located(
    release: Release,
    source: Path | None,
    *,
    offline: bool,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Iterator[dict[str, SourceFile]]:
    """Yield the files of a release by name: from `source`, else from the cache or a download.

    `source` is a folder or an archive, or a file if the release has only one. Raises DataError if a
    file is missing or cannot be downloaded.
    """
    with scratch() as folder:
        if source is None:
            yield _download(release, folder, cache, progress, offline=offline)
            return
        found = _look(source, folder, release.files)
        missing = [name for name in release.files if name not in found]
        if missing:
            raise DataError(
                f"{source} does not have {', '.join(missing)} of {release.name}",
                file=source,
                value=missing[0],
                count=len(missing),
                parameter="source",
                remedy=_by_hand(release),
            )
        yield found


def _look(source: Path, folder: Path, wanted: Mapping[str, KnownFile]) -> dict[str, SourceFile]:
    """Return the files `wanted` that exist in a file, folder or archive."""
    if source.is_dir():
        return sources.in_folder(source, wanted)
    if not source.exists():
        raise DataError(f"{source} does not exist", file=source, parameter="source")
    if source.suffix.lower() in _ARCHIVES:
        return sources.in_archive(source, folder, wanted)
    if source.name in wanted:
        return {source.name: source_file(wanted[source.name], source, str(source))}
    if len(wanted) == 1:
        ((name, known),) = wanted.items()
        return {name: source_file(known, source, str(source))}
    raise DataError(
        f"{source} is a single file, but this label set needs several: {', '.join(wanted)}",
        file=source,
        count=len(wanted),
        parameter="source",
        remedy="Pass the folder that contains them",
    )


def _download(
    release: Release, folder: Path, cache: Path | None, progress: Progress, *, offline: bool
) -> dict[str, SourceFile]:
    files, reasons = fetch(
        release.files.values(), cache=cache, scratch=folder, offline=offline, progress=progress
    )
    missing = [name for name in release.files if name not in files]
    if missing:
        why = "; ".join(dict.fromkeys(reason for name in missing for reason in reasons[name]))
        raise DataError(
            f"{', '.join(missing)} of {release.name} could not be downloaded: {why}",
            file=missing[0],
            count=len(missing),
            parameter="offline" if offline else None,
            remedy=_by_hand(release),
        )
    return {name: files[name] for name in release.files}


def _by_hand(release: Release) -> str:
    """Return the advice to download the files by hand."""
    places = [known.places[0] for known in release.files.values()]
    homes = dict.fromkeys(
        place["url"] if "url" in place else f"the wheel {place['wheel']} of PyPI"
        for place in places
    )
    return (
        f"Download {' and '.join(homes)}, and pass the file or folder: realdb labels add "
        f"{release.name} with `source=PATH`"
    )
