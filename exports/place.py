"""Put a file or a folder where the user wants it: whole, or not at all."""

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

# What a folder that realdb writes holds, and by which it knows it again. Readers of image folders
# and most readers of Parquet pass over a name that begins so. Polars does not: a folder of nothing
# but Parquet files does without, as each of them has the notice in its metadata.
MARK = "_realdb.json"


def require_free(target: Path, *, is_folder: bool, force: bool) -> None:
    """Raise DataError where nothing may be written at `target`.

    With `force` a file may take a file's place, and a folder that of a folder that realdb wrote:
    what else stands in a folder is not ours to remove.
    """
    kind = "folder" if is_folder else "file"
    if not target.parent.is_dir():
        raise DataError(
            f"realdb cannot write {target}: there is no folder {target.parent}",
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
            f"{target} is no {kind}, and this format writes a {kind}",
            file=target,
            value=kind,
            parameter="out",
            remedy="Name another place",
        )
    if not force:
        raise exists(target)
    if is_folder and not (target / MARK).is_file() and not _is_noticed(target):
        raise DataError(
            f"realdb export did not write {target}, or not all that is in it (it has no {MARK}, "
            "nor only Parquet files of realdb), so `force` does not replace it",
            file=target,
            value=MARK,
            parameter="out",
            remedy="Name another folder, or remove it yourself",
        )


@contextlib.contextmanager
def aside(
    target: Path, *, is_folder: bool, force: bool, notice: Mapping[str, str]
) -> Iterator[Path]:
    """Yield a path beside `target` for the caller to write and check; then move it to `target`.

    Where anything fails, what was at `target` stays, and nothing is left beside it: see
    store.files.replacing. A folder whose files do not have the `notice` holds it in the file MARK.
    """

    def check() -> None:
        require_free(target, is_folder=is_folder, force=force)

    check()
    try:
        # Another process may have been there meanwhile.
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
    """Say whether a folder holds nothing but Parquet files that realdb wrote, one at least."""
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
    """Raise UsageError where a format that is no text, called `name`, would go to a terminal."""
    if sys.stdout.isatty():
        raise UsageError(
            f"{name} is not for a terminal",
            value=name,
            parameter="out",
            remedy="Send it to a file with > FILE",
        )


@contextlib.contextmanager
def standard_output(name: str, *, is_text: bool) -> Iterator[Path]:
    """Yield a path for the caller to write and check; then copy the file to standard output.

    A query that fails as it runs so prints nothing, and a format that is written back and forth
    goes into a pipe as well.
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
