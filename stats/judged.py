"""Which images each of many models gets right, as one array: `paired_counts` for 1,000 models.

The view packs images into the bits of numbers, which takes SQL 40 s for 1,000 models; a matrix
product takes 4. The view `scored_predictions` judges each label that matters for an image
once, and all models look the result up. Tests compare both ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import paired

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_Cells = npt.NDArray[np.uint8]
# The bits of a cell, by label set: was the image scored, and is the model right?
_BITS = {"real": (1, 2), "original": (4, 8)}
# So many images are multiplied at once, which bounds the memory: 1,000 models take 40 MB.
_BLOCK = 5_000
# Up to this share of missing images a matrix product takes longer than to look them up.
_FEW = 0.03
_ROWS = 1 << 20
_COUNTS = ("images", "both_right", "only_a_right", "only_b_right", "both_wrong")
# The labels of an image that may be right.
_CHOICES = """
    select image_id, label
    from labels
    union
    select image_id, original_label
    from images
    where original_label is not null
"""
# One model for each of them, and one whose label is none of them.
_PROBES = """
    insert into predictions
    with numbered as (
        select
            image_id,
            label,
            row_number() over (partition by image_id order by label) as place
        from choices
    ),

    others as (
        select
            i.image_id,
            min(r.label) as label
        from images as i
        cross join (
            select unnest(range(0, (select coalesce(max(place), 0) + 1 from numbered))) as label
        ) as r
        anti join choices as c on i.image_id = c.image_id and r.label = c.label
        group by i.image_id
    )

    select concat('label ', place), image_id, 1, label, null
    from numbered
    union all
    select 'other', image_id, 1, label, null
    from others
"""
_CELL = """
    case when is_real_correct then 3 when is_real_correct is null then 0 else 1 end
    + case when is_original_correct then 12 when is_original_correct is null then 0 else 4 end
"""
_CELLS = f"""
    select
        model = 'other' as is_other,
        image_id - 1 as image,
        label,
        {_CELL} as cell
    from scored_predictions
"""  # noqa: S608, a constant


class Judged(NamedTuple):
    """The judged predictions of models: `cells`, (models, images), with the bits above."""

    models: list[str]
    cells: _Cells

    def is_scored(self, label_set: str) -> npt.NDArray[np.bool_]:
        """Say which images each model was scored on, bool (models, images)."""
        return (self.cells & _BITS[label_set][0]) > 0

    def is_right(self, label_set: str) -> npt.NDArray[np.bool_]:
        """Say which images each model is right on, bool (models, images)."""
        return (self.cells & _BITS[label_set][1]) > 0


def choices(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the labels of each image that may be right, by the table `labels` of `con`."""
    return con.sql(_CHOICES).to_arrow_table()


def insert_probes(con: duckdb.DuckDBPyConnection, choices: pa.Table) -> None:
    """Put predictions of all `choices`, and of another label, into `predictions`, for `cells`."""
    con.register("choices", choices)
    con.execute(_PROBES)
    con.unregister("choices")


def cells(con: duckdb.DuckDBPyConnection, images: int, classes: int) -> _Cells:
    """Return the cell of each image and label, (images, classes), by the view of the probes."""
    found = con.execute(_CELLS).fetchnumpy()
    is_other = found["is_other"]
    table = np.zeros((images, classes), np.uint8)
    table[found["image"][is_other]] = found["cell"][is_other, None]
    table[found["image"][~is_other], found["label"][~is_other]] = found["cell"][~is_other]
    return table


def read(con: duckdb.DuckDBPyConnection, models: Sequence[str], table: _Cells) -> Judged:
    """Judge the first choices of `models` in the table `predictions` of `con` by the cells."""
    images, classes = table.shape
    cells = table.reshape(-1)
    found = np.zeros((len(models), images), np.uint8)
    place = f"(image_id - 1) * {classes} + label as cell from predictions where rank = 1"
    for at, cell in _by_place(con, models, images, place):
        found.reshape(-1)[at] = cells[cell]
    return Judged(list(models), found)


def read_few(con: duckdb.DuckDBPyConnection, models: Sequence[str], images: int) -> Judged:
    """Judge `models` by the view `scored_predictions` of `con`: up to 100 this is faster."""
    found = np.zeros((len(models), images), np.uint8)
    for at, cell in _by_place(con, models, images, f"{_CELL} as cell from scored_predictions"):
        found.reshape(-1)[at] = cell
    return Judged(list(models), found)


