"""Find the best classes of each image from its confidences for all 1,000 classes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..schema.tables import CLASSES

if TYPE_CHECKING:
    import duckdb

TOP = 5
# Rows in a block: 1 MB of float32 fits into a core's cache.
BLOCK = 256
# NumPy releases the GIL while it compares. A third of the time is reading, in one thread at a time.
THREADS = 2


def top_k(
    blocks: Iterable[npt.NDArray[np.floating[Any]]],
    k: int,
    where: str,
    threads: int = THREADS,
    image_of: Callable[[int], object] | None = None,
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float64]]:
    """Return the `k` highest values of each row of all `blocks`, highest first.

    Class ids are int16 and their logits float64, both (n, k). One thread at a time fetches a block.
    Blocks are changed, and must not share memory with other arrays. `image_of` returns the image of
    a row from 0, for messages.

    If logits are equal, the lower class id ranks first. Raises DataError if a logit is NaN, and
    every error of `blocks`.
    """
    turns = enumerate(blocks)
    turn = threading.Lock()
    tops: dict[int, tuple[npt.NDArray[np.int16], npt.NDArray[np.float64]]] = {}
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not errors:
                with turn:
                    item = next(turns, None)
                if item is None:
                    return
                number, block = item
                tops[number] = _top_k_of(_native(block), k)
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=work) for _ in range(threads - 1)]
    for other in others:
        other.start()
    work()
    for other in others:
        other.join()
    if errors:
        raise errors[0]
    found = [tops[number] for number in sorted(tops)]
    labels = np.concatenate([np.empty((0, k), np.int16), *(top for top, _ in found)])
    values = np.concatenate([np.empty((0, k)), *(picked for _, picked in found)])
    unknown = np.flatnonzero(np.isnan(values[:, 0]))
    if len(unknown):
        image = f", image {image_of(int(unknown[0]))}," if image_of else ""
        raise DataError(
            f"{where}: the logit of class {labels[unknown[0], 0]} in row {unknown[0] + 1}{image} "
            f"is NaN ({len(unknown):,} of {len(labels):,} rows have NaN; row 1 is the first row)",
            row=int(unknown[0]) + 1,
            column="confidence",
            value="nan",
            count=len(unknown),
            remedy="Compute the predictions of these images again",
        )
    return labels, values


def _native(block: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Return the block in a form for fast comparison: not float16, native byte order, C order."""
    wide = np.float32 if block.dtype.itemsize == 2 else block.dtype.newbyteorder("=")
    return np.ascontiguousarray(block, wide)


def _top_k_of(
    left: npt.NDArray[np.floating[Any]], k: int
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float64]]:
    """Return the k highest values of each row. k calls of argmax are faster than a partition.

    argmax returns the first of equal values, and NaN before all others. Each value that was found
    becomes minus infinity in `left`, which must be C-contiguous.
    """
    flat = left.reshape(-1)
    starts = np.arange(0, left.size, left.shape[1])
    labels = np.empty((len(left), k), np.int16)
    values = np.empty((len(left), k), np.float64)
    for rank in range(k):
        highest = left.argmax(axis=1)
        taken = starts + highest
        labels[:, rank] = highest
        values[:, rank] = flat[taken]
        flat[taken] = -np.inf
    # If a row has only minus infinity left, argmax may return a class again. These rows are
    # restored, in reverse order, and sorted.
    unclear = np.flatnonzero((values[:, -1] == -np.inf) & ~np.isnan(values[:, 0]))
    if len(unclear):
        left[unclear[:, None], labels[unclear, ::-1]] = values[unclear, ::-1]
        order = np.argsort(-left[unclear], axis=1, kind="stable")[:, :k]
        labels[unclear] = order
        values[unclear] = np.take_along_axis(left[unclear], order, axis=1)
    return labels, values


def require_classes(columns: int, where: str, remedy: str, row: int | None = None) -> None:
    """Refuse a head with another number of classes; `remedy` drops the first of 1,001."""
    if columns == CLASSES:
        return
    if columns == CLASSES + 1:
        advice = f"A head of 1,001 classes has the background class first. Drop it: {remedy}"
    elif columns > CLASSES:
        advice = (
            "This looks like a head of ImageNet-21k: select the 1,000 classes of ILSVRC 2012 first"
        )
    else:
        advice = "With --include-index, timm's inference.py also writes the classes"
    raise DataError(
        f"{where} has {columns:,} confidences for each image; {CLASSES:,} are needed",
        row=row,
        column="confidence",
        count=columns,
        remedy=advice,
    )


def of_table(
    con: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, where: str
) -> duckdb.DuckDBPyRelation:
    """Return the ranks 1-5 of `relation`, whose `confidence` is a list with a number a class.

    Raises DataError if a list does not have 1,000 numbers, or one of them is NaN.
    """
    import pyarrow as pa

    kind = str(relation.types[relation.columns.index("confidence")])
    # Cast by way of text only if the type requires it, because that takes many times as long.
    is_number = kind.startswith(("FLOAT", "DOUBLE"))
    numbers = "confidence" if is_number else "cast(confidence as varchar[])"
    rows = relation.project(
        f"cast(model as varchar) as model, image, try_cast({numbers} as double[]) as confidence"
    )
    heads: list[pa.RecordBatch] = []

    def blocks() -> Iterable[npt.NDArray[np.float64]]:
        first = 1
        for batch in reader:
            lists = batch.column("confidence")
            lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
            wrong = np.flatnonzero(lengths != CLASSES)
            if len(wrong):
                row = int(first + wrong[0])
                where_row = f"{where}: row {row}"
                if lengths[wrong[0]]:
                    remedy = "write the file again with [1:] of each row"
                    require_classes(int(lengths[wrong[0]]), where_row, remedy, row=row)
                raise DataError(
                    f"{where_row} has confidences that are not numbers",
                    row=row,
                    column="confidence",
                )
            heads.append(batch.select(["model", "image"]))
            first += len(lists)
            values = lists.flatten().to_numpy(zero_copy_only=False)  # NULL becomes NaN
            yield values.reshape(-1, CLASSES).copy()  # Arrow's memory must not be changed

    def image_of(row: int) -> object:
        return pa.Table.from_batches(heads)["image"][row].as_py()

    # Always closed, because a partly read result blocks the connection.
    with rows.to_arrow_reader(BLOCK) as reader:
        labels, values = top_k(blocks(), TOP, where, image_of=image_of)
    head = pa.Table.from_batches(heads) if heads else pa.table({"model": [], "image": []})
    several = np.repeat(np.arange(len(labels)), TOP)
    ranks = np.tile(np.arange(1, TOP + 1, dtype=np.int16), len(labels))
    return con.from_arrow(
        head.take(several)
        .append_column("rank", pa.array(ranks))
        .append_column("label", pa.array(labels.ravel()))
        .append_column("confidence", pa.array(values.ravel()))
    )
