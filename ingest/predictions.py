"""Predictions: whatever they are, they become rows of the table `predictions`, or are refused."""

from __future__ import annotations

import contextlib
import functools
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError, RealdbError, RealdbWarning, UsageError
from ..schema.tables import IMAGES
from ..store.files import user_path
from . import checks, counters, formats, image_names, spellings, unpack
from . import ranks as ranking
from .formats import remote
from .locate import require_name
from .options import RANKS, REGISTERED, ROLES, ReadOptions, Truth

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray


class InputRows(NamedTuple):
    """Predictions as a relation, what to call them in messages, and their model's name."""

    relation: duckdb.DuckDBPyRelation
    where: str
    model: str


def add(
    con: duckdb.DuckDBPyConnection,
    predictions: object,
    *,
    model: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
) -> list[str]:
    """Put `predictions` into the table `predictions` of `con`; return the models' names.

    `predictions` is a path (- for standard input; FILE::TABLE for a table of a DuckDB file), a URL
    (s3://, https:// or http://), a tuple of paths whose rows belong together, an Arrow table, a
    pandas or Polars frame, a DuckDB relation (anything with the Arrow C stream interface), a
    datasets.Dataset, a NumPy array, or a dict of file name to class id. An array is 50,000 class
    ids, (50000, k) class ids by rank or (50000, 1000) logits; `order` says which images its rows
    are: those in `file-name` order, in `class-folder` order (by the folder, which is the WordNet
    id, then the file name), or those named in a file, a JSON list or a line each. `model` names
    predictions that have no model column; left out, it is a file's stem. `columns` maps image,
    label, rank, confidence or model to a column's name. `ranks` ranks the predictions of an image
    anew: by-confidence or reversed; as-written keeps ranks that the confidences contradict.
    `drop_repeats` leaves out rows that repeat an earlier row.

    Labels are class ids, or words if `con` has the table `classes`: WordNet ids, names as there, or
    names and description; with the table `class_names` also the names of OpenAI's CLIP.

    Raises DataError, with the count, the first offenders and their rows, where an image, label,
    rank or confidence is missing, unreadable or out of range, or an image, a rank or a class of an
    image stands twice. Warns where a text may have been cut within its last line.
    """
    unknown = sorted(set(columns or {}) - set(ROLES))
    if unknown:
        raise UsageError(
            f"`columns` has the key {unknown[0]!r}",
            value=unknown[0],
            count=len(unknown),
            parameter="columns",
            remedy=f"Its keys are {', '.join(ROLES)}",
        )
    if ranks is not None and ranks not in RANKS:
        raise UsageError(
            f"`ranks` is {ranks!r}",
            value=ranks,
            parameter="ranks",
            remedy=f"It is one of {', '.join(RANKS)}",
        )
    require_name(model)
    in_place = order is None and remote.is_in_place(predictions, input_format)
    if isinstance(predictions, str | Path) and unpack.is_needed(predictions) and not in_place:
        with unpack.copy(predictions) as path:
            return add(
                con,
                path,
                model=model,
                columns=columns,
                input_format=input_format,
                order=order,
                ranks=ranks,
                drop_repeats=drop_repeats,
            )
    options = options_for(con, columns=columns, order=order, ranks=ranks, drop_repeats=drop_repeats)
    with _naming(predictions):
        models = _add(con, predictions, options, model, input_format, is_in_place=in_place)
    for doubt in options.facts.doubts:
        warnings.warn(doubt, RealdbWarning, stacklevel=3)
    return models


def _add(
    con: duckdb.DuckDBPyConnection,
    predictions: object,
    options: ReadOptions,
    model: str | None,
    input_format: str | None,
    *,
    is_in_place: bool,
) -> list[str]:
    import duckdb

    relation, where, default = read(con, predictions, options, input_format)
    parameters = {"model": model or default, "image_name": image_names.PATTERN}
    # A table's rowid grows with each row, in the order in which they come.
    stored = con.execute("select model, max(rowid) from predictions group by model").fetchall()
    known = {name for name, _ in stored}
    before = max((last + 1 for _, last in stored), default=0)
    relation.create_view("input_rows", replace=True)
    con.begin()
    try:
        _insert(con, parameters, where)
        counters.refuse(con, where, before, options)
        if options.drop_repeats:
            ranking.drop_repeats(con, before, options)
        if options.ranks in ("by-confidence", "reversed"):
            ranking.rank_anew(con, where, before, options.ranks)
        models = checks.require_models(con, where, before, known, options)
        con.commit()
    except BaseException as error:
        con.rollback()
        if is_in_place and not isinstance(error, RealdbError):
            raise remote.refusal(str(predictions), error) from None
        if isinstance(error, duckdb.Error | ValueError | OSError):
            raise DataError(f"{where} cannot be read: {_in_a_line(error)}") from None
        raise
    finally:
        con.execute("drop view input_rows")
        con.execute(f"drop table if exists {spellings.SPELLED}")
        con.unregister(REGISTERED)
    return models


