"""The stored label sets and groupings: one folder for each, independent of builds.

label_sets/<name>/<table>.parquet     the rows of each table of schema.tables.LABEL_SET_TABLES that
                                      the label set has, sorted by the table's key
label_sets/<name>/checksums.json      each file's size, CRC-32 and SHA-256
groups/<name>/                        the same files, for a grouping of realdb groups add
label_sets/.lock, groups/.lock        held while a label set or grouping is stored or removed

A folder is written aside, compared with its rows, synced, and moved into place. A file is read only
if its CRC-32 matches. Builds do not use these folders, so a new ingest keeps them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DataError, StoreError, UsageError, did_you_mean
from ..schema import quoting
from ..schema.tables import LABEL_SET_TABLES, header_of
from . import kept, temporary
from .files import replacing, sync, sync_tree

if TYPE_CHECKING:
    import duckdb

# The label sets of every store. They are in the views assessments and label_sets.
OWN = ("real", "original")
_SIDECAR = "checksums.json"
# Characters with a meaning in the parameter `labels`.
_SYNTAX = ":,@"
_LONGEST = 100


class Kind(NamedTuple):
    """Label sets or groupings: their folder, their word in messages, and their command group."""

    folder: str
    word: str
    command: str


LABEL_SETS = Kind(kept.LABEL_SETS, "label set", "realdb labels")
GROUPS = Kind(kept.GROUPS, "grouping", "realdb groups")
KINDS = (LABEL_SETS, GROUPS)


def require_name(name: str, kind: Kind = LABEL_SETS) -> None:
    """Raise UsageError if `name` is not a valid name for a label set or grouping."""
    if not name or name != name.strip() or len(name) > _LONGEST:
        why = f"a name has 1 to {_LONGEST} characters, without blanks at its ends"
    elif not name.isprintable():
        why = "a name has no control characters"
    elif set(name) & {*_SYNTAX}:
        why = f"a name has none of the characters {' '.join(_SYNTAX)}"
    elif name.lower() in OWN and kind is LABEL_SETS:
        why = f"{' and '.join(OWN)} are the names of the store's own label sets"
    else:
        return
    raise UsageError(
        f"{name[: _LONGEST + 1]!r} cannot be the name of a {kind.word}: {why}",
        parameter="name",
        value=name[: _LONGEST + 1],
        remedy='Choose another name with `name="NAME"`',
    )


def folder_of(root: Path, name: str, kind: Kind = LABEL_SETS) -> Path:
    """Return the folder of a label set or grouping, which need not exist."""
    return root / kind.folder / kept.stem(name)


def folders(root: Path, kind: Kind = LABEL_SETS) -> list[Path]:
    """Return the folders of the stored label sets or groupings."""
    # The folders of unfinished writes begin with a dot. Other folders do not.
    there = (root / kind.folder).glob("[!.]*")
    return sorted(path for path in there if path.is_dir())


def names(root: Path, kind: Kind = LABEL_SETS) -> list[str]:
    """Return the names of the stored label sets or groupings, without reading their files.

    Names that are too long for a folder name are left out.
    """
    named = [(kept.name_of(folder.name), folder) for folder in folders(root, kind)]
    return [name for name, folder in named if folder_of(root, name, kind) == folder]


def put(
    root: Path,
    con: duckdb.DuckDBPyConnection,
    name: str,
    kind: Kind = LABEL_SETS,
    *,
    replace: bool = False,
) -> str:
    """Store the rows of the tables LABEL_SET_TABLES of `con` as `name`.

    Tables without rows are left out. Returns the status: added, unchanged or replaced. If the same
    rows are stored, nothing changes. The column added_at is not compared.

    Raises DataError if other rows are stored under the name and `replace` is not set, or if a
    grouping of these rows is stored elsewhere. Raises StoreError if the store cannot be written.
    """
    import duckdb

    target = folder_of(root, name, kind)
    tables = _filled(con)
    temporary.sweep(root / kind.folder)
    with kept.locked(root / kind.folder, f"{kind.command} add or remove"):
        status = require_free(root, con, name, kind, replace=replace)
        if status == "unchanged":
            return status
        with replacing(target) as aside:
            aside.mkdir()
            try:
                for table in tables:
                    _write(con, table, _file(aside, table))
            except duckdb.Error as error:
                raise StoreError(
                    f"realdb cannot write the store in {root}: {error}", file=root
                ) from None
            sums = {path.name: kept.checksums(path)._asdict() for path in sorted(aside.iterdir())}
            text = json.dumps({"files": sums}, indent=2) + "\n"
            (aside / _SIDECAR).write_text(text, encoding="utf-8")
            if not _holds(con, aside, tables):
                raise StoreError(
                    f"{target} does not have the rows that realdb wrote to it",
                    file=target,
                    value=name,
                    remedy="Check the disk",
                )
            sync_tree(aside)
    return status


def require_free(
    root: Path,
    con: duckdb.DuckDBPyConnection,
    name: str,
    kind: Kind = LABEL_SETS,
    *,
    replace: bool = False,
) -> str:
    """Return the status that `put` would return for the rows of `con`.

    Raises the same DataError as `put`.
    """
    target = folder_of(root, name, kind)
    status = "added"
    if target.exists():
        if _holds(con, target, _filled(con), but="added_at"):
            return "unchanged"
        if not replace:
            raise DataError(
                f"the store already has a {kind.word} {name!r} with other rows",
                column=kind.word,
                value=name,
                parameter="replace",
                remedy='To keep both, choose another name with `name="NAME"`. To replace the '
                "stored one, pass `replace=True`",
            )
        status = "replaced"
    _refuse_groupings(root, con, target)
    return status


def _filled(con: duckdb.DuckDBPyConnection) -> list[str]:
    return [table for table in LABEL_SET_TABLES if con.table(table).limit(1).fetchall()]


def remove(root: Path, removed: Collection[str], kind: Kind = LABEL_SETS) -> None:
    """Remove label sets or groupings.

    If one is not stored, raises DataError with the nearest names, and removes none.
    """
    import shutil

    with kept.locked(root / kind.folder, f"{kind.command} add or remove"):
        for name in removed:
            require_stored(root, name, kind)
        for name in removed:
            with temporary.beside(root / kind.folder) as aside, contextlib.suppress(OSError):
                # One step: a reader never sees a part of it. A name may be repeated in `removed`.
                folder_of(root, name, kind).replace(aside / "removed")
                shutil.rmtree(aside / "removed", ignore_errors=True)
        sync(root / kind.folder)


def require_stored(root: Path, name: str, kind: Kind = LABEL_SETS) -> None:
    """Raise DataError, with the nearest names, if `name` is not stored."""
    if folder_of(root, name, kind).is_dir():
        return
    known = names(root, kind)
    if kind is LABEL_SETS and name in OWN:
        remedy = f"{' and '.join(OWN)} are part of every store, and cannot be removed"
    else:
        remedy = did_you_mean(
            name,
            known,
            f"List them with: {kind.command} list"
            if known
            else f"Store one with: {kind.command} add FILE",
        )
    raise DataError(
        f"the store has no {kind.word} {name!r}",
        value=name,
        count=len(known),
        parameter="names",
        remedy=remedy,
    )


def show(con: duckdb.DuckDBPyConnection, root: Path, tables: Iterable[str]) -> list[Path]:
    """Replace the empty `tables` of `con` by views over the files of all stored label sets.

    Returns these files, which the views read later. Raises StoreError if one is damaged.
    """
    shown: list[Path] = []
    for table in tables:
        found = files(root, table)
        if not found:
            continue
        require_whole(found)
        names = ", ".join(quoting.literal(quoting.one_file(file)) for file in found)
        view = quoting.identifier(table)
        con.execute(f"drop table {view}")
        con.execute(
            f"create view {view} as from read_parquet([{names}], hive_partitioning = false)"
        )
        shown += found
    return shown


def files(root: Path, table: str) -> list[Path]:
    """Return the files with rows of `table`; StoreError if checksums are damaged."""
    found = []
    for kind in KINDS:
        for folder in folders(root, kind):
            with contextlib.suppress(kept.RemovedError):
                file = _file(folder, table)
                found += [file] if file.name in _sums(folder) else []
    return found


def require_whole(shown: Collection[Path]) -> None:
    """Raise StoreError if a stored file is damaged."""
    for file in shown:
        # Another process may replace the folder between the two reads. Then try again.
        for is_last in (False, True):
            try:
                expected = _sums(file.parent).get(file.name)
                if expected and kept.is_that_of(expected, file.read_bytes()):
                    break
            except FileNotFoundError:
                if not file.parent.is_dir():
                    raise _removed(file.parent) from None
            if is_last:
                raise _damaged(file)


def damage(root: Path, kind: Kind = LABEL_SETS) -> list[StoreError]:
    """Return an error for each damaged folder. Compare the SHA-256 of its files."""
    errors = []
    for folder in folders(root, kind):
        try:
            sums = _sums(folder)
            for name, expected in sums.items():
                if not (folder / name).is_file() or kept.checksums(folder / name) != expected:
                    raise _damaged(folder / name)
        except kept.RemovedError:
            continue
        except StoreError as error:
            errors.append(error)
    return errors


def _file(folder: Path, table: str) -> Path:
    return folder / f"{table}.parquet"


def _called(folder: Path) -> str:
    kind = next(kind for kind in KINDS if kind.folder == folder.parent.name)
    return f"the stored {kind.word} {kept.name_of(folder.name)!r}"


def _removed(folder: Path) -> kept.RemovedError:
    return kept.RemovedError(f"{_called(folder)} was removed while realdb read it", file=folder)


def _damaged(file: Path) -> StoreError:
    kind = next(kind for kind in KINDS if kind.folder == file.parent.parent.name)
    return StoreError(
        f"{_called(file.parent)} is damaged: {file} differs from the file that realdb wrote",
        file=file,
        value=kept.name_of(file.parent.name),
        remedy=f"Store it again with: {kind.command} add FILE with `replace=True`",
    )


def _sums(folder: Path) -> dict[str, kept.Checksums]:
    path = folder / _SIDECAR
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise (_damaged(path) if folder.is_dir() else _removed(folder)) from None
    try:
        return {
            Path(name).name: kept.Checksums(
                int(sums["bytes"]), str(sums["crc32"]), str(sums["sha256"])
            )
            for name, sums in json.loads(text)["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(path) from None


def _refuse_groupings(root: Path, con: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Raise DataError if a grouping of the rows of `con` is stored in another folder."""
    for table in ("class_groups", "image_groups"):
        ours = con.table(table).project("grouping").distinct().fetchall()
        for file in files(root, table):
            if file.parent == target or not ours:
                continue
            require_whole([file])
            theirs = con.execute(
                "select distinct grouping from read_parquet($1, hive_partitioning = false)",
                [quoting.one_file(file)],
            ).fetchall()
            both = sorted({*ours} & {*theirs})
            if both:
                raise DataError(
                    f"the grouping {both[0][0]!r} already exists in {_called(file.parent)}",
                    column="grouping",
                    value=both[0][0],
                    count=len(both),
                    parameter="name",
                    remedy='Choose another name with `name="NAME"`',
                )


