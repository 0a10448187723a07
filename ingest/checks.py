"""Check predictions after they were inserted, and refuse invalid rows with their numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from ..errors import DataError, counted
from ..schema.tables import CLASSES
from . import ranks as ranking
from .options import DOCTOR, ReadOptions

if TYPE_CHECKING:
    import duckdb

# Labels below this may be class ids shifted by a constant. A larger head has higher labels.
_SHIFTED = CLASSES + 100
# How many examples a message has.
_SHOWN = 3
_EXPECTED = {
    "image": "An image is ILSVRC2012_val_00000001.JPEG to …_00050000.JPEG, or its number 1-50000",
    "rank": "A rank is a whole number from 1",
    "label": "A label is a class id 0-999 in plain digits, or the WordNet id or name, in one "
    "spelling throughout",
    "confidence": "A confidence is a number",
}


def require_models(
    con: duckdb.DuckDBPyConnection, where: str, before: int, known: set[str], options: ReadOptions
) -> list[str]:
    """Return the models of the rows from `before` on.

    Raises DataError if there are no rows, a model already has predictions, an image or one of its
    ranks is repeated, an image has no rank 1, only some rows have a rank, an image has one class at
    two ranks, or confidence rises with rank.
    """
    # A bit for each image and rank counts distinct pairs in half the time of a group by. Models
    # with more than five ranks are rare and take the slower check.
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
        raise DataError(f"{where} has no rows and so no predictions", count=0)
    for model, *_ in found:
        if not model.strip():
            ((count, row),) = con.execute(
                """
                select
                    count(*),
                    min(row)
                from (
                    select
                        model,
                        row_number() over (order by rowid) as row
                    from predictions
                    where rowid >= $1
                )
                where model = $2
                """,
                [before, model],
            ).fetchall()
            raise DataError(
                f"{where}: {counted(count, 'row has', 'rows have')} a blank model name, the "
                f"first is row {row} (row 1 is the first prediction)",
                row=row,
                column="model",
                value=model,
                count=count,
                remedy="Write the name of the model, or leave the cells empty to use the file's "
                "stem",
            )
        if model in known:
            raise DataError(
                f"{where}: the model {model!r} already has predictions",
                column="model",
                value=model,
                parameter="model",
                remedy="The default name of a model is the stem of its file: rename one of the two "
                "files, or add a column model",
            )
    if any(is_doubtful for _, is_doubtful, _ in found):
        _check_ranks(con, where, before, options)
    if any(has_ranks for *_, has_ranks in found):
        if options.ranks in (None, "as-written"):
            _require_ranks(con, where)
        if not _is_plain_top5(con, before):
            _check_choices(con, where, before, options)
        if options.ranks is None:
            ranking.check(con, where, before, options)
    return [model for model, *_ in found]


def _is_plain_top5(con: duckdb.DuckDBPyConnection, before: int) -> bool:
    """Return whether the rows are in order, have at most five ranks, and repeat no class.

    Most files pass. Comparing each row with the four before takes a third of a group by's time.
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


