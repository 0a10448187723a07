"""Read predictions for the doctor: also those that are refused for what it can repair."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from ...errors import DataError, RealdbWarning
from ...ingest.locate import PredictionSource, StoredModel
from ...ingest.options import DOCTOR
from ...schema.tables import CLASSES, IMAGES

if TYPE_CHECKING:
    import duckdb

    from ..session import Session

# The predictions that `predictions.add` refuses for an image number or a label out of range: as
# there, but with these as they are. What is not even a whole number stays NULL.
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
# A whole number as in values.sql, or below 0.
_NUMBER = r"^[ \t]*(-?\d+)(?:\.0*)?[ \t]*$"


@contextlib.contextmanager
def plain_file(source: object) -> Iterator[object]:
    """Yield the predictions; what is no plain file as one, to be read twice."""
    from ...ingest import unpack

    if isinstance(source, str | Path) and unpack.is_needed(source):
        with unpack.copy(source) as path:
            yield path
    else:
        yield source


class Refusal(NamedTuple):
    """Why predictions are refused, and what makes them readable.

    text: the message; None where they are not refused
    repairs: what makes them readable: `padding`, which was left out, and `ranks-by-confidence`
    is_as_written: ranks that the confidences contradict are there as they are written
    """

    text: str | None = None
    repairs: tuple[str, ...] = ()
    is_as_written: bool = False


def state(session: Session, source: object, where: str, **choices: Any) -> Refusal:
    """Put the predictions into the table `stated`; return why they would be refused.

    Its columns are those of `predictions`, but `image` and `label` are numbers of any size. Ranks
    that the confidences contradict stay as they are written. Raises DataError where they are
    refused for another reason than their range, ranks or repeats, StoreError where a stored model
    is damaged.
    """
    con = session.con
    refused: DataError | None = None
    repairs: list[str] = []
    is_as_written = False
    while True:
        try:
            with warnings.catch_warnings():
                # What recommends the doctor, or says what a repair did, is what it reports itself.
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
                # The images may be in another order, which is a finding.
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
    """Return the message, without the hint at the doctor."""
    return str(refused).removesuffix(f". {DOCTOR}")


def _is_count(error: DataError, columns: Mapping[str, str]) -> bool:
    """Say whether the image column is refused because it counts the rows, and was not chosen."""
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
    """Fill `stated`, and say whether ranges are all that is wrong with the predictions."""
    import duckdb

    from ...ingest import image_names
    from ...ingest import predictions as reading
    from ...ingest.options import REGISTERED

    try:
        if ranks or drop_repeats:
            return False  # they are found in rows whose ranges are right
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
        f"{where} has {len(names)} models ({listed})"
        + (f", and {model!r} is none of them" if model is not None else ""),
        file=where,
        column="model",
        value=model,
        count=len(names),
        parameter="model",
        remedy='Choose one with `model="NAME"`',
    )


class Stated(NamedTuple):
    """The predictions of one model in `stated`.

    first: the columns image, label and confidence of its first choices
    by_ranks: the same columns of its first choices by other ranks: `by-confidence` if
        all predictions have a confidence, and `reversed`; empty where an image has one prediction
    rows, ranks: how many predictions it has, and ranks of an image at most
    is_in_range: its image numbers and labels are all in range
    """

    first: Mapping[str, npt.NDArray[Any]]
    by_ranks: Mapping[str, Mapping[str, npt.NDArray[Any]]]
    rows: int
    ranks: int
    is_in_range: bool


def of_model(con: duckdb.DuckDBPyConnection, model: str) -> Stated:
    """Return what `stated` has of a model."""
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
    """Return the format that predictions are read as; None for what is no file."""
    from ...ingest import formats

    if isinstance(source, StoredModel):
        return "stored"
    if isinstance(source, tuple):  # the files of a folder
        source = source[0]
    if not isinstance(source, str | Path) or input_format:
        return input_format
    is_in_database = "::" in str(source) and not Path(source).exists()
    return "duckdb" if is_in_database else formats.recognise(Path(source))