def _write(con: duckdb.DuckDBPyConnection, table: str, target: Path) -> None:
    key = ", ".join(map(quoting.identifier, header_of(table).key))
    con.execute(
        f"""
        copy (from {quoting.identifier(table)} order by {key})
        to {quoting.literal(quoting.file_name(target))} (format parquet, compression zstd)
        """
    )


def _holds(
    con: duckdb.DuckDBPyConnection, folder: Path, tables: Collection[str], but: str = ""
) -> bool:
    """Return whether a folder is whole and has exactly the rows of `con`, without column `but`."""
    import duckdb

    try:
        sums = _sums(folder)
        if {*sums} != {_file(folder, table).name for table in tables}:
            return False
        for table in tables:
            file = _file(folder, table)
            if kept.checksums(file) != sums[file.name]:
                return False
            columns = [name for name in con.table(table).columns if name != but]
            chosen = ", ".join(map(quoting.identifier, columns))
            (row,) = con.execute(
                f"""
                with ours as (select {chosen} from {quoting.identifier(table)}),

                stored as (
                    select {chosen} from read_parquet($1, hive_partitioning = false)
                )

                select
                    (select count(*) from ours) = (select count(*) from stored)
                    and not exists ((from ours) except (from stored))
                """,  # noqa: S608, all are quoted
                [quoting.one_file(file)],
            ).fetchall()
            if not row[0]:
                return False
    except (duckdb.Error, StoreError, OSError):
        return False
    return True
