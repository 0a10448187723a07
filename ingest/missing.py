"""The errors for a table of predictions without an image or label column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..schema.tables import CLASSES, IMAGES
from . import image_names, roles
from .options import ReadOptions, Truth
from .series import Found

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

_SHOWN = 8
# Labels that agree with the original ones on a larger share of the images are in the right order.
_MORE_THAN_CHANCE = 0.01


def is_summary(table: duckdb.DuckDBPyRelation) -> bool:
    """Return whether the table has a row a model, as timm's validate.py writes it."""
    names = set(map(roles.normal, table.columns))
    return {"top1", "top5"} <= names or {"top1", "top1err"} <= names


def images(
    table: duckdb.DuckDBPyRelation,
    where: str,
    options: ReadOptions,
    labels: Sequence[Found],
    others: Sequence[str],
) -> DataError:
    """Return the error for a table without an image column.

    It names the columns that count the rows, and the orders in which the labels agree with the
    original labels.
    """
    if is_summary(table):
        return DataError(
            f"{where} has no predictions: it has one row for each model, like the summary that "
            "timm's validate.py writes",
            remedy="Write the predictions with timm's inference.py --include-index "
            "--results-format parquet",
        )
    from . import contents

    single = [Found(name, (name,)) for name in others]
    single += [found for found in labels if not found.is_by_class]
    kinds = contents.kinds(table, [found.columns[0] for found in single], {})
    whole = [found for found in single if kinds[found.columns[0]] == contents.CLASS_IDS]
    ids = dict(zip(map(str, whole), contents.class_ids(table, whole, {}), strict=True))
    starts = {name: contents.running_from(each) for name, each in ids.items()}
    counting = {n: start for n, start in starts.items() if start is not None and len(ids[n]) > 1}
    text = f"{where} has no image column"
    for name, start in counting.items():
        text += f"; the column {name!r} only counts the rows from {start}"
    rows = len(next(iter(ids.values()))) if ids else None
    if not counting and rows != IMAGES:
        return DataError(
            text,
            column="image",
            parameter="columns",
            remedy=f"{_columns(table)}. realdb recognises names such as "
            f"{', '.join(roles.SHOWN['image'])}; choose another column with "
            '`columns={"image": "NAME"}`',
        )
    remedy = "Write the name of each image beside its prediction"
    named = [found for found in whole if found in labels]
    left = [found for found in named or whole if str(found) not in counting]
    if rows == IMAGES:
        remedy = _orders(left, ids, options.truth())
    first = next(iter(counting), None)
    return DataError(
        text,
        column="image",
        value=first,
        count=rows,
        parameter="order" if rows == IMAGES else None,
        remedy=remedy + (f". The label column is {str(left[0])!r}" if len(left) == 1 else ""),
    )


def _orders(labels: Sequence[Found], ids: Mapping[str, NDArray[Any]], truth: Truth | None) -> str:
    """Return the remedy: the orders in which a label column agrees with the original labels."""
    possible = ["file-name", "class-folder"]
    if truth is not None and labels:
        possible = [
            name
            for name, original in _in_orders(truth).items()
            if any(
                (ids[str(found)] == original).mean() > 0.01 for found in labels if str(found) in ids
            )
        ]
        if not possible:
            return (
                "The labels do not agree with the original labels, neither in file-name order nor "
                "in class-folder order. Write the name of each image beside its prediction, or "
                'pass a file that lists the images: `order="FILE"`'
            )
    if len(possible) == 1:
        return f'The rows are in {possible[0]} order: `order="{possible[0]}"`'
    return "If the rows are in a known order, choose it: " + " or ".join(
        f'`order="{name}"`' for name in possible
    )


def _in_orders(truth: Truth) -> dict[str, NDArray[Any]]:
    """Return the original labels in each order. Class ids sort like WordNet ids."""
    import numpy as np

    original = truth.original[1:]
    return {"file-name": original, "class-folder": np.sort(original, kind="stable")}


def label(
    table: duckdb.DuckDBPyRelation,
    where: str,
    held: Mapping[str, str] | None = None,
) -> DataError:
    """Return the error for a table without a label column; `held` is the content of each column."""
    names = set(map(roles.normal, table.columns))
    seems = "; ".join(
        f"{name!r} contains {what}" for name, what in list((held or {}).items())[:_SHOWN]
    )
    remedy = (
        f"{_columns(table)}. realdb recognises names such as {', '.join(roles.SHOWN['label'])}; "
        'choose another column with `columns={"label": "NAME"}`'
    )
    if names & {"prob", "logit", "prob0", "logit0"}:
        remedy += ". timm's inference.py writes the classes with --include-index"
    return DataError(
        f"{where} has no label column{f': {seems}' if seems else ''}",
        column="label",
        parameter="columns",
        remedy=remedy,
    )


def choice(table: duckdb.DuckDBPyRelation, where: str, role: str, name: str) -> DataError:
    """Return the error for a chosen column that does not exist."""
    return DataError(
        f"{where} has no column {name!r}",
        column=role,
        value=name,
        parameter="columns",
        remedy=_columns(table),
    )


def header(table: duckdb.DuckDBPyRelation, where: str) -> DataError:
    """Return the error for a table whose column names are the first row of the data."""
    return DataError(
        f"{where} has no header: its column names {', '.join(table.columns[:_SHOWN])} are the "
        "first prediction",
        column="image",
        value=next(filter(image_names.is_file_name, table.columns), None),
        parameter="columns",
        remedy="Write a header line with the names of the columns, such as file_name,label",
    )


def too_many(names: Sequence[str], where: str) -> DataError:
    """Return the error for a table with more columns than any head has classes."""
    return DataError(
        f"{where} has {len(names):,} columns. Predictions have a few columns, or one for each of "
        f"the {CLASSES:,} classes",
        count=len(names),
        remedy="Write a row for each image",
    )


def _columns(table: duckdb.DuckDBPyRelation) -> str:
    more = ", …" if len(table.columns) > _SHOWN else ""
    return f"Its columns are: {', '.join(table.columns[:_SHOWN])}{more}"
