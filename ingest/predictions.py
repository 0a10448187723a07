"""Predictions: whatever was given becomes rows of the table `predictions`, or is refused."""

from __future__ import annotations

import functools
import glob
import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..errors import DataError, RealdbError, RealdbWarning, UsageError
from . import formats, image_names, spellings
from .formats import plain, remote

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

# How many offenders a message names.
_SHOWN = 3
_IMAGES = 50_000
# What datasets' save_to_disk leaves in a folder: of one dataset, of several splits.
_DATASET = ("state.json", "dataset_dict.json")
_EXPECTED = {
    "image": "an image is ILSVRC2012_val_00000001.JPEG to …_00050000.JPEG, or its number 1-50000",
    "rank": "a rank is a whole number from 1",
    "label": "a label is a class id 0-999 in plain digits, or the WordNet id or name, in one "
    "spelling throughout",
    "confidence": "a confidence is a number",
}


class Given(NamedTuple):
    """Predictions as a relation, what to call them in messages, and their model's name."""

    relation: duckdb.DuckDBPyRelation
    where: str
    model: str


class Source(NamedTuple):
    """Predictions to `add`, and the name of those that have no model column; None: no such name."""

    given: object
    model: str | None


def add(
    con: duckdb.DuckDBPyConnection,
    given: object,
    *,
    model: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
) -> list[str]:
    """Put the predictions `given` into the table `predictions` of `con`; return the models' names.

    `given` is a path (- for standard input; FILE::TABLE for a table of a DuckDB file), a URL
    (s3://, https:// or http://), a tuple of paths whose rows belong together, an Arrow table, a
    pandas or Polars frame, a DuckDB relation (anything with the Arrow C stream interface), a
    datasets.Dataset, a NumPy array, or a dict of file name to class id. An array is 50,000 class
    ids, (50000, k) class ids by rank or (50000, 1000) logits; `order` says which images its rows
    are: those in `file-name` order, in `class-folder` order (by the folder, which is the WordNet
    id, then the file name), or those named in a file, a JSON list or a line each. `model` names
    predictions that have no model column; left out, it is a file's stem. `columns` maps image,
    label, rank, confidence or model to a column's name.

    Labels are class ids, or words if `con` has the table `classes`: WordNet ids, names as there, or
    names and description.

    Raises DataError, with the count, the first offenders and their rows, where an image, label,
    rank or confidence is missing, unreadable or out of range, or an image, a rank or a class of an
    image stands twice. Warns where a text may have been cut within its last line.
    """
    import duckdb

    unknown = sorted(set(columns or {}) - set(formats.GIVEN))
    if unknown:
        raise UsageError(
            f"a column is chosen for {', '.join(formats.GIVEN)}; not for {unknown[0]!r}"
        )
    in_place = order is None and remote.is_in_place(given, input_format)
    if isinstance(given, str | Path) and plain.is_needed(given) and not in_place:
        with plain.copy(given) as path:
            return add(
                con, path, model=model, columns=columns, input_format=input_format, order=order
            )
    told = formats.Told(columns=columns or {}, images=images_in(con, order))
    relation, where, default = read(con, given, told, input_format)
    parameters = {"model": model or default, "image_name": image_names.PATTERN}
    # A table's rowid grows with each row, in the order in which they come.
    stored = con.execute("select model, max(rowid) from predictions group by model").fetchall()
    known = {name for name, _ in stored}
    before = max((last + 1 for _, last in stored), default=0)
    relation.create_view("given", replace=True)
    con.begin()
    try:
        _insert(con, parameters, where)
        models = _models(con, where, before, known)
        con.commit()
    except BaseException as error:
        con.rollback()
        if in_place and not isinstance(error, RealdbError):
            raise remote.refusal(str(given), error) from None
        if isinstance(error, duckdb.Error | ValueError | OSError):
            raise DataError(f"{where} cannot be read: {_in_a_line(error)}") from None
        raise
    finally:
        con.execute("drop view given")
        con.execute(f"drop table if exists {spellings.SPELLED}")
        con.unregister(formats.REGISTERED)
    for doubt in told.doubts:
        warnings.warn(doubt, RealdbWarning, stacklevel=3)
    return models


