"""Read predictions of any format into the table `predictions`, or refuse them."""

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
    """Predictions as a relation, their name in messages, and the name of their model."""

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
    ids, (50000, k) class ids by rank or (50000, 1000) logits.

    `model` is the name for predictions without a model column; the default is a file's stem.
    `columns` maps image, label, rank, confidence or model to a column's name. `order` is the order
    of the images in an array: `file-name`, `class-folder` (by the folder, which is the WordNet id,
    then the file name), or a file with the image names, as a JSON list or one a line. `ranks`
    replaces the ranks of an image's predictions: by-confidence or reversed. as-written keeps ranks
    that the confidences contradict. `drop_repeats` leaves out rows that repeat an earlier row.

    Labels are class ids, or words if `con` has the table `classes`: WordNet ids, names from that
    table, or names and description. The table `class_names` adds the names of OpenAI's CLIP.

    Raises DataError, with the count and the first invalid rows, if an image, label, rank or
    confidence is missing, unreadable or out of range, or if an image, a rank or a class of an image
    occurs twice. Warns if a text may have been cut within its last line.
    """
    unknown = sorted(set(columns or {}) - set(ROLES))
    if unknown:
        raise UsageError(
            f"`columns` has the unknown key {unknown[0]!r}",
            value=unknown[0],
            count=len(unknown),
            parameter="columns",
            remedy=f"Supported keys are {', '.join(ROLES)}",
        )
    if ranks is not None and ranks not in RANKS:
        raise UsageError(
            f"`ranks` has the invalid value {ranks!r}",
            value=ranks,
            parameter="ranks",
            remedy=f"Supported values are {', '.join(RANKS)}",
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
    # rowid grows with each inserted row.
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
    """Return the options for reading predictions, with the orders and original labels of `con`."""
    return ReadOptions(
        columns=columns or {},
        order=None if order is None else functools.partial(_images_in, con, order),
        ranks=ranks,
        drop_repeats=drop_repeats,
        truth=functools.partial(_truth, con),
        words=functools.partial(spellings.known_words, con),
    )


def _truth(con: duckdb.DuckDBPyConnection) -> Truth | None:
    """Return the original labels of the table images; None if there are none."""
    import numpy as np

    # A query that fails would end the transaction.
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
    """Set the field `file` of errors from inside that have none, if `file` is a path."""
    try:
        yield
    except RealdbError as error:
        if error.file is None and isinstance(file, str | Path):
            error.file = str(file)
        raise


def _images_in(con: duckdb.DuckDBPyConnection, order: str | Path) -> NDArray[Any]:
    """Return the images of an array's rows in this `order`: (50000,) numbers or names.

    `con` needs the tables images and classes for class-folder order. Raises DataError if they are
    missing, or if a file of names does not have 50,000 names.
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
                '`order="class-folder"` needs the original labels of all images and the WordNet '
                f"ids of the classes. This store has both for {len(rows):,} images",
                value=order,
                count=len(rows),
                parameter="order",
                remedy="Ingest a folder with these files: realdb ingest FOLDER",
            )
        return np.asarray(rows)
    path = user_path(order)
    if not path.is_file():
        raise UsageError(
            f"`order` is {str(order)!r}, and there is no such file",
            value=order,
            parameter="order",
            remedy="Use file-name, class-folder or a file of image names",
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
            f"{path} must have {IMAGES:,} image names, but has {len(names):,} entries",
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
    """Return predictions as a relation with the columns of ROLES, without checks."""
    import duckdb

    try:
        rows = _read(con, predictions, options, input_format)
    except duckdb.Error as error:  # finding the columns reads the content
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
                remedy="Pass one split",
            )
        predictions = predictions.with_format("arrow")[:]
    if isinstance(predictions, Mapping) or hasattr(predictions, "__arrow_c_stream__"):
        from .formats import frame

        where = "the dict" if isinstance(predictions, Mapping) else "the table"
        return InputRows(frame.from_object(con, predictions, options, where), where, "predictions")
    raise UsageError(
        f"predictions of the type {type(predictions).__name__} are not supported",
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
    """Read one of several files of a set as text: their column types may differ."""
    if unpack.is_needed(path):
        raise DataError(
            f"{path} is compressed, which is not supported for a set of several files",
            file=path,
            remedy="Unpack the files",
        )
    form = formats.find(input_format or formats.recognise(path))
    if form.is_array:
        raise DataError(
            f"{path} is an array, which is not supported for a set of several files",
            file=path,
            remedy="Join the arrays into one",
        )
    texts = ", ".join(f"cast({role} as varchar) as {role}" for role in ROLES)
    options.facts.is_format_chosen = input_format is not None
    with _naming(path):
        return form.read(con, path, options).project(texts)


def _insert(con: duckdb.DuckDBPyConnection, parameters: dict[str, str], where: str) -> None:
    """Insert `input_rows` into `predictions`. If that fails, turn words into class ids first."""
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
            # The second attempt reads the labels as class ids.
            con.commit()
            con.begin()


def _in_a_line(error: Exception) -> str:
    """Return DuckDB's message in one line, without its settings, and long lines cut."""
    text = str(error).partition("\nPossible")[0]
    first, *others = [line for line in text.splitlines() if line.strip()]
    return "; ".join([first, *(line[:100] for line in others[:1]), *others[1:][-1:]])