def refuse_rows(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Raise DataError if rows have an invalid image, rank, label or confidence."""
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
    """Raise DataError for the invalid values of one column."""
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
            from input_rows
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
    first, value = values[0]
    raise DataError(
        f"{where}: {count:,} of {rows:,} rows have no valid {role}: {offenders}"
        f"{', …' if count > _SHOWN else ''} (row 1 is the first prediction)",
        row=first,
        column=role,
        value=value,
        count=count,
        remedy=f"{_EXPECTED[role]}{_hint(role, {value for _, value in values})}",
    )


def _hint(role: str, values: set[str | None]) -> str:
    """Return the usual cause of such values, to append to the remedy; '' if it is unknown."""
    from . import printed  # imported here, because compiling its patterns takes time

    if advice := printed.advice([value for value in values if value]):
        return advice
    texts = {value.strip().removesuffix(".0") for value in values if value}
    if role == "image" and "0" in texts:
        return f". Numbers count from 1; an array in file-name order needs no numbers. {DOCTOR}"
    if role == "rank" and "0" in texts:
        return ". These ranks seem to count from 0"
    plain = {printed.without_prefix(text) for text in texts}
    numbers = {text for text in plain if text.isascii() and text.isdigit()}
    if role == "label" and numbers == {"1000"}:
        return (
            ". These labels seem to count from 1, or to come from a head of 1,001 classes with the "
            f"background first. In both cases subtract 1. {DOCTOR}"
        )
    if role == "label" and plain and all(re.fullmatch(r"-\d{1,3}", text) for text in plain):
        return f". These labels seem to be shifted by a constant. {DOCTOR}"
    if role == "label" and numbers and max(map(int, numbers)) < _SHIFTED:
        return (
            ". These labels seem to be shifted by a constant, or to come from a head with more "
            f"classes (ImageNet-21k has 21,841). {DOCTOR}"
        )
    if role == "label" and numbers:
        return ". These labels seem to come from a larger head (ImageNet-21k has 21,841 classes)"
    return ""


def _check_ranks(
    con: duckdb.DuckDBPyConnection, where: str, before: int, options: ReadOptions
) -> None:
    """Refuse an image and rank that occur twice, and an image without rank 1."""
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
        model, image_id, rank, count = twice[0]
        rows = _rows_of(con, before, model, image_id, options, rank=rank)
        parameter, cause, remedy = _repeats(con, before, options.facts.parts)
        raise DataError(
            f"{where}: {count:,} images occur more than once with the same model and rank, "
            f"such as image {', '.join(str(image_id) for _, image_id, *_ in twice)}. The first is "
            f"in rows {', '.join(map(str, rows))} (row 1 is the first prediction){cause}",
            row=rows[0],
            column="image",
            value=image_id,
            count=count,
            parameter=parameter,
            remedy=remedy,
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
            f"{where}: {counted(count, 'image has', 'images have')} no prediction with rank 1, "
            f"such as image {image_id}, whose lowest rank is {rank}",
            column="rank",
            value=rank,
            count=count,
            remedy="Count ranks from 1, the model's first choice",
        )


def _repeats(
    con: duckdb.DuckDBPyConnection, before: int, parts: int
) -> tuple[str | None, str, str]:
    """Return why images are repeated: the parameter that helps, the cause and the remedy."""
    several, same, most, others = con.execute(
        """
        with groups as (
            select count(*) as rows, count(distinct label) as labels, rank
            from predictions
            where rowid >= $1
            group by model, image_id, rank
        )

        select
            count_if(rows > 1),
            coalesce(sum(rows - 1) filter (labels = 1), 0),
            count_if(rows > 1 and labels = rows),
            count_if(labels > 1)
        from groups
        """,
        [before],
    ).fetchall()[0]
    if not others:
        return (
            "drop_repeats",
            f". {counted(same, 'row repeats', 'rows repeat')} the label of an earlier row, like "
            "the padding of a distributed sampler",
            f"Leave the repeats out with `drop_repeats=True`. {DOCTOR}",
        )
    ((ranked, confident, rows),) = con.execute(
        "select count(rank), count(confidence), count(*) from input_rows"
    ).fetchall()
    if not ranked and confident == rows and most == several:
        return (
            "ranks",
            ". There is no rank column, and each image has different labels with a confidence",
            'Rank the predictions of an image by their confidence with `ranks="by-confidence"`. '
            f"{DOCTOR}",
        )
    if parts > 1:
        return (
            "model",
            f". The rows have different labels for {others:,} of these images. The {parts} files "
            "are therefore not parts of one model",
            "Leave `model` out: each file is then a separate model",
        )
    return (
        None,
        f". The rows have different labels for {others:,} of these images",
        "Add a column rank if an image has several predictions, or a column model if there are "
        "several models",
    )


def _require_ranks(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse rows without a rank if other rows have one."""
    rows, ranked = con.execute("select count(*), count(rank) from input_rows").fetchall()[0]
    if 0 < ranked < rows:
        row = con.execute(
            "select min(row) from (select rank, row_number() over () as row from input_rows) "
            "where rank is null"
        ).fetchall()[0][0]
        raise DataError(
            f"{where}: {rows - ranked:,} of {rows:,} rows have no rank, but the others have one. "
            f"The first is row {row} (row 1 is the first prediction)",
            row=row,
            column="rank",
            count=rows - ranked,
            remedy="Fill in the missing ranks, or leave these rows out",
        )


def _check_choices(
    con: duckdb.DuckDBPyConnection, where: str, before: int, options: ReadOptions
) -> None:
    """Refuse images that have one class at two ranks."""
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
        rows = _rows_of(con, before, model, image_id, options, label=label)
        named = "; ".join(
            f"class {label} of image {image_id} at {first} and {last}"
            for _, image_id, label, first, last, _ in twice
        )
        raise DataError(
            f"{where}: {count:,} times a class has two ranks for the same image: {named}"
            f"{'; …' if count > _SHOWN else ''}. The first is in rows "
            f"{', '.join(map(str, rows))} (row 1 is the first prediction)",
            row=rows[0],
            column="label",
            value=label,
            count=count,
            remedy="Check that the labels belong to the ranks: the predictions for an image must "
            "be different classes",
        )


def _rows_of(
    con: duckdb.DuckDBPyConnection,
    before: int,
    model: str,
    image_id: int,
    options: ReadOptions,
    *,
    rank: int | None = None,
    label: int | None = None,
) -> list[int]:
    """Return the first rows of the input, from 1, with this rank or label of an image."""
    rows = con.execute(
        """
        select row
        from (
            select row_number() over (order by rowid) as row, model, image_id, rank, label
            from predictions
            where rowid >= $before
        )
        where
            model = $model
            and image_id = $image_id
            and rank = coalesce($rank, rank)
            and label = coalesce($label, label)
        order by row
        limit $shown
        """,
        {
            "before": before,
            "model": model,
            "image_id": image_id,
            "rank": rank,
            "label": label,
            "shown": _SHOWN,
        },
    ).fetchall()
    return [options.facts.row_of(row) for (row,) in rows]