def expand(given: Iterable[object]) -> list[Source]:
    """Return what is to be added for each of `given`: a folder or a pattern becomes its files.

    A folder gives its prediction files, sorted, and each of its folders called model=NAME one set
    of that model. Other files in it are warned of. What is no path stays as it is. Raises DataError
    where nothing is found.
    """
    sources: list[Source] = []
    for each in given:
        if not isinstance(each, str | Path):
            sources.append(Source(each, None))
            continue
        if remote.is_url(each):
            sources += [Source(url, plain.stem(url)) for url in remote.expand(each)]
            continue
        path = Path(each)
        if path.is_dir() and not any((path / name).exists() for name in _DATASET):
            sources += _of_folder(path)
        elif glob.has_magic(str(path)) and not path.exists():
            found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207, a whole pattern
            if not found:
                raise DataError(f"{path}: there is no file of such a name")
            sources += expand(found)
        else:
            sources.append(Source(each, plain.stem(path) if str(path) != "-" else "stdin"))
    return sources


def images_in(con: duckdb.DuckDBPyConnection, order: str | Path | None) -> NDArray[Any] | None:
    """Return the images that the rows of an array belong to, by `order`; None: as files are named.

    `con` needs the tables images and classes for class-folder order. Raises DataError where it
    lacks them, or where a file of names does not name 50,000.
    """
    if order is None or str(order) == "file-name":
        return None
    import numpy as np

    if str(order) == "class-folder":
        import duckdb

        try:
            rows = con.execute(
                """
                select images.image_id
                from images
                inner join classes on images.original_label = classes.label
                where classes.wordnet_id is not null
                order by classes.wordnet_id, images.file_name
                """
            ).fetchnumpy()["image_id"]
        except duckdb.CatalogException:
            rows = np.empty(0, np.int32)
        if len(rows) != _IMAGES:
            raise DataError(
                "class-folder order needs the original labels of all images and the WordNet ids of "
                "the classes, which this store lacks. Give the ingest their files: realdb ingest "
                "FOLDER"
            )
        return np.asarray(rows)
    path = Path(order)
    if not path.is_file():
        raise UsageError(
            f"an order is file-name, class-folder or a file of image names; {str(order)!r} is none"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a list of image names: {error}") from None
    if len(names) != _IMAGES or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"{path} has {len(names):,} entries; the order of an array is {_IMAGES:,} image names"
        )
    return np.array(names, object)


def _of_folder(folder: Path) -> list[Source]:
    """Return the prediction files in a folder, and the models of its folders model=NAME."""
    known = {suffix for form in formats.FORMATS.values() for suffix in form.suffixes}
    sources, others = [], []
    for path in sorted(folder.iterdir()):
        name = plain.stem(path)
        if path.name.startswith((".", "_")):
            continue  # Spark's and the system's own
        if path.is_dir() and path.name.startswith("model="):
            sources.append(_of_hive(path))
        elif plain.unpacked(path).suffix.lower() in known or (path / "state.json").exists():
            sources.append(Source(path, name))
        else:
            others.append(path.name)
    if not sources:
        raise DataError(
            f"{folder} has no prediction files. They are known by their suffixes: "
            f"{', '.join(sorted(known))}, and .gz or .zst behind one"
        )
    if others:
        warnings.warn(
            f"{folder}: {len(others):,} entries are no prediction files by their names, and are "
            f"left out: {', '.join(others[:_SHOWN])}{', …' if len(others) > _SHOWN else ''}",
            RealdbWarning,
            stacklevel=4,
        )
    return sources


def _of_hive(folder: Path) -> Source:
    from urllib.parse import unquote

    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith((".", "_"))
    )
    deeper = [path for path in paths if "=" in str(path.parent.relative_to(folder))]
    if deeper or not paths:
        raise DataError(
            f"{deeper[0].parent}: only folders model=NAME are read, not others within them"
            if deeper
            else f"{folder} has no files"
        )
    name = unquote(folder.name.removeprefix("model="))
    return Source(paths[0] if len(paths) == 1 else tuple(paths), name)


