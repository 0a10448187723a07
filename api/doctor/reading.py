"""Read predictions for the doctor, including refused ones that it can repair."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from ...errors import DataError, RealdbWarning, counted
from ...ingest.locate import PredictionSource, StoredModel
from ...ingest.options import DOCTOR
from ...schema.tables import CLASSES, IMAGES

if TYPE_CHECKING:
    import duckdb

    from ..session import Session

# For predictions that `predictions.add` refuses for an image number or a label out of range. Reads
# them like `predictions.add`, but keeps these numbers. Other values become NULL.
_LENIENT = r"""
create table stated as
select
    coalesce(cast(model as varchar), $model) as model,
    coalesce(
        try_cast(regexp_extract(cast(image as varchar), $image_name || '$', 1) as bigint),
        try_cast(regexp_extract(cast(image as varchar), $number, 1) as bigint)
    ) as image,
    case
        when rank is null then 1
        else try_cast(regexp_extract(cast(rank as varchar), $number, 1) as smallint)
    end as rank,
    try_cast(regexp_extract(cast(label as varchar), $number, 1) as bigint) as label,
    case
        when confidence is not null
            then coalesce(try_cast(cast(confidence as varchar) as double), cast('nan' as double))
    end as confidence
from input_rows
"""
# A whole number as in values.sql, or a negative one.
_NUMBER = r"^[ \t]*(-?\d+)(?:\.0*)?[ \t]*$"


@contextlib.contextmanager
def plain_file(source: object) -> Iterator[object]:
    """Yield the predictions. Copy a pipe, an archive, … to a plain file: it is read twice."""
    from ...ingest import unpack

    if isinstance(source, str | Path) and unpack.is_needed(source):
        with unpack.copy(source) as path:
            yield path
    else:
        yield source


class Refusal(NamedTuple):
    """Why predictions are refused, and the repairs that make them readable.

    text: the message; None if they are not refused
    repairs: the repairs: `padding` (repeated rows were left out) and `ranks-by-confidence`
    is_as_written: the stated ranks were kept although the confidences contradict them
    """

    text: str | None = None
    repairs: tuple[str, ...] = ()
    is_as_written: bool = False


def state(session: Session, source: object, where: str, **choices: Any) -> Refusal:
    """Write the predictions to the table `stated`; return why `accuracy` would refuse them.

    The columns are those of `predictions`, but `image` and `label` may be out of range. Ranks that
    the confidences contradict are kept. Raises DataError if the predictions are refused for a
    reason other than range, ranks or repeats, StoreError if a stored model is damaged.
    """
    con = session.con
    refused: DataError | None = None
    repairs: list[str] = []
    is_as_written = False
    while True:
        try:
            with warnings.catch_warnings():
                # Hide warnings that recommend the doctor or describe a repair: it reports both.
                repeated = "" if repairs else ".*realdb doctor"
                warnings.filterwarnings("ignore", repeated, RealdbWarning)
                session.add_one(PredictionSource(source, choices["model"]), **choices)
        except DataError as error:
            if refused is None:
                refused = error.renamed(source, where) if isinstance(source, str | Path) else error
            if error.parameter == "drop_repeats" and not choices["drop_repeats"]:
                choices["drop_repeats"] = True
                repairs.append("padding")
            elif error.parameter == "ranks" and choices["ranks"] is None:
                is_as_written = error.column == "rank"
                choices["ranks"] = "as-written" if is_as_written else "by-confidence"
                repairs.append("ranks-by-confidence")
            elif _is_count(error, choices["columns"] or {}):
                # Read this column as image numbers. Another order of the images can be a finding.
                choices["columns"] = {**(choices["columns"] or {}), "image": error.value}
            elif isinstance(source, StoredModel) or not _state_leniently(con, source, **choices):
                raise refused from None
            else:
                return Refusal(_text(refused), tuple(repairs))
        else:
            break
    con.execute(
        "create table stated as "
        "select model, image_id as image, rank, label, confidence from predictions"
    )
    return Refusal(_text(refused), tuple(repairs), is_as_written) if refused else Refusal()


def _text(refused: DataError) -> str:
    """Return the message without the recommendation of the doctor."""
    return str(refused).removesuffix(f". {DOCTOR}")


def _is_count(error: DataError, columns: Mapping[str, str]) -> bool:
    """Return whether the image column is refused as a row count and was not set by the user."""
    return (error.column, error.parameter) == ("image", "columns") and (
        error.value is not None and error.count is not None and "image" not in columns
    )


def _state_leniently(
    con: duckdb.DuckDBPyConnection,
    source: object,
    *,
    model: str | None,
    columns: Mapping[str, str] | None,
    input_format: str | None,
    order: str | Path | None,
    ranks: str | None,
    drop_repeats: bool,
) -> bool:
    """Fill `stated`; return whether values out of range are the only fault."""
    import duckdb

    from ...ingest import image_names
    from ...ingest import predictions as reading
    from ...ingest.options import REGISTERED

    try:
        if ranks or drop_repeats:
            return False  # faults of these kinds are found only in rows within range
        options = reading.options_for(con, columns=columns, order=order)
        relation, _, default = reading.read(con, source, options, input_format)
        relation.create_view("input_rows", replace=True)
        con.execute(
            _LENIENT,
            {"model": model or default, "image_name": image_names.PATTERN, "number": _NUMBER},
        )
        complete, distinct = con.execute(
            """
            select
                bool_and(image is not null and rank >= 1 and label is not null)
                    and not coalesce(bool_or(isnan(confidence)), false),
                count(distinct (model, image, rank)) = count(*)
                    and count(distinct (model, image, label)) = count(*)
                    and count(distinct (model, image)) = count(*) filter (rank = 1)
            from stated
            """
        ).fetchall()[0]
    except (DataError, duckdb.Error):
        return False
    finally:
        con.execute("drop view if exists input_rows")
        con.unregister(REGISTERED)
    for doubt in options.facts.doubts:
        warnings.warn(doubt, RealdbWarning, stacklevel=4)
    return bool(complete and distinct)


def models(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of the models in `stated`, in the order of their first rows."""
    rows = con.execute("select model from stated group by model order by min(rowid)").fetchall()
    return [name for (name,) in rows]


