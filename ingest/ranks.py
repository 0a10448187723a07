"""The ranks of an image's predictions: set anew, and compared with confidences and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import DataError
from .options import DOCTOR, ReadOptions

if TYPE_CHECKING:
    import duckdb

# A rise by less than this share of the confidence is rounding.
_ROUNDING = 1e-6
# On fewer images the ranks are not compared with the labels.
_FEWEST = 20
# The predictions of an image by other ranks; equal ones keep the order in which they are written.
ORDERS = {"by-confidence": "confidence desc, rank, rowid", "reversed": "rank desc, rowid desc"}
_HAS_LABELS = """
    select count(*) = 2 from information_schema.columns
    where table_name = 'images' and column_name in ('original_label', 'is_rated')
"""


class _Rise(NamedTuple):
    """On how many images with several predictions confidence rises with rank, and the first."""

    images: int
    several: int
    image_id: int
    rank: int
    confidence: float
    previous: float


def drop_repeats(con: duckdb.DuckDBPyConnection, before: int, options: ReadOptions) -> None:
    """Delete the rows from `before` on that repeat the label of an earlier one, and doubt them."""
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
        f"{len(rows):,} rows repeat an earlier row and are left out"
        + (f"; {other:,} of them have another confidence" if other else "")
    )


def rank_anew(con: duckdb.DuckDBPyConnection, where: str, before: int, ranks: str) -> None:
    """Replace the ranks of the rows from `before` on, as `ranks` says: see `options.RANKS`.

    Equal confidences keep the order in which they are written. Raises DataError where a row has no
    confidence to rank it by.
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
                remedy="Leave `ranks` out, or name the column of the confidences with `columns`",
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
    """Hold the ranks of the rows from `before` on against their confidences, or the labels.

    Raises DataError where confidence rises with rank. Where there are no confidences, doubts ranks
    of which a later one agrees more often with the original labels than the first.
    """
    rise = _rise(con, before)
    if rise is None:
        _doubt_order(con, where, before, options)
    elif rise.images:
        raise _refusal(con, where, before, rise)


def _rise(con: duckdb.DuckDBPyConnection, before: int) -> _Rise | None:
    """Return where confidence rises with rank; None where no image has two confidences."""
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
    """Return what to raise; the remedy is the ranking that agrees better with the labels."""
    text = (
        f"{where}: confidence rises with rank on {rise.images:,} of {rise.several:,} images, such "
        f"as image {rise.image_id}: rank {rise.rank} has {rise.confidence:g}, the rank before it "
        f"{rise.previous:g}"
    )
    if rise.images == rise.several:
        text += ". The ranks seem to be reversed, as an ascending argsort leaves them"
    else:
        text += ". The ranks are not sorted, as argpartition leaves them"
    by_confidence = f'Rank the predictions with `ranks="by-confidence"`. {DOCTOR}'
    as_written = (
        'If the column is no confidence (a distance, say), keep the ranks with `ranks="as-written"`'
    )
    hits = _first_choices(con, before)
    if hits is None or hits[0] == hits[1]:
        remedy = f"{by_confidence}. {as_written}"
    else:
        written, confident, images = hits
        text += (
            f". The first choices agree with the original labels on {written / images:.1%} of the "
            f"images by rank, and on {confident / images:.1%} by confidence"
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
    """Return how often the original label is the first choice by rank, by confidence, of how many.

    None where the original labels are not known.
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
    """Doubt ranks without confidences if a later one agrees more often with the original labels."""
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
    # Looked up, not tried: an error would end the transaction.
    return bool(con.execute(_HAS_LABELS).fetchall()[0][0])