def read(
    con: duckdb.DuckDBPyConnection, given: object, told: formats.Told, input_format: str | None
) -> Given:
    """Return what was given as a relation with the columns of formats.GIVEN; nothing is checked."""
    if remote.is_url(given):
        return Given(remote.read_parquet(con, given, told), given, plain.stem(given))
    if isinstance(given, str | Path):
        path = Path(given)
        return Given(_read_file(con, path, told, input_format), str(given), plain.stem(path))
    if isinstance(given, tuple) and given:
        relations = [_read_part(con, Path(part), told, input_format) for part in given]
        whole = functools.reduce(lambda whole, part: whole.union(part), relations)
        return Given(whole, f"{given[0]} and {len(given) - 1} more", "predictions")
    import numpy as np

    if isinstance(given, np.ndarray):
        from .formats import npy

        return Given(npy.from_array(con, given, told, "the array"), "the array", "predictions")
    if told.images is not None:
        raise UsageError("an order is for arrays: these predictions name their images")
    if hasattr(given, "with_format"):  # a datasets.Dataset
        if isinstance(given, Mapping):
            raise UsageError(
                f"a DatasetDict has several splits ({', '.join(map(str, given))}): give one of them"
            )
        given = given.with_format("arrow")[:]
    if isinstance(given, Mapping) or hasattr(given, "__arrow_c_stream__"):
        from .formats import frame

        where = "the dict" if isinstance(given, Mapping) else "the table"
        return Given(frame.from_object(con, given, told, where), where, "predictions")
    raise UsageError(
        f"predictions cannot be a {type(given).__name__}: give a path, an Arrow table, a pandas or "
        "Polars frame, a NumPy array, or a dict of file name to class id"
    )


def _read_file(
    con: duckdb.DuckDBPyConnection, path: Path, told: formats.Told, input_format: str | None
) -> duckdb.DuckDBPyRelation:
    is_in_database = "::" in str(path) and not path.exists()
    name = input_format or ("duckdb" if is_in_database else formats.recognise(path))
    form = formats.find(name)
    if told.images is not None and not form.is_array:
        raise UsageError(f"an order is for arrays: {path} is {name}, which names its images")
    return form.read(con, path, told)


def _read_part(
    con: duckdb.DuckDBPyConnection, path: Path, told: formats.Told, input_format: str | None
) -> duckdb.DuckDBPyRelation:
    """Read a file that holds only part of the rows: as text, so that they fit together."""
    if plain.is_needed(path):
        raise DataError(f"{path} is one of several files of a set, and compressed: unpack them")
    form = formats.find(input_format or formats.recognise(path))
    if form.is_array:
        raise DataError(f"{path} is one of several files of a set, and an array: join them")
    texts = ", ".join(f"cast({role} as varchar) as {role}" for role in formats.GIVEN)
    return form.read(con, path, told).project(texts)


def _insert(con: duckdb.DuckDBPyConnection, parameters: dict[str, str], where: str) -> None:
    """Put the rows of `given` into `predictions`, its labels spelled out where that is needed."""
    import duckdb

    statement = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    for is_spelled_out in (False, True):
        try:
            con.execute(f"insert into predictions by name {statement}", parameters)
            return
        except duckdb.ConstraintException:
            con.rollback()
            con.begin()
            if is_spelled_out or not spellings.spell_out(con, where):
                con.execute(f"create temp table parsed as {statement}", parameters)
                _refuse_rows(con, where)
                raise
            # What is refused of the second try is said of what was spelled out.
            con.commit()
            con.begin()


def _in_a_line(error: Exception) -> str:
    """Return what DuckDB says is wrong and where, without the long line and its own settings."""
    text = str(error).partition("\nPossible")[0]
    first, *others = [line for line in text.splitlines() if line.strip()]
    return "; ".join([first, *(line[:100] for line in others[:1]), *others[1:][-1:]])


