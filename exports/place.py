"""Put a file or a folder where the user wants it: whole, or not at all."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import DataError, UsageError
from ..store.files import exists, sync

# What each folder that realdb writes holds, and by which it knows it again. Readers of Parquet and
# of image folders pass over a name that begins so.
MARK = "_realdb.json"


def require_free(target: Path, *, is_folder: bool, force: bool) -> None:
    """Raise DataError where nothing may be written at `target`.

    With `force` a file may take a file's place, and a folder that of a folder that realdb wrote:
    what else stands in a folder is not ours to remove.
    """
    kind = "folder" if is_folder else "file"
    if not target.parent.is_dir():
        raise DataError(
            f"{target} cannot be written: there is no folder {target.parent}",
            file=target,
            value=target.parent,
            parameter="out",
        )
    if not target.exists() and not target.is_symlink():
        return
    if target.is_dir() and is_folder and not any(target.iterdir()):
        return
    if is_folder != target.is_dir() or not (target.is_dir() or target.is_file()):
        raise DataError(
            f"{target} is not a {kind}, and the export writes a {kind}",
            file=target,
            parameter="out",
            remedy="Choose another name",
        )
    if not force:
        raise exists(target)
    if is_folder and not (target / MARK).is_file():
        raise DataError(
            f"{target} was not written by realdb export (it has no {MARK}), so that `force=True` "
            "does not replace it",
            file=target,
            value=MARK,
            parameter="out",
            remedy="Choose another folder, or remove it yourself",
        )


@contextlib.contextmanager
def aside(
    target: Path, *, is_folder: bool, force: bool, notice: Mapping[str, str]
) -> Iterator[Path]:
    """Yield a path beside `target` for the caller to write and check; then move it to `target`.

    A file takes the place of another in one step. A folder cannot: the old one is moved aside
    first, and back if the new one cannot take its place. Where anything fails, what stood at
    `target` stays, and nothing is left beside it.
    """
    require_free(target, is_folder=is_folder, force=force)
    try:
        # A folder of its own, so that what a database writes beside its file goes with it.
        with tempfile.TemporaryDirectory(
            prefix=".realdb-", suffix=".partial", dir=target.parent, ignore_cleanup_errors=True
        ) as folder:
            made = Path(folder) / target.name
            yield made
            if is_folder:
                # Not synced: there may be 50,000 files in it, and it can be made anew.
                text = json.dumps(dict(notice), indent=2) + "\n"
                (made / MARK).write_text(text, encoding="utf-8")
            else:
                sync(made)
            # Another process may have been here meanwhile.
            require_free(target, is_folder=is_folder, force=force)
            if is_folder and target.exists():
                old = Path(folder) / "old"
                target.replace(old)
                try:
                    made.replace(target)
                except OSError:
                    old.replace(target)
                    raise
            else:
                made.replace(target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written: {error.strerror or error}", file=target
        ) from None
    sync(target.parent)


@contextlib.contextmanager
def standard_output(name: str, *, is_text: bool) -> Iterator[Path]:
    """Yield a path for the caller to write and check; then copy the file to standard output.

    A query that fails as it runs so prints nothing, and a format that is written back and forth
    goes into a pipe as well.
    """
    if not is_text and sys.stdout.isatty():
        raise UsageError(
            f"{name} is not printed on a terminal",
            parameter="format",
            value=name,
            remedy="Send it to a file with > FILE",
        )
    with tempfile.TemporaryDirectory(prefix="realdb-", ignore_cleanup_errors=True) as folder:
        made = Path(folder) / "stdout"
        yield made
        with made.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()
