"""The stored predictions: one Parquet file for each model, independent of builds.

predictions/<model>.parquet           the model's rows of the table `predictions`, by image_id and
                                      rank; the file's metadata has their source
predictions/<model>.checksums.json    the file's size, CRC-32 and SHA-256
predictions/.lock                     held while a model is stored or removed

A file is written aside, compared with its rows, synced, and moved into place. So a reader sees
either the old or the new file. The checksums are written before the file, and during a replacement
they include those of both files. A file is read only if its CRC-32 matches, which takes half the
time of SHA-256. Builds do not use this folder, so a new ingest keeps the models.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DataError, RealdbWarning, StoreError, counted, did_you_mean
from ..schema import quoting
from . import kept, temporary
from .files import put as put_file
from .files import replacing, sync

if TYPE_CHECKING:
    import duckdb

# The table of the stored models: a header and a statement, as in schema/.
MODELS = Path(__file__).parent / "models.sql"
# The name that `show` gives to the table of a connection's own predictions.
ADDED = "added_predictions"
_SUFFIX = ".checksums.json"


class Put(NamedTuple):
    """The result of storing a model: `status` is added, unchanged or replaced."""

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
    """Return the path of the file of `model`, which need not exist."""
    return _folder(root) / f"{kept.stem(model)}.parquet"


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

    `provenance` (file, sha256, bytes, format, realdb_version) is written to the metadata of each
    file. A model that is stored with the same rows is unchanged. `where` is the source of the rows
    for messages. `fresh` are models that the same call stored before, and must not be replaced.

    If a model is stored with other rows and `replace` is not set, raises DataError and stores
    nothing. Raises StoreError if the store cannot be written, or if a stored file is damaged and
    `replace` is not set.
    """
    import duckdb

    con.execute("create or replace table sorted as from predictions order by model, image_id, rank")
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
    written: dict[Path, kept.Checksums] = {}
    with _locked(root):
        # If anything fails before the last file is complete, no file is stored.
        with contextlib.ExitStack() as moved:
            for rows in models:
                target = path(root, rows.model)
                may_replace = replace and rows.model not in fresh
                if not target.exists():
                    status = "added"
                elif _is_whole(target, or_refuse=not may_replace) and _holds(con, rows, target):
                    status = "unchanged"
                elif may_replace:
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
                        f"{target} does not have the {counted(rows.number, 'row')} that were "
                        "written to it",
                        file=target,
                        count=rows.number,
                        remedy="Check the disk",
                    )
                written[target] = kept.checksums(aside)
            before = {target: _checksums_before(target) for target in written}
            for target, new in written.items():
                _write_checksums(target, *before[target], new)
        for target in filter(before.get, written):
            with contextlib.suppress(OSError):  # the checksums of both files are valid too
                _write_checksums(target, written[target])
    return done


def holds(root: Path, model: str) -> bool:
    """Return whether the model is stored."""
    return path(root, model).exists()


def files(root: Path) -> list[Path]:
    """Return the files of the stored models."""
    return sorted(_folder(root).glob("*.parquet"))


def take(con: duckdb.DuckDBPyConnection, root: Path, model: str, name: str) -> None:
    """Insert the rows of a stored model into the table `predictions` of `con`, as model `name`.

    Raises DataError if the table already has a model `name`, StoreError if the file is damaged.
    """
    file = path(root, model)
    require_whole([file])
    ((is_there,),) = con.execute(
        "select count(*) > 0 from predictions where model = $1", [name]
    ).fetchall()
    if is_there:
        raise DataError(
            f"the model {name!r} occurs twice: as a stored model, and in a file",
            column="model",
            value=name,
            parameter="model",
            remedy='Remove one of them; or rename the file\'s model with `model="NAME"`',
        )
    con.execute(
        """
        insert into predictions
        select
            $name,
            image_id,
            rank,
            label,
            confidence
        from read_parquet($file, hive_partitioning = false)
        """,
        {"name": name, "file": quoting.one_file(file)},
    )


def is_same(con: duckdb.DuckDBPyConnection, root: Path, model: str) -> bool:
    """Return whether `predictions` of `con` has the same rows of `model` as the store."""
    file = path(root, model)
    require_whole([file])
    ((is_same,),) = con.execute(
        """
        with stored as (from read_parquet($file, hive_partitioning = false)),

        added as (from predictions where model = $model)

        select
            (select count(*) from stored) = (select count(*) from added)
            and not exists ((from stored) except (from added))
        """,
        {"model": model, "file": quoting.one_file(file)},
    ).fetchall()
    return bool(is_same)


