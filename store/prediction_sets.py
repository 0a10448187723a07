"""The store of predictions: one Parquet file for each model, whatever build is current.

predictions/<model>.parquet    the model's rows of the table `predictions`, by image_id and rank;
                               where they came from stands in the file's metadata
predictions/.lock              held while something is put or removed

A file is written aside, compared with the rows it should hold, synced, and moved into place: a
reader sees the old one or the new one, whole. A build knows nothing of this folder, so a new ingest
keeps the models.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DataError, StoreError
from ..schema import quoting
from .files import remove_partial, replacing, sync

if TYPE_CHECKING:
    import duckdb

# What `show` calls the table of a connection's own predictions.
ADDED = "added_predictions"
_LOCK_SECONDS = 600
# What Windows keeps for itself, whatever follows the first dot.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_LONGEST = 150


class Put(NamedTuple):
    """What became of a model's rows: `status` is added, unchanged or replaced."""

    model: str
    status: str
    rows: int
    images: int


class _Rows(NamedTuple):
    """A model's rows in the table `sorted`: those from rowid `first` to `last`."""

    model: str
    first: int
    last: int
    images: int
    ranks: int

    @property
    def number(self) -> int:
        return self.last - self.first + 1


def path(root: Path, model: str) -> Path:
    """Return where the rows of `model` stand, or would stand.

    The file's name is the model's, percent-encoded. A name with capital letters, or a long one,
    ends in a part of its SHA-256, so that `ViT` and `vit` are two files on every file system.
    """
    from urllib.parse import quote

    # A ~ is left to what is appended here; a first dot would hide the file.
    name = re.sub(r"^\.", "%2E", quote(model, safe="").replace("~", "%7E"))
    if _RESERVED.match(name):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) > _LONGEST or not name or re.search("[A-Z]", model):
        import hashlib

        name = f"{name[:_LONGEST]}~{hashlib.sha256(model.encode()).hexdigest()[:12]}"
    return _folder(root) / f"{name}.parquet"


def put(
    root: Path,
    con: duckdb.DuckDBPyConnection,
    provenance: Mapping[str, str],
    *,
    where: str,
    replace: bool = False,
    fresh: Collection[str] = (),
) -> list[Put]:
    """Store the rows of the table `predictions` of `con`, which must not be empty, by model.

    `provenance` (file, sha256, bytes, format, realdb_version) goes into the metadata of each file.
    Rows that are stored already change nothing. `where` names the rows in messages; `fresh` are
    models that nothing may replace, because they have been put just before.

    Raises DataError, and stores nothing, where a model is stored with other rows and `replace` is
    not set; StoreError where the store cannot be written.
    """
    import duckdb

    con.execute("create table sorted as from predictions order by model, image_id, rank")
    models = [
        _Rows(*row)
        for row in con.execute(
            """
            select model, min(rowid), max(rowid), count(distinct image_id), max(rank)
            from sorted
            group by model
            order by model
            """
        ).fetchall()
    ]
    done = []
    # Whatever fails before the last file is whole leaves none of them behind.
    with _locked(root), contextlib.ExitStack() as moved:
        for rows in models:
            target = path(root, rows.model)
            if not target.exists():
                status = "added"
            elif _holds(con, rows, target):
                status = "unchanged"
            elif replace and rows.model not in fresh:
                status = "replaced"
            else:
                raise _other_rows(root, rows.model, where, rows.model in fresh)
            done.append(Put(rows.model, status, rows.number, rows.images))
            if status == "unchanged":
                continue
            aside = moved.enter_context(replacing(target))
            try:
                _write(con, rows, aside, provenance)
            except duckdb.Error as error:
                raise StoreError(
                    f"realdb cannot write the store in {root}: {error}", file=root
                ) from None
            if not _holds(con, rows, aside):
                raise StoreError(
                    f"{target} does not hold the {rows.number:,} rows that realdb wrote to it",
                    file=target,
                    count=rows.number,
                    remedy="Check the disk",
                )
    return done


def holds(root: Path, model: str) -> bool:
    """Return whether the model is stored."""
    return path(root, model).exists()


def files(root: Path) -> list[Path]:
    """Return the files of the stored models."""
    return sorted(_folder(root).glob("*.parquet"))


def listed(root: Path) -> duckdb.DuckDBPyRelation:
    """Return a row for each stored model, from the files' metadata alone.

    `rows`, `images` and `ranks` count what is stored; `file`, `format`, `bytes` and `sha256` say
    what it was read from (NULL for what was no file); `added_at` is in UTC.
    Raises StoreError where a file is damaged.
    """
    import duckdb

    con = duckdb.connect()
    con.execute(
        """
        create table models (
            model varchar,
            rows bigint,
            images integer,
            ranks smallint,
            file varchar,
            format varchar,
            bytes bigint,
            sha256 varchar,
            added_at timestamp
        )
        """
    )
    if files(root):
        try:
            con.execute(
                """
                insert into models
                select
                    metadata['model'],
                    metadata['rows'],
                    metadata['images'],
                    metadata['ranks'],
                    metadata['file'],
                    metadata['format'],
                    metadata['bytes'],
                    metadata['sha256'],
                    metadata['added_at']
                from (
                    select map_from_entries(list((decode(key), decode(value)))) as metadata
                    from parquet_kv_metadata($1)
                    group by file_name
                )
                order by metadata['model']
                """,
                [_pattern(root)],
            )
        except duckdb.Error as error:
            raise damaged(root, error) from None
    return con.table("models")


def remove(root: Path, models: Collection[str]) -> None:
    """Remove stored models; DataError, with the nearest names, where one is not stored."""
    with _locked(root):
        for model in models:
            if not holds(root, model):
                raise _unknown(root, model)
        for model in models:
            path(root, model).unlink(missing_ok=True)  # it may be named twice
        sync(_folder(root))


