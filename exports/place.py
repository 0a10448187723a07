"""Write an output file or folder atomically."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import DataError, UsageError
from ..store.files import exists, replacing
from ..store.temporary import scratch
from . import lines

# The file that marks a folder as written by realdb. Readers of image folders and most readers of
# Parquet ignore names with a leading underscore. Polars does not. So a folder of Parquet files has
# no mark: the metadata of each file has the notice.
MARK = "_realdb.json"


def require_free(target: Path, *, is_folder: bool, force: bool) -> None:
    """Raise DataError if `target` cannot be written or must not be replaced.

    With `force` a file may replace a file. A folder may replace a folder that realdb wrote, but no
    other folder, because it may have files of the user.
    """
    kind = "folder" if is_folder else "file"
    if not target.parent.is_dir():
        raise DataError(
            f"realdb cannot write {target}: the folder {target.parent} does not exist",
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
            f"this format writes a {kind}, but {target} exists and is not a {kind}",
            file=target,
            value=kind,
            parameter="out",
            remedy="Use another path",
        )
    if not force:
        raise exists(target)
    if is_folder and not (target / MARK).is_file() and not _is_noticed(target):
        raise DataError(
            f"`force` replaces only folders that realdb export wrote. {target} has no {MARK}, and "
            "does not consist of realdb's Parquet files",
            file=target,
            value=MARK,
            parameter="out",
            remedy="Use another folder, or remove it yourself",
        )


@contextlib.contextmanager
def aside(
    target: Path, *, is_folder: bool, force: bool, notice: Mapping[str, str]
) -> Iterator[Path]:
    """Yield a path beside `target` for the caller to write and check; then move it to `target`.

    If anything fails, `target` is unchanged, and the temporary path is removed (see
    store.files.replacing). If the files of a folder do not have the `notice`, write it to MARK.
    """

    def check() -> None:
        require_free(target, is_folder=is_folder, force=force)

    check()
    try:
        # Check again after the write: another process may have created `target`.
        with replacing(target, check) as made:
            yield made
            if is_folder and not _is_noticed(made):
                text = json.dumps(dict(notice), indent=2) + "\n"
                (made / MARK).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"realdb cannot write {target}: {error.strerror or error}",
            file=target,
            value=error.errno,
            parameter="out",
        ) from None


def _is_noticed(folder: Path) -> bool:
    """Return whether a folder has only Parquet files that realdb wrote, at least one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = False
    for path in folder.rglob("*"):
        if path.is_dir():
            continue
        if path.suffix != ".parquet":
            return False
        try:
            found = b"realdb_version" in (pq.read_metadata(path).metadata or {})
        except (OSError, pa.ArrowException):
            found = False
        if not found:
            return False
    return found


def require_no_terminal(name: str) -> None:
    """Raise UsageError if the binary format `name` would be printed on a terminal."""
    if sys.stdout.isatty():
        raise UsageError(
            f"{name} is a binary format, which cannot be printed on a terminal",
            value=name,
            parameter="out",
            remedy="Write it to a file with > FILE",
        )


@contextlib.contextmanager
def standard_output(name: str, *, is_text: bool) -> Iterator[Path]:
    """Yield a path for the caller to write and check; then copy the file to standard output.

    So a failing query prints nothing, and formats that need random access work with a pipe.
    """
    if not is_text:
        require_no_terminal(name)
    with scratch() as folder:
        made = folder / "stdout"
        yield made
        if sys.stdout.isatty():
            sys.stdout.write(lines.visible(made.read_text(encoding="utf-8")))
            return
        with made.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()