def near(root: Path, name: str) -> list[str]:
    """Return the names of stored models that are similar to `name`."""
    import difflib

    known = {model.lower(): model for model in map(_model_of, files(root))}
    return [known[each] for each in difflib.get_close_matches(name.lower(), known)]


def names(root: Path) -> list[str]:
    """Return the names of the stored models, from the names of their files only.

    A name that is too long for a file name is left out.
    """
    return [model for file in files(root) if path(root, model := _model_of(file)) == file]


def require_whole(shown: Collection[Path]) -> None:
    """Raise StoreError if a stored file is not the one that realdb wrote.

    Warns of files without checksums, which an older realdb stored: damage may not be detected.
    """
    unknown = [file for file in shown if not _is_whole(file, or_refuse=True, or_unknown=True)]
    if unknown:
        import warnings

        warnings.warn(
            f"the store has {counted(len(unknown), 'model')} without checksums, such as "
            f"{_model_of(unknown[0])!r}, from an older realdb. Damage to their files cannot be "
            "detected. Write the checksums with: realdb verify",
            RealdbWarning,
            stacklevel=4,
        )


def damage(root: Path) -> tuple[list[StoreError], list[Path]]:
    """Return an error for each file with a wrong SHA-256, and the files without checksums."""
    errors, unknown = [], []
    for file in files(root):
        try:
            known = _read_checksums(file)
            if known is None:
                unknown.append(file)
            elif kept.checksums(file) not in known:
                raise _not_whole(file)
        except FileNotFoundError:  # another process has removed it
            continue
        except StoreError as error:
            errors.append(error)
    return errors, unknown


def write_checksums(root: Path, unknown: Collection[Path]) -> None:
    """Write the checksums of files without checksums."""
    with _locked(root):
        for file in unknown:
            if file.exists() and _read_checksums(file) is None:
                _write_checksums(file, kept.checksums(file))


def listed(root: Path) -> duckdb.DuckDBPyRelation:
    """Return the table `models`: a row for each stored model.

    Raises StoreError if a file is damaged.
    """
    import duckdb

    con = duckdb.connect()
    shown = files(root)
    require_whole(shown)
    create_models(con, shown)
    return con.table("models")


def create_models(con: duckdb.DuckDBPyConnection, shown: Collection[Path]) -> None:
    """Create the table `models` on `con`, from the metadata of the files `shown`.

    Raises StoreError if a file is damaged.
    """
    import duckdb

    con.execute(MODELS.read_text(encoding="utf-8"))
    if not shown:
        return
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
            [[quoting.one_file(file) for file in shown]],
        )
    except duckdb.Error as error:
        raise damaged(next(iter(shown)).parent.parent, error) from None


def remove(root: Path, models: Collection[str]) -> None:
    """Remove stored models; DataError, with similar names, if one is not stored."""
    with _locked(root):
        for model in models:
            if not holds(root, model):
                raise _unknown(root, model)
        for model in models:
            file = path(root, model)
            file.unlink(missing_ok=True)  # `models` may have a name twice
            _checksums_of(file).unlink(missing_ok=True)
        sync(_folder(root))


def show(con: duckdb.DuckDBPyConnection, root: Path, only: Collection[Path] | None = None) -> str:
    """Replace the table `predictions` on `con` by a view of its rows and the stored models.

    Existing views on `predictions` show the stored models too. Views should be created before this
    call, because then DuckDB does not open the files for them. `only` are the files to show instead
    of all. Return the new name of the table. Rows that are inserted later may not be shown.

    The statistics of image_id let DuckDB use a perfect hash join. It does not read them from many
    files, or in a union. They are always true: stored rows have the images 1-50000 only.
    """
    only = files(root) if only is None else only
    if not only:
        return "predictions"
    import duckdb

    require_whole(only)
    shown = [quoting.one_file(file) for file in only]
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
    """Remove the files of a killed process."""
    temporary.sweep(_folder(root))
    if any(not _data_of(path).exists() for path in _folder(root).glob(f"*{_SUFFIX}")):
        with _locked(root):
            for path in _folder(root).glob(f"*{_SUFFIX}"):
                if not _data_of(path).exists():
                    path.unlink()


def damaged(root: Path, error: Exception) -> StoreError:
    """Return the error for a stored file that cannot be read."""
    return StoreError(
        f"realdb cannot read the predictions in {_folder(root)}: "
        + str(error).splitlines()[0].removesuffix("."),
        file=_folder(root),
        remedy="Delete this file, and store its model again with: realdb add FILE",
    )