def options_for(
    con: duckdb.DuckDBPyConnection,
    *,
    columns: Mapping[str, str] | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
) -> ReadOptions:
    """Return how to read predictions; the orders and the original labels are those of `con`."""
    return ReadOptions(
        columns=columns or {},
        order=None if order is None else functools.partial(_images_in, con, order),
        ranks=ranks,
        drop_repeats=drop_repeats,
        truth=functools.partial(_truth, con),
        words=functools.partial(spellings.known_words, con),
    )


def _truth(con: duckdb.DuckDBPyConnection) -> Truth | None:
    """Return the original labels of the table images; None where there are none."""
    import numpy as np

    # Looked up, not tried: an error would end the transaction.
    held = "select 1 from information_schema.tables where table_name = 'images'"
    if not con.execute(held).fetchall():
        return None
    rows = con.execute(
        """
        select image_id, original_label, coalesce(is_rated, false) as is_rated
        from images
        where original_label is not null
        """
    ).fetchnumpy()
    if not len(rows["image_id"]):
        return None
    original = np.full(IMAGES + 1, -1, np.int16)
    original[rows["image_id"]] = rows["original_label"]
    is_rated = np.zeros(IMAGES + 1, np.bool_)
    is_rated[rows["image_id"]] = rows["is_rated"] if rows["is_rated"].any() else True
    return Truth(original, is_rated)


@contextlib.contextmanager
def _naming(file: object) -> Iterator[None]:
    """Set the field `file` of an error from inside that names none, where `file` is a path."""
    try:
        yield
    except RealdbError as error:
        if error.file is None and isinstance(file, str | Path):
            error.file = str(file)
        raise


def _images_in(con: duckdb.DuckDBPyConnection, order: str | Path) -> NDArray[Any]:
    """Return the images that the rows of an array belong to, by `order`: numbers or names.

    `con` needs the tables images and classes for class-folder order. Raises DataError where
    they are missing, or where a file of names does not name 50,000.
    """
    import numpy as np

    if str(order) == "file-name":
        return np.arange(1, IMAGES + 1, dtype=np.int32)
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
        if len(rows) != IMAGES:
            raise DataError(
                'this store does not have what `order="class-folder"` needs: the original labels '
                "of all images and the WordNet ids of the classes",
                value=order,
                count=len(rows),
                parameter="order",
                remedy="Ingest a folder with their files: realdb ingest FOLDER",
            )
        return np.asarray(rows)
    path = user_path(order)
    if not path.is_file():
        raise UsageError(
            f"`order` is {str(order)!r}, which is no file",
            value=order,
            parameter="order",
            remedy="It is file-name, class-folder or a file of image names",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a list of image names: {error}",
            file=order,
            parameter="order",
        ) from None
    if len(names) != IMAGES or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"{path} has {len(names):,} entries; the order of an array is {IMAGES:,} image names",
            file=order,
            count=len(names),
            parameter="order",
        )
    return np.array(names, object)


def read(
    con: duckdb.DuckDBPyConnection,
    predictions: object,
    options: ReadOptions,
    input_format: str | None,
) -> InputRows:
    """Return predictions as a relation with the columns of ROLES; nothing is checked."""
    import duckdb

    try:
        rows = _read(con, predictions, options, input_format)
    except duckdb.Error as error:  # its content is looked at to find the columns
        where = predictions if isinstance(predictions, str | Path) else "the table"
        raise DataError(f"{where} cannot be read: {_in_a_line(error)}") from None
    options.require_order_used(rows.where)
    return rows


