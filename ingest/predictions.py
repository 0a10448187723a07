"""Predictions: whatever was given becomes rows of the table `predictions`, or is refused."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ..errors import DataError, UsageError
from . import formats

if TYPE_CHECKING:
    import duckdb

# How many offenders a message names.
_SHOWN = 3
_EXPECTED = {
    "image": "an image is ILSVRC2012_val_00000001.JPEG to …_00050000.JPEG, or its number 1-50000",
    "rank": "a rank is a whole number from 1",
    "label": "a label is a class id 0-999",
    "confidence": "a confidence is a number",
}


class _Given(NamedTuple):
    """Predictions as a relation, what to call them in messages, and their model's name."""

    relation: duckdb.DuckDBPyRelation
    where: str
    model: str


def add(
    con: duckdb.DuckDBPyConnection,
    given: object,
    *,
    model: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
) -> list[str]:
    """Put the predictions `given` into the table `predictions` of `con`; return the models' names.

    `given` is a path (- for standard input), an Arrow table, a pandas or Polars frame (anything
    with the Arrow C stream interface), a NumPy array of 50,000 class ids or of (50000, 1000) logits
    in file-name order, or a dict of file name to class id. `model` names predictions that have no
    model column; left out, it is a file's stem. `columns` maps image, label, rank, confidence or
    model to a column's name.

    Raises DataError, with the count, the first offenders and their rows, where an image, label,
    rank or confidence is missing, unreadable or out of range, or an image or a rank stands twice.
    """
    import duckdb

    unknown = sorted(set(columns or {}) - set(formats.GIVEN))
    if unknown:
        raise UsageError(
            f"a column is chosen for {', '.join(formats.GIVEN)}; not for {unknown[0]!r}"
        )
    if isinstance(given, str | Path) and str(given) == "-":
        with _standard_input() as path:
            try:
                return add(con, path, model=model, columns=columns, input_format=input_format)
            except DataError as error:
                raise DataError(str(error).replace(str(path), "standard input")) from None
    relation, where, default = _read(con, given, columns or {}, input_format)
    statement = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    parameters = {"model": model or default}
    # A table's rowid grows with each row, in the order in which they come.
    before = con.execute("select coalesce(max(rowid) + 1, 0) from predictions").fetchall()[0][0]
    known = {name for (name,) in con.execute("select distinct model from predictions").fetchall()}
    relation.create_view("given", replace=True)
    con.begin()
    try:
        try:
            con.execute(f"insert into predictions by name {statement}", parameters)
        except duckdb.ConstraintException:
            con.rollback()
            con.begin()
            con.execute(f"create temp table parsed as {statement}", parameters)
            _refuse_rows(con, where)
            raise
        models = _models(con, where, before, known)
        con.commit()
    except BaseException as error:
        con.rollback()
        if isinstance(error, duckdb.Error):
            raise DataError(f"{where} cannot be read: {_in_a_line(error)}") from None
        raise
    finally:
        con.execute("drop view given")
        con.unregister(formats.REGISTERED)
    return models


def _read(
    con: duckdb.DuckDBPyConnection,
    given: object,
    columns: Mapping[str, str],
    input_format: str | None,
) -> _Given:
    if isinstance(given, str | Path):
        path = Path(given)
        form = formats.find(input_format or formats.recognise(path))
        return _Given(form.read(con, path, columns), str(given), path.stem)
    if isinstance(given, Mapping) or hasattr(given, "__arrow_c_stream__"):
        from .formats import frame

        where = "the dict" if isinstance(given, Mapping) else "the table"
        return _Given(frame.from_object(con, given, columns, where), where, "predictions")
    import numpy as np

    if isinstance(given, np.ndarray):
        from .formats import npy

        return _Given(npy.from_array(con, given, "the array"), "the array", "predictions")
    raise UsageError(
        f"predictions cannot be a {type(given).__name__}: give a path, an Arrow table, a pandas or "
        "Polars frame, a NumPy array, or a dict of file name to class id"
    )


@contextlib.contextmanager
def _standard_input() -> Iterator[Path]:
    """Keep what comes on stdin in a file, so that it can be looked at before it is read."""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield path


def _in_a_line(error: Exception) -> str:
    """Return what DuckDB says is wrong and where, without the long line and its own settings."""
    text = str(error).partition("\nPossible")[0]
    first, *others = [line for line in text.splitlines() if line.strip()]
    return "; ".join([first, *(line[:100] for line in others[:1]), *others[1:][-1:]])


def _models(con: duckdb.DuckDBPyConnection, where: str, before: int, known: set[str]) -> list[str]:
    """Return the models of the rows from `before` on.

    Raises DataError where there are no rows, a model is known already, an image or one of its
    ranks stands twice, or an image has no rank 1.
    """
    found = con.execute(
        """
        select model, bool_or(predictions > 1 or first_rank > 1)
        from (
            select model, image_id, count(*) as predictions, min(rank) as first_rank
            from predictions
            where rowid >= $1
            group by model, image_id
        )
        group by model
        order by model
        """,
        [before],
    ).fetchall()
    if not found:
        raise DataError(f"{where} has no rows: there are no predictions in it")
    for model, _ in found:
        if model in known:
            raise DataError(
                f"{where}: there are predictions of a model {model!r} already. A file is named by "
                "its stem: rename one of the two, or give them a column model"
            )
    # Most files have one prediction for each image, and there is nothing more to look at.
    if any(has_several for _, has_several in found):
        _check_ranks(con, where, before)
    return [model for model, _ in found]


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
    texts = {value.removesuffix(".0") for value in values if value}
    if role == "image" and "0" in texts:
        return ". Numbers count from 1; an array in file-name order needs no numbers"
    if role == "rank" and "0" in texts:
        return ". These seem to count from 0"
    numbers = {text for text in texts if text.isdigit()}
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
