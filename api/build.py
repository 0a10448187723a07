"""Build the store, or open an existing one."""

from __future__ import annotations

import os
import warnings
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RealdbWarning, StoreError, UsageError
from ..queries import catalog
from ..store import store as stores
from ..store.files import user_path
from ..version import __version__

if TYPE_CHECKING:
    from ..ingest.progress import Progress
    from ..store.store import Store


def ingest(
    source: str | Path | None = None,
    *,
    store: str | PathLike[str] | None = None,
    original: str | Path | None = None,
    original_format: str | None = None,
    parquet_only: bool = False,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Store:
    """Build the store from the files in `source`, and return it.

    `source` is a folder, or a zip or tar archive of one. By default the published files are
    downloaded to a cache, and each is checked by its SHA-256. `original` is a file, or a folder
    tree, of original labels that replaces those in `source`. `original_format` is its format, if it
    cannot be detected (a key of ingest.original_labels.ORIGINAL_LABEL_FORMATS). `parquet_only`
    skips realdb.duckdb, which realdb itself does not need. `progress` is called with the name of a
    task, the amount done, and the total.

    Raises DataError if a file is damaged or contradicts another, StoreError if the store cannot be
    written. The current build is then unchanged.
    """
    if original_format is not None and original is None:
        raise UsageError(
            "`original_format` is set without `original`. Set both, or neither",
            parameter="original_format",
            value=original_format,
        )
    return _build(
        source,
        root_of(store),
        original=original,
        original_format=original_format,
        parquet_only=parquet_only,
        offline=offline,
        progress=progress,
    )


def _build(
    source: str | Path | None,
    root: Path,
    *,
    original: str | Path | None = None,
    original_format: str | None = None,
    parquet_only: bool = False,
    offline: bool | None,
    progress: Progress | None,
    is_wanted_once: bool = False,
) -> Store:
    """Build the store. `is_wanted_once` returns the build of another process, if there is one."""
    from ..ingest import build, sources
    from ..ingest.progress import silent
    from ..store.build import NOTES, new_build

    progress = progress or silent
    stores.require_own_folder(root)
    with (
        sources.locate(
            user_path(source) if source is not None else None,
            offline=is_offline(offline),
            progress=progress,
        ) as files,
        new_build(root, __version__, parquet_only=parquet_only) as made,
    ):
        if is_wanted_once and (root / "CURRENT").exists():
            return stores.resolve(root)
        build.load(
            made,
            files,
            original=user_path(original) if original is not None else None,
            original_format=original_format,
            progress=progress,
        )
        built = made.publish(partial(catalog.install, comment=True, notes=NOTES))
        if source is not None:
            sources.tell(user_path(source), files)
        return built


def open_store(
    store: str | PathLike[str] | None, offline: bool | None, progress: Progress | None = None
) -> Store:
    """Return the store. Build it first if it does not exist."""
    root = root_of(store)
    try:
        found = stores.resolve(root)
    except StoreError:
        if (root / "CURRENT").exists():
            raise
        stores.require_own_folder(root)
        if is_offline(offline):
            raise StoreError(
                f"there is no store in {root}. The files for it are not downloaded with "
                "`offline=True` or REALDB_OFFLINE",
                file=root,
                parameter="offline",
                remedy="Build the store from a folder of these files: realdb ingest FOLDER",
            ) from None
    else:
        if stores.is_behind(root):
            from ..store.build import repair

            repair(found)
        return found
    warnings.warn(
        f"there is no store in {root}. It is built now from the published files",
        RealdbWarning,
        stacklevel=3,
    )
    return _build(None, root, offline=False, progress=progress, is_wanted_once=True)


def root_of(store: str | PathLike[str] | None) -> Path:
    """Return the store's folder: `store`, else the default."""
    return user_path(store) if store is not None else stores.default_root()


def is_offline(offline: bool | None) -> bool:
    """Return whether downloads are off: `offline`, or REALDB_OFFLINE if it is None."""
    if offline is not None:
        return offline
    return os.environ.get("REALDB_OFFLINE", "").lower() not in ("", "0", "false", "no")