def _is_whole(file: Path, *, or_refuse: bool, or_unknown: bool = False) -> bool:
    """Return whether a stored file matches one of its checksums.

    A file without checksums matches, except with `or_unknown`. With `or_refuse`, raise StoreError
    if the file does not match.
    """
    # Try twice: another process may replace the file between the two reads.
    for is_last in (False, True):
        try:
            known = _read_checksums(file)
            content = file.read_bytes()
            if known is None:
                return not or_unknown
            if any(kept.is_that_of(sums, content) for sums in known):
                return True
        except FileNotFoundError:
            raise kept.RemovedError(
                f"the stored model {_model_of(file)!r} was removed while realdb read it", file=file
            ) from None
        except StoreError:
            if is_last and or_refuse:
                raise
    if or_refuse:
        raise _not_whole(file)
    return False


def _not_whole(file: Path) -> StoreError:
    return StoreError(
        f"the stored model {_model_of(file)!r} is damaged: {file} is not the file that realdb "
        "wrote",
        file=file,
        value=_model_of(file),
        remedy="Store it again with: realdb add FILE with `replace=True`",
    )


def _model_of(file: Path) -> str:
    """Return the name of a stored model from its file name. A long name is cut."""
    return kept.name_of(file.stem)


def _checksums_before(file: Path) -> list[kept.Checksums]:
    """Return the checksums of an existing file that will be replaced."""
    try:
        known = _read_checksums(file)
    except StoreError:
        return []
    if known is None:
        return [kept.checksums(file)] if file.exists() else []
    return known


def _checksums_of(file: Path) -> Path:
    return file.with_name(f"{file.stem}{_SUFFIX}")


def _data_of(path: Path) -> Path:
    return path.with_name(f"{path.name.removesuffix(_SUFFIX)}.parquet")


def _write_checksums(file: Path, *known: kept.Checksums) -> None:
    text = json.dumps({"files": [sums._asdict() for sums in known]}, indent=2) + "\n"
    put_file(_checksums_of(file), text.encode())


def _read_checksums(file: Path) -> list[kept.Checksums] | None:
    """Return the checksums of a stored file; None for a file of an older realdb without any."""
    path = _checksums_of(file)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return [
            kept.Checksums(int(sums["bytes"]), str(sums["crc32"]), str(sums["sha256"]))
            for sums in json.loads(text)["files"]
        ]
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f"the checksums of the stored model {_model_of(file)!r} are damaged: {path} is not a "
            "valid file of checksums",
            file=path,
            value=_model_of(file),
            remedy="Store it again with: realdb add FILE with `replace=True`",
        ) from None


def _folder(root: Path) -> Path:
    return root / kept.PREDICTIONS


def _locked(root: Path) -> contextlib.AbstractContextManager[None]:
    return kept.locked(_folder(root), "realdb add or remove")


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
        to {quoting.literal(quoting.file_name(target))}
        (format parquet, compression zstd, kv_metadata $metadata)
        """,
        {"first": rows.first, "last": rows.last, "metadata": metadata},
    )


def _holds(con: duckdb.DuckDBPyConnection, rows: _Rows, file: Path) -> bool:
    """Return whether `file` can be read and has exactly these rows."""
    import duckdb

    try:
        # The keys of the rows are unique. So an equal number, with none missing, means equal rows.
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
    """Return the error for a model that is stored with other rows, with their source."""
    import duckdb

    try:
        pairs = duckdb.execute(
            "select decode(key), decode(value) from parquet_kv_metadata($1)",
            [quoting.one_file(path(root, model))],
        ).fetchall()
    except duckdb.Error as error:
        raise damaged(root, error) from None
    metadata = dict(pairs)
    remedy = 'To keep both, use `model="NAME"`, or change the name in the column model'
    if not is_fresh:
        remedy += "; to keep only the new ones, use `replace=True`"
    return DataError(
        f"the predictions of the model {model!r} in {where} differ from the stored ones, which are "
        f"from {metadata.get('file', 'memory')} (added {metadata.get('added_at')})",
        file=where,
        column="model",
        value=model,
        parameter="model" if is_fresh else "replace",
        remedy=remedy,
    )


def _unknown(root: Path, model: str) -> DataError:
    """Return the error for a model that is not stored, with similar names."""
    if not files(root):
        return DataError(
            f"the store has no model {model!r}. It has no models at all",
            value=model,
            count=0,
            parameter="models",
            remedy="Store a model with: realdb add FILE",
        )
    known = [row[0] for row in listed(root).fetchall()]
    return DataError(
        f"the store has no model {model!r}",
        value=model,
        parameter="models",
        remedy=did_you_mean(model, known, "List the models with: realdb models"),
    )
