"""Refuse row numbers in the place of class ids or image numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DataError
from .options import ReadOptions

if TYPE_CHECKING:
    import duckdb

# If so many rows count up, that is not by chance.
_ENOUGH = 20


def refuse(con: duckdb.DuckDBPyConnection, where: str, before: int, options: ReadOptions) -> None:
    """Raise DataError if the labels or the images of the rows from `before` on count the rows.

    Image numbers that count the rows may be correct. They are refused only if the labels agree with
    the original labels no more than by chance.
    """
    # The first rows are enough for nearly all files, and take a third of the time.
    head = con.execute(
        "select rowid, image_id, label from predictions where rowid >= $1 limit $2",
        [before, _ENOUGH],
    ).fetchall()
    if len(head) < _ENOUGH:
        return
    # A rowid changes when the row is committed, but counts up before as well.
    start, first_image, _ = head[0]
    labels = [label for *_, label in head]
    is_count = labels in ([*range(_ENOUGH)], [*range(1, _ENOUGH + 1)])
    if not is_count and first_image != 1:
        return
    ((rows, last, numbers_from_0, numbers_from_1),) = con.execute(
        """
        select
            count(*) filter (where rank = 1),
            max(image_id),
            bool_and(label = rowid - $2),
            bool_and(label = rowid - $2 + 1)
        from predictions
        where rowid >= $1
        """,
        [before, start],
    ).fetchall()
    if rows < _ENOUGH:
        return
    if numbers_from_0 or numbers_from_1:
        raise _labels(where, rows, 0 if numbers_from_0 else 1)
    if first_image == 1 and last == rows and "image" not in options.columns:
        _refuse_images(con, where, before, options)


def refuse_labels(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Raise DataError if the invalid labels of `input_rows` count the rows."""
    from . import contents
    from .series import Found

    rows = con.view("input_rows")
    (numbers,) = contents.class_ids(rows, [Found("label", ("label",))], {})
    start = contents.running_from(numbers)
    if start is not None and len(numbers) >= _ENOUGH:
        raise _labels(where, len(numbers), start)


def _labels(where: str, rows: int, start: int) -> DataError:
    return DataError(
        f"{where}: the label column has no class ids; it only counts the {rows:,} rows from "
        f"{start}",
        column="label",
        value=start,
        count=rows,
        parameter="columns",
        remedy='Choose the column of the predictions with `columns={"label": "NAME"}`',
    )


def _refuse_images(
    con: duckdb.DuckDBPyConnection, where: str, before: int, options: ReadOptions
) -> None:
    if options.facts.is_positional:
        return
    text = con.view("input_rows").project("cast(image as varchar)").limit(1).fetchall()[0][0]
    truth = options.truth()
    if truth is None or not str(text).strip().removesuffix(".0").isdecimal():
        return
    if str(text).strip().startswith("0"):
        return  # a file name without its suffix
    import numpy as np

    from . import competitors
    from .contents import running_from
    from .logits import TOP
    from .series import Found

    rows = con.execute(
        "select image_id, rank, label from predictions where rowid >= $1 and rank <= $2 "
        "order by rank, rowid",
        [before, TOP],
    ).fetchnumpy()
    # If the ranks are in the wrong order, a later one agrees with the labels.
    by_rank: list[competitors.Judged] = []
    for rank in np.unique(rows["rank"]):
        is_of_rank = rows["rank"] == rank
        images = np.asarray(rows["image_id"][is_of_rank], np.int64)
        if rank == 1 and running_from(images) is None:
            return
        labels = np.asarray(rows["label"][is_of_rank], np.int64)
        known = competitors.Table(con.view("input_rows"), where, images, None)
        by_rank.append(competitors.judge(Found("label", ("label",)), labels, known, truth))
        if by_rank[-1].verdict != competitors.CHANCE:
            return
    judged = by_rank[0]
    count = len(judged.ids)
    name = next(iter(options.facts.columns.get("image", ())), "image")
    raise DataError(
        f"{where}: the image column {name!r} counts the {count:,} rows from 1. If it had the "
        f"numbers of the images, the labels would agree with the original labels on only "
        f"{judged.agreeing:,} of {judged.rated:,} rated images, no more than by chance",
        column="image",
        value=name,
        count=count,
        parameter="columns",
        remedy="If it counts the rows, write the name of each image beside its prediction. If it "
        f'is the number of the image, choose the column: `columns={{"image": "{name}"}}`',
    )