def choose(names: list[str], where: str, model: str | None, *, is_one: bool) -> list[str]:
    """Return the models to diagnose: `model`, or all; DataError for several where `is_one`."""
    if model in names:
        return [model]
    if model is None and not (is_one and len(names) > 1):
        return names
    listed = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    raise DataError(
        f"{where} has {counted(len(names), 'model')} ({listed})"
        + (f", but no model {model!r}" if model is not None else ""),
        file=where,
        column="model",
        value=model,
        count=len(names),
        parameter="model",
        remedy='Select one with `model="NAME"`',
    )


class Stated(NamedTuple):
    """The predictions of one model in `stated`.

    first: the columns image, label and confidence of its first choices
    by_ranks: the same columns of its first choices by other ranks: `by-confidence` if all
        predictions have a confidence, and `reversed`; empty if images have one prediction each
    rows, ranks: the number of predictions, and the highest rank
    is_in_range: all image numbers and labels are in range
    """

    first: Mapping[str, npt.NDArray[Any]]
    by_ranks: Mapping[str, Mapping[str, npt.NDArray[Any]]]
    rows: int
    ranks: int
    is_in_range: bool


def of_model(con: duckdb.DuckDBPyConnection, model: str) -> Stated:
    """Return the predictions of a model in `stated`."""
    first = con.execute(
        "select image, label, confidence from stated where rank = 1 and model = $1", [model]
    ).fetchnumpy()
    rows = con.execute(
        """
        select
            count(*),
            max(rank),
            bool_and(image between 1 and $images and label between 0 and $classes - 1),
            bool_and(confidence is not null)
        from stated
        where model = $model
        """,
        {"images": IMAGES, "classes": CLASSES, "model": model},
    ).fetchall()
    count, ranks, is_in_range, is_confident = rows[0]
    by_ranks = {}
    if ranks > 1:
        orders = {"reversed": "rank"} | ({"by-confidence": "confidence"} if is_confident else {})
        for name, column in orders.items():
            by_ranks[name] = con.execute(
                f"select image, arg_max(label, {column}) as label, "  # noqa: S608, a constant
                f"arg_max(confidence, {column}) as confidence "
                "from stated where model = $1 group by image",
                [model],
            ).fetchnumpy()
    return Stated(first, by_ranks, count, ranks, is_in_range)


def format_of(source: object, input_format: str | None) -> str | None:
    """Return the format of predictions; None if they are not a file."""
    from ...ingest import formats

    if isinstance(source, StoredModel):
        return "stored"
    if isinstance(source, tuple):  # the files of a folder
        source = source[0]
    if not isinstance(source, str | Path) or input_format:
        return input_format
    is_in_database = "::" in str(source) and not Path(source).exists()
    return "duckdb" if is_in_database else formats.recognise(Path(source))
