"""Replace the ranks of predictions, and compare them with confidences and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import DataError, counted
from .options import DOCTOR, ReadOptions

if TYPE_CHECKING:
    import duckdb

# A smaller relative rise of the confidence is rounding.
_ROUNDING = 1e-6
# The fewest images for comparing ranks with labels.
_FEWEST = 20
# The order of an image's predictions for each value of `ranks`. Ties keep the order of the file.
ORDERS = {"by-confidence": "confidence desc, rank, rowid", "reversed": "rank desc, rowid desc"}
_HAS_LABELS = """
    select count(*) = 2 from information_schema.columns
    where table_name = 'images' and column_name in ('original_label', 'is_rated')
"""


class _Rise(NamedTuple):
    """The number of images on which confidence rises with rank, and the first such image.

    `several` is the number of images with several predictions.
    """

    images: int
    several: int
    image_id: int
    rank: int
    confidence: float
    previous: float


def drop_repeats(con: duckdb.DuckDBPyConnection, before: int, options: ReadOptions) -> None:
    """Delete the rows from `before` on that repeat the label of an earlier row, with a warning."""
    repeats = con.execute(
        """
        select row, id, confidence is distinct from first_confidence
        from (
            select
                rowid as id,
                row_number() over (order by rowid) as row,
                confidence,
                row_number() over same as number,
                first_value(confidence) over same as first_confidence
            from predictions
            where rowid >= $1
            window same as (partition by model, image_id, rank, label order by rowid)
        )
        where number > 1
        order by row
        """,
        [before],
    ).fetchnumpy()
    rows, ids, differ = repeats.values()
    if not len(rows):
        return
    con.execute("delete from predictions where list_contains($1, rowid)", [ids.tolist()])
    options.facts.dropped_rows = rows.tolist()
    other = int(differ.sum())
    options.facts.doubts.append(
        f"{counted(len(rows), 'row is', 'rows are')} left out as repeats of earlier rows"
        + (f"; {other:,} of them have a different confidence" if other else "")
    )


def rank_anew(con: duckdb.DuckDBPyConnection, where: str, before: int, ranks: str) -> None:
    """Replace the ranks of the rows from `before` on; `ranks` is one of `options.RANKS`.

    Equal confidences keep the order of the file. Raises DataError if a row has no confidence.
    """
    if ranks == "by-confidence":
        rows, confident = con.execute(
            "select count(*), count(confidence) from predictions where rowid >= $1", [before]
        ).fetchall()[0]
        if confident < rows:
            raise DataError(
                f"{where}: {rows - confident:,} of {rows:,} rows have no confidence to rank by",
                column="confidence",
                count=rows - confident,
                parameter="ranks",
                remedy="Leave `ranks` out, or choose the confidence column with `columns`",
            )
    con.execute(
        f"""
        update predictions
        set rank = ranked.rank
        from (
            select rowid as id, row_number() over (
                partition by model, image_id order by {ORDERS[ranks]}
            ) as rank
            from predictions
            where rowid >= $1
        ) as ranked
        where predictions.rowid = ranked.id
        """,  # noqa: S608, a constant
        [before],
    )


def check(con: duckdb.DuckDBPyConnection, where: str, before: int, options: ReadOptions) -> None:
    """Compare the ranks of the rows from `before` on with their confidences, or the labels.

    Raises DataError if confidence rises with rank. Without confidences, warns if a later rank
    agrees more often with the original labels than the first.
    """
    rise = _rise(con, before)
    if rise is None:
        _doubt_order(con, where, before, options)
    elif rise.images:
        raise _refusal(con, where, before, rise)


def _rise(con: duckdb.DuckDBPyConnection, before: int) -> _Rise | None:
    """Return how often confidence rises with rank; None if no image has two confidences."""
    ((images, several, first),) = con.execute(
        """
        with steps as (
            select
                model,
                image_id,
                rank,
                confidence,
                lag(confidence) over (partition by model, image_id order by rank) as previous
            from predictions
            where rowid >= $before and confidence is not null
        ),

        rises as (
            select
                model,
                image_id,
                bool_or(
                    confidence - previous
                    > $rounding * greatest(abs(confidence), abs(previous))
                ) as is_rising,
                min_by(
                    {'rank': rank, 'confidence': confidence, 'previous': previous}, rank
                ) filter (
                    confidence - previous > $rounding * greatest(abs(confidence), abs(previous))
                ) as step
            from steps
            where previous is not null
            group by model, image_id
        )

        select
            count_if(is_rising),
            count(*),
            min_by({'image_id': image_id, 'step': step}, image_id) filter (is_rising)
        from rises
        """,
        {"before": before, "rounding": _ROUNDING},
    ).fetchall()
    if not several:
        return None
    if not images:
        return _Rise(0, several, 0, 0, 0.0, 0.0)
    step = first["step"]
    return _Rise(
        images, several, first["image_id"], step["rank"], step["confidence"], step["previous"]
    )


def _refusal(con: duckdb.DuckDBPyConnection, where: str, before: int, rise: _Rise) -> DataError:
    """Return the error. Its remedy is the ranking that agrees better with the original labels."""
    text = (
        f"{where}: confidence rises with rank on {rise.images:,} of {rise.several:,} images, such "
        f"as image {rise.image_id}: rank {rise.rank} has confidence {rise.confidence:g}, the rank "
        f"before it {rise.previous:g}"
    )
    if rise.images == rise.several:
        text += ". The ranks seem to be reversed, like the result of an ascending argsort"
    else:
        text += ". The ranks are not sorted by confidence, like the result of argpartition"
    by_confidence = f'Rank the predictions with `ranks="by-confidence"`. {DOCTOR}'
    as_written = (
        "If the column is not a confidence but, for example, a distance, keep the ranks with "
        '`ranks="as-written"`'
    )
    hits = _first_choices(con, before)
    if hits is None or hits[0] == hits[1]:
        remedy = f"{by_confidence}. {as_written}"
    else:
        written, confident, images = hits
        text += (
            f". The first choice by rank agrees with the original label on {written / images:.1%} "
            f"of the images, and the first choice by confidence on {confident / images:.1%}"
        )
        remedy = by_confidence if confident > written else as_written
    return DataError(
        text,
        column="rank",
        value=rise.image_id,
        count=rise.images,
        parameter="ranks",
        remedy=remedy,
    )


def _first_choices(con: duckdb.DuckDBPyConnection, before: int) -> tuple[int, int, int] | None:
    """Return how often the first choice is the original label: by rank, by confidence, and images.

    None if the original labels are not known.
    """
    if not _has_labels(con):
        return None
    written, confident, images = con.execute(
        """
        with firsts as (
            select
                image_id,
                min_by(label, rank) as written,
                max_by(label, confidence) as confident
            from predictions
            where rowid >= $1
            group by model, image_id
        )

        select
            count_if(f.written = i.original_label),
            count_if(f.confident = i.original_label),
            count(i.original_label)
        from firsts as f
        inner join images as i on f.image_id = i.image_id
        """,
        [before],
    ).fetchall()[0]
    return (written, confident, images) if images else None


def _doubt_order(
    con: duckdb.DuckDBPyConnection, where: str, before: int, options: ReadOptions
) -> None:
    """Warn about ranks if a later one agrees more often with the original labels than rank 1."""
    if not _has_labels(con):
        return
    found = con.execute(
        """
        select p.model, p.rank, count_if(p.label = i.original_label), count(*)
        from predictions as p
        inner join images as i on p.image_id = i.image_id
        where p.rowid >= $1 and p.rank <= 5 and i.original_label is not null
        group by p.model, p.rank
        order by p.model, p.rank
        """,
        [before],
    ).fetchall()
    first: dict[str, tuple[int, int]] = {}
    best: dict[str, tuple[int, int, int]] = {}
    for model, rank, hits, images in found:
        if rank == 1:
            first[model] = hits, images
        elif images >= _FEWEST and (model not in best or hits > best[model][1]):
            best[model] = rank, hits, images
    for model, (rank, hits, images) in best.items():
        hits_first = first[model][0]
        # Three standard errors of the difference of two counts.
        if hits - hits_first > 3 * (hits + hits_first) ** 0.5:
            options.facts.doubts.append(
                f"{where}: rank {rank} of {model} agrees with the original labels on "
                f"{hits / images:.1%} of the images, and rank 1 on "
                f"{hits_first / first[model][1]:.1%}. The ranks may be in another order than "
                "the model's confidence. realdb doctor tries other orders"
            )


def _has_labels(con: duckdb.DuckDBPyConnection) -> bool:
    # A query that fails would end the transaction.
    return bool(con.execute(_HAS_LABELS).fetchall()[0][0])