def _models(con: duckdb.DuckDBPyConnection, where: str, before: int, known: set[str]) -> list[str]:
    """Return the models of the rows from `before` on.

    Raises DataError where there are no rows, a model is known already, an image or one of its
    ranks stands twice, an image has no rank 1, only some rows have a rank, or an image has one
    class at two ranks.
    """
    # A bit for each image and rank counts the different ones: half the time of groups. Few models
    # give more than five ranks; those are looked at more closely.
    found = con.execute(
        """
        select
            model,
            max(rank) > 5
            or count(*)
            > bit_count(bitstring_agg((image_id - 1) * 5 + least(rank, 5) - 1, 0, 249999))
            or count_if(rank = 1) < bit_count(bitstring_agg(image_id, 1, 50000)),
            max(rank) > 1
        from predictions
        where rowid >= $1
        group by model
        order by model
        """,
        [before],
    ).fetchall()
    if not found:
        raise DataError(f"{where} has no rows: there are no predictions in it")
    for model, *_ in found:
        if model in known:
            raise DataError(
                f"{where}: there are predictions of a model {model!r} already. A file is named by "
                "its stem: rename one of the two, or give them a column model"
            )
    if any(is_doubtful for _, is_doubtful, _ in found):
        _check_ranks(con, where, before)
    if any(has_ranks for *_, has_ranks in found):
        _require_ranks(con, where)
        if not _is_plain_top5(con, before):
            _check_choices(con, where, before)
    return [model for model, *_ in found]


def _is_plain_top5(con: duckdb.DuckDBPyConnection, before: int) -> bool:
    """Say whether the rows are in order, of five ranks at most, and no image has a class twice.

    Most are. A look at the four rows before each takes a third of the time of groups.
    """
    ((is_plain,),) = con.execute(
        """
        select bool_and(is_next and not is_repeated)
        from (
            select
                coalesce(
                    model = lag(model) over ()
                    and image_id = lag(image_id) over ()
                    and rank = lag(rank) over () + 1,
                    false
                )
                or rank = 1 as is_next,
                rank > 1 and label = lag(label) over ()
                or rank > 2 and label = lag(label, 2) over ()
                or rank > 3 and label = lag(label, 3) over ()
                or rank > 4 and label = lag(label, 4) over ()
                or rank > 5 as is_repeated
            from predictions
            where rowid >= $1
        )
        """,
        [before],
    ).fetchall()
    return bool(is_plain)