def _read(
    con: duckdb.DuckDBPyConnection,
    predictions: object,
    options: ReadOptions,
    input_format: str | None,
) -> InputRows:
    if remote.is_url(predictions):
        relation = remote.read_parquet(con, predictions, options)
        return InputRows(relation, predictions, unpack.stem(predictions))
    if isinstance(predictions, str | Path):
        path = user_path(predictions)
        relation = _read_file(con, path, options, input_format)
        return InputRows(relation, str(predictions), unpack.stem(path))
    if isinstance(predictions, tuple) and predictions:
        options.facts.parts = len(predictions)
        relations = [_read_part(con, Path(part), options, input_format) for part in predictions]
        whole = functools.reduce(lambda whole, part: whole.union(part), relations)
        return InputRows(whole, f"{predictions[0]} and {len(predictions) - 1} more", "predictions")
    import numpy as np

    if isinstance(predictions, np.ndarray):
        from .formats import npy

        relation = npy.from_array(con, predictions, options, "the array")
        return InputRows(relation, "the array", "predictions")
    if hasattr(predictions, "with_format"):  # a datasets.Dataset
        if isinstance(predictions, Mapping):
            raise UsageError(
                f"a DatasetDict has several splits: {', '.join(map(str, predictions))}",
                value=type(predictions).__name__,
                count=len(predictions),
                parameter="predictions",
                remedy="Pass one of them",
            )
        predictions = predictions.with_format("arrow")[:]
    if isinstance(predictions, Mapping) or hasattr(predictions, "__arrow_c_stream__"):
        from .formats import frame

        where = "the dict" if isinstance(predictions, Mapping) else "the table"
        return InputRows(frame.from_object(con, predictions, options, where), where, "predictions")
    raise UsageError(
        f"predictions cannot be a {type(predictions).__name__}",
        value=type(predictions).__name__,
        parameter="predictions",
        remedy="Pass a path, an Arrow table, a pandas or Polars frame, a NumPy array, or a dict of "
        "file name to class id. realdb.accuracy_table takes a list of these",
    )


def _read_file(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    options: ReadOptions,
    input_format: str | None,
) -> duckdb.DuckDBPyRelation:
    is_in_database = "::" in str(path) and not path.exists()
    name = input_format or ("duckdb" if is_in_database else formats.recognise(path))
    form = formats.find(name)
    options.facts.is_format_chosen = input_format is not None
    return form.read(con, path, options)


def _read_part(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    options: ReadOptions,
    input_format: str | None,
) -> duckdb.DuckDBPyRelation:
    """Read a file that holds only part of the rows: as text, so that they fit together."""
    if unpack.is_needed(path):
        raise DataError(
            f"{path} is one of several files of a set, and compressed",
            file=path,
            remedy="Unpack the files",
        )
    form = formats.find(input_format or formats.recognise(path))
    if form.is_array:
        raise DataError(
            f"{path} is one of several files of a set, and an array",
            file=path,
            remedy="Join the arrays",
        )
    texts = ", ".join(f"cast({role} as varchar) as {role}" for role in ROLES)
    options.facts.is_format_chosen = input_format is not None
    with _naming(path):
        return form.read(con, path, options).project(texts)


def _insert(con: duckdb.DuckDBPyConnection, parameters: dict[str, str], where: str) -> None:
    """Put `input_rows` into `predictions`, its labels spelled out where that is needed."""
    import duckdb

    statement = Path(__file__).with_name("values.sql").read_text(encoding="utf-8")
    for is_spelled_out in (False, True):
        try:
            con.execute(f"insert into predictions by name {statement}", parameters)
            return
        except duckdb.ConstraintException:
            con.rollback()
            con.begin()
            if is_spelled_out or not spellings.spell_out(con, where):
                counters.refuse_labels(con, where)
                con.execute(f"create temp table parsed as {statement}", parameters)
                checks.refuse_rows(con, where)
                raise
            # What the second try refuses are the labels as they are spelled out.
            con.commit()
            con.begin()


def _in_a_line(error: Exception) -> str:
    """Return what DuckDB says is wrong and where, without the long line and its own settings."""
    text = str(error).partition("\nPossible")[0]
    first, *others = [line for line in text.splitlines() if line.strip()]
    return "; ".join([first, *(line[:100] for line in others[:1]), *others[1:][-1:]])