def _by_place(
    con: duckdb.DuckDBPyConnection, models: Sequence[str], images: int, select: str
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Yield the places of models and images in an array, and what `select` says of them."""
    con.execute("create or replace temp table judged_models (model varchar, place integer)")
    con.execute(
        "insert into judged_models select unnest($1), unnest($2)",
        [list(models), list(range(len(models)))],
    )
    rows = con.sql(
        f"""
        with cells as (
            select model, image_id, {select}
        )

        select m.place * {images} + c.image_id - 1 as at, c.cell
        from cells as c
        inner join judged_models as m on c.model = m.model
        """  # noqa: S608, numbers
    )
    for batch in rows.to_arrow_reader(_ROWS):
        at, cell = (column.to_numpy() for column in batch.columns)
        yield at, cell


def counts(judged: Judged, label_set: str) -> dict[str, npt.NDArray[Any]]:
    """Return the rows of the view `paired_counts` of one label set, by column.

    The models are their places in `judged.models`, and the pairs are named as in the view: by the
    order of the names, as DuckDB compares texts, by their bytes.
    """
    first, second = np.triu_indices(len(judged.models), 1)
    order = np.argsort(np.argsort(np.array([model.encode() for model in judged.models], object)))
    is_turned = order[first] > order[second]
    first, second = np.where(is_turned, second, first), np.where(is_turned, first, second)
    both, right, scored = _products(judged, label_set)
    a, images = both[first, second], scored[first, second]
    b, c = right[first, second] - a, right[second, first] - a
    found = (images, a, b, c, images - a - b - c)
    columns = {"model_a": first, "model_b": second, **dict(zip(_COUNTS, found, strict=True))}
    return {name: values[images > 0] for name, values in columns.items()}


def tables(judged: Judged, pairs: Sequence[tuple[str, str]] | None = None) -> list[pa.Table]:
    """Return the rows of `paired_counts` and of `paired_tests` for these models.

    Only `pairs` are compared where they are named, in either order of the two.
    """
    import pyarrow as pa

    names = pa.array(judged.models, pa.string())
    place = {model: at for at, model in enumerate(judged.models)}
    wanted = [
        place[one] * len(place) + place[other]
        for pair in pairs or ()
        for one, other in (pair, pair[::-1])
    ]
    parts: list[list[pa.Table]] = [[], []]
    for label_set in _BITS:
        found = counts(judged, label_set)
        if pairs is not None:
            is_wanted = np.isin(found["model_a"] * len(place) + found["model_b"], wanted)
            found = {name: values[is_wanted] for name, values in found.items()}
        key = {
            "label_set": pa.array(np.full(len(found["images"]), label_set)),
            **{name: names.take(pa.array(found.pop(name))) for name in ("model_a", "model_b")},
        }
        parts[0].append(pa.table({**key, **found}))
        tests = paired.columns(*(found[name] for name in _COUNTS[1:]))
        tests["holm_p"], tests["log10_holm_p"] = paired.holm(tests["log10_mid_p"])
        arrays = {name: pa.array(values, from_pandas=True) for name, values in tests.items()}
        parts[1].append(pa.table({**key, **arrays}))
    return [pa.concat_tables(part) for part in parts]


def cochran_q(judged: Judged) -> tuple[paired.CochranQ, int]:
    """Return Cochran's Q by the ReaL labels, and on how many images: those all are scored on."""
    is_common = judged.is_scored("real").all(axis=0)
    is_right = judged.is_right("real")[:, is_common]
    found = paired.cochran_q(is_right.sum(axis=1), is_right.sum(axis=0))
    return found, int(is_common.sum())


def _products(judged: Judged, label_set: str) -> npt.NDArray[np.int64]:
    """Return counts of images by pair, (3, models, models).

    Both are right; both were scored and the model of the row is right; both were scored. Up to 2^24
    images a float32 counts exactly.
    """
    right, scored = judged.is_right(label_set), judged.is_scored(label_set)
    is_used = scored.any(axis=0)
    missing = is_used & ~scored
    both = _product(right, right)
    if missing.mean() > _FEW:
        return np.stack([both, _product(right, scored), _product(scored, scored)])
    # Where few are missing, the images that both were scored on follow from those that are missing.
    right_of, missing_of = right.T.view(np.uint8).copy(), missing.T.view(np.uint8).copy()
    lost, both_missing = np.empty_like(both), np.empty_like(both)
    for place, row in enumerate(missing):
        at = np.flatnonzero(row)
        lost[:, place] = right_of[at].sum(axis=0, dtype=np.int32)
        both_missing[:, place] = missing_of[at].sum(axis=0, dtype=np.int32)
    number = missing.sum(axis=1)
    scored_by_both = is_used.sum() - number[:, None] - number + both_missing
    return np.stack([both, right.sum(axis=1)[:, None] - lost, scored_by_both])


def _product(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return on how many images a row of each is true, (rows, rows)."""
    found = np.zeros((len(one), len(other)), np.float32)
    for start in range(0, one.shape[1], _BLOCK):
        mine = one[:, start : start + _BLOCK].astype(np.float32)
        # NumPy takes half the time where it sees that both are the same.
        theirs = mine if other is one else other[:, start : start + _BLOCK].astype(np.float32)
        found += mine @ theirs.T
    return found.astype(np.int64)