def _refuse_rows(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Say which rows have an image, rank, label or confidence that could not be made out."""
    rows, *wrong = con.execute(
        """
        select
            count(*),
            count(*) - count(image_id),
            count(*) - count(rank),
            count(*) - count(label),
            count(*) filter (isnan(confidence))
        from parsed
        """
    ).fetchall()[0]
    for role, count in zip(("image", "rank", "label", "confidence"), wrong, strict=True):
        if count:
            _refuse(con, where, role, count, rows)


def _refuse(
    con: duckdb.DuckDBPyConnection, where: str, role: str, count: int, rows: int
) -> NoReturn:
    """Say what is wrong with one column, with its first offenders."""
    values = con.execute(
        """
        select numbered.row, numbered.value
        from (
            select
                row_number() over () as row,
                case $role when 'image' then cast(image as varchar)
                    when 'rank' then cast(rank as varchar)
                    when 'label' then cast(label as varchar)
                    else cast(confidence as varchar)
                end as value
            from given
        ) as numbered
        inner join (
            select row_number() over (order by rowid) as row, image_id, rank, label, confidence
            from parsed
        ) as parsed on numbered.row = parsed.row
        where case $role when 'image' then parsed.image_id is null
            when 'rank' then parsed.rank is null
            when 'label' then parsed.label is null
            else isnan(parsed.confidence)
        end
        order by numbered.row
        """,
        {"role": role},
    ).fetchall()
    offenders = ", ".join(
        f"{'nothing' if value is None else repr(value)} in row {row}"
        for row, value in values[:_SHOWN]
    )
    raise DataError(
        f"{where}: {count:,} of {rows:,} rows have no usable {role}: {offenders}"
        f"{', …' if count > _SHOWN else ''} (row 1 is the first prediction). {_EXPECTED[role]}"
        f"{_hint(role, {value for _, value in values})}"
    )


def _hint(role: str, values: set[str | None]) -> str:
    """Name the usual cause, where the values give it away."""
    texts = {value.strip().removesuffix(".0") for value in values if value}
    if role == "image" and "0" in texts:
        return ". Numbers count from 1; an array in file-name order needs no numbers"
    if role == "rank" and "0" in texts:
        return ". These seem to count from 0"
    numbers = {text for text in texts if text.isascii() and text.isdigit()}
    if role == "label" and numbers == {"1000"}:
        return (
            ". These seem to count from 1, or to come from a head of 1,001 classes with the "
            "background first: subtract 1, if it is one of these"
        )
    if role == "label" and numbers:
        return ". These seem to come from a head of more classes (ImageNet-21k has 21,841)"
    return ""


def _check_ranks(con: duckdb.DuckDBPyConnection, where: str, before: int) -> None:
    """Refuse an image, or a rank of an image, that stands twice, and an image without rank 1."""
    twice = con.execute(
        """
        select model, image_id, rank, count(*) over ()
        from predictions
        where rowid >= $1
        group by model, image_id, rank
        having count(*) > 1
        order by model, image_id, rank
        limit $2
        """,
        [before, _SHOWN],
    ).fetchall()
    if twice:
        rows = con.execute(
            """
            select row
            from (
                select row_number() over (order by rowid) as row, model, image_id, rank
                from predictions
                where rowid >= $1
            )
            where model = $2 and image_id = $3 and rank = $4
            order by row
            limit $5
            """,
            [before, *twice[0][:3], _SHOWN],
        ).fetchall()
        raise DataError(
            f"{where}: {twice[0][3]:,} images stand more than once with the same model and rank, "
            f"such as image {', '.join(str(image_id) for _, image_id, *_ in twice)}; the first in "
            f"rows {', '.join(str(row) for (row,) in rows)} (row 1 is the first prediction). "
            "Several predictions for an image need a column rank, several models a column model"
        )
    headless = con.execute(
        """
        select image_id, min(rank), count(*) over ()
        from predictions
        where rowid >= $1
        group by model, image_id
        having min(rank) > 1
        order by image_id
        limit 1
        """,
        [before],
    ).fetchall()
    if headless:
        image_id, rank, count = headless[0]
        raise DataError(
            f"{where}: {count:,} images have no prediction of rank 1, such as image {image_id}, "
            f"whose lowest rank is {rank}. Ranks count from 1, the model's first choice"
        )


def _require_ranks(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse rows without a rank beside others with one."""
    rows, ranked = con.execute("select count(*), count(rank) from given").fetchall()[0]
    if 0 < ranked < rows:
        row = con.execute(
            "select min(row) from (select rank, row_number() over () as row from given) "
            "where rank is null"
        ).fetchall()[0][0]
        raise DataError(
            f"{where}: {rows - ranked:,} of {rows:,} rows have no rank, the first in row {row} "
            "(row 1 is the first prediction), and the others have one: fill them in, or leave "
            "these rows out"
        )


def _check_choices(con: duckdb.DuckDBPyConnection, where: str, before: int) -> None:
    """Refuse a class at two ranks of an image."""
    twice = con.execute(
        """
        select model, image_id, label, min(rank), max(rank), count(*) over ()
        from predictions
        where rowid >= $1
        group by model, image_id, label
        having count(*) > 1
        order by model, image_id, label
        limit $2
        """,
        [before, _SHOWN],
    ).fetchall()
    if twice:
        model, image_id, label, *_, count = twice[0]
        places = con.execute(
            """
            select row
            from (
                select row_number() over (order by rowid) as row, model, image_id, label
                from predictions
                where rowid >= $1
            )
            where model = $2 and image_id = $3 and label = $4
            order by row
            limit $5
            """,
            [before, model, image_id, label, _SHOWN],
        ).fetchall()
        named = "; ".join(
            f"class {label} of image {image_id} at {first} and {last}"
            for _, image_id, label, first, last, _ in twice
        )
        raise DataError(
            f"{where}: {count:,} times an image has the same class at two ranks: {named}"
            f"{'; …' if count > _SHOWN else ''}; the first in rows "
            f"{', '.join(str(row) for (row,) in places)} (row 1 is the first prediction). The "
            "choices of a model for an image are different classes: are the labels those that "
            "belong to the ranks?"
        )