def show(con: duckdb.DuckDBPyConnection, root: Path, only: Collection[Path] | None = None) -> str:
    """Have `predictions` on `con` show the stored models beside the rows that it holds.

    Views that are there already show them too; created before, they do not look at the files.
    `only` are the files to show instead of all. Returns what the table of those rows is called now;
    what is put into it later may not be seen.

    Of many files DuckDB does not look for the smallest and the largest image, and without these, or
    where other rows stand beside them, it takes a common hash join where an array would do. All
    that is stored came out of a table that takes no image but 1-50000.
    """
    if not files(root):
        return "predictions"
    import duckdb

    shown = [_pattern(root)] if only is None else [quoting.one_file(file) for file in only]
    ((has_rows,),) = con.execute("select count(*) > 0 from predictions").fetchall()
    con.execute(f"alter table predictions rename to {ADDED}")
    try:
        con.execute(
            f"""
            create view predictions as
            {f"from {ADDED} union all" if has_rows else ""}
            from read_parquet(
                [{", ".join(map(quoting.literal, shown))}],
                hive_partitioning = false,
                column_statistics = {{'image_id': {{'min': 1, 'max': 50000}}}}
            )
            """
        )
    except duckdb.Error as error:
        raise damaged(root, error) from None
    return ADDED


def sweep(root: Path) -> None:
    """Remove what a killed process left."""
    if _folder(root).exists():
        with _locked(root):
            remove_partial(_folder(root))


def damaged(root: Path, error: Exception) -> StoreError:
    """Return the error that says which stored file cannot be read."""
    return StoreError(
        f"realdb cannot read the predictions in {_folder(root)}: "
        + str(error).splitlines()[0].removesuffix("."),
        file=_folder(root),
        remedy="Delete that file, and add its model again with: realdb add FILE",
    )


def _folder(root: Path) -> Path:
    return root / "predictions"


def _pattern(root: Path) -> str:
    """Return what DuckDB's readers take for all stored files; one half written ends otherwise."""
    return f"{quoting.one_file(_folder(root))}/*.parquet"


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the lock: one process at a time changes the stored predictions."""
    import filelock

    try:
        _folder(root).mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(_folder(root) / ".lock", timeout=_LOCK_SECONDS):
            yield
    except filelock.Timeout:
        raise StoreError(
            f"another realdb add or remove has locked {_folder(root)} for {_LOCK_SECONDS} seconds",
            file=_folder(root),
            remedy="Try again when it has ended",
        ) from None
    except OSError as error:
        raise StoreError(f"realdb cannot write the store in {root}: {error}", file=root) from error


def _write(
    con: duckdb.DuckDBPyConnection, rows: _Rows, target: Path, provenance: Mapping[str, str]
) -> None:
    from datetime import UTC, datetime

    metadata = {
        "model": rows.model,
        "rows": str(rows.number),
        "images": str(rows.images),
        "ranks": str(rows.ranks),
        "added_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        **provenance,
    }
    con.execute(
        f"""
        copy (from sorted where rowid between $first and $last order by rowid)
        to {quoting.literal(str(target))}
        (format parquet, compression zstd, kv_metadata $metadata)
        """,
        {"first": rows.first, "last": rows.last, "metadata": metadata},
    )


def _holds(con: duckdb.DuckDBPyConnection, rows: _Rows, file: Path) -> bool:
    """Return whether `file` can be read and holds just these rows."""
    import duckdb

    try:
        # No key stands twice among the rows: as many, and none of them missing, are the same.
        ((count, missing),) = con.execute(
            """
            with stored as (from read_parquet($file, hive_partitioning = false)),

            missing as (
                (from sorted where rowid between $first and $last) except (from stored)
            )

            select (select count(*) from stored), (select count(*) from missing)
            """,
            {"file": quoting.one_file(file), "first": rows.first, "last": rows.last},
        ).fetchall()
    except duckdb.Error:
        return False
    return bool(count == rows.number and not missing)


def _other_rows(root: Path, model: str, where: str, is_fresh: bool) -> DataError:
    """Return the error that a model is stored with other rows, and from which file."""
    import duckdb

    try:
        pairs = duckdb.execute(
            "select decode(key), decode(value) from parquet_kv_metadata($1)",
            [quoting.one_file(path(root, model))],
        ).fetchall()
    except duckdb.Error as error:
        raise damaged(root, error) from None
    metadata = dict(pairs)
    remedy = 'To keep both, pass `model="NAME"`, or change the name in the column model'
    if not is_fresh:
        remedy += "; to keep the new ones, pass `replace=True`"
    return DataError(
        f"{where} has other predictions of the model {model!r} than the store, which has them from "
        f"{metadata.get('file', 'no file')} (added {metadata.get('added_at')})",
        file=where,
        column="model",
        value=model,
        parameter="model" if is_fresh else "replace",
        remedy=remedy,
    )


def _unknown(root: Path, model: str) -> DataError:
    """Return the error that a model is not stored, with the nearest names."""
    import difflib

    if not files(root):
        return DataError(
            f"the store has no model {model!r}, nor any other",
            value=model,
            count=0,
            parameter="models",
            remedy="Store one with: realdb add FILE",
        )
    known = {row[0].lower(): row[0] for row in listed(root).fetchall()}
    near = difflib.get_close_matches(model.lower(), known) or (known if len(known) <= 3 else ())
    names = ", ".join(known[name] for name in near)
    return DataError(
        f"the store has no model {model!r}",
        value=model,
        parameter="models",
        remedy=f"Did you mean: {names}?" if names else "List the models with: realdb models",
    )
