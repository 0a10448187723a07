"""Detect the columns of a text without header by their content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..schema import quoting
from ..schema.tables import CLASSES, IMAGES
from . import columns, layout, text
from .options import ReadOptions

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

_WHOLE = r"\s*(\d+)(?:\.0*)?\s*"
# So many columns are ranks. Two columns may be a prediction and the original label.
_RANKED = range(3, CLASSES)


def infer(
    table: duckdb.DuckDBPyRelation, found: layout.Layout, where: str, options: ReadOptions
) -> tuple[duckdb.DuckDBPyRelation, ReadOptions]:
    """Return the table, and the options with the roles for which only one column is possible.

    The user's choices are kept. A file with only labels, or labels by rank, is read as an array:
    the place of a row is its image. Raises DataError if there are image names but no labels.
    """
    if len(found.names) == 1:
        return table, _alone(found, where, options)
    taken = set(options.columns.values())
    cells = {
        name: [_plain(row[place]) for row in found.sample if len(row) == len(found.names)]
        for place, name in enumerate(found.names)
        if name not in taken
    }
    kinds = {name: _kind([cell for cell in each if cell]) for name, each in cells.items()}
    inferred = {}
    if "image" not in options.columns:
        image = _only(kinds, "image") or _image_numbers(cells, kinds)
        if image is not None:
            inferred["image"] = image
            kinds.pop(image)
    if not inferred and "image" not in options.columns and options.columns.keys() <= {"model"}:
        ranked = _ranked(table, kinds, options)
        if ranked is not None:
            return ranked
    if "image" not in {*inferred, *options.columns} and options.order is None:
        _require_whole_names(found, where)
        return table, options
    candidates = [name for name, kind in kinds.items() if kind in ("class", "word")]
    if "label" not in options.columns and len(candidates) == 1:
        inferred["label"] = candidates[0]
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    if "confidence" not in options.columns and len(numbers) == 1:
        inferred["confidence"] = numbers[0]
    return table, replace(options, columns={**inferred, **options.columns})


def _alone(found: layout.Layout, where: str, options: ReadOptions) -> ReadOptions:
    """Return the options for a file with one column: the labels in the order of the images."""
    (name,) = found.names
    first = next((row[0] for row in found.sample if row), "")
    if text.is_image(first):
        raise DataError(
            f"{where} has image names and no labels: its first row is {first!r}",
            file=where,
            column="label",
            value=first,
            remedy="Write the predicted class beside each name",
        )
    _require_whole_names(found, where)
    is_image = found.has_header and name.strip().lower() in columns.NAMES["image"]
    if is_image or options.columns.get("label", name) != name or "image" in options.columns:
        return options
    return _in_place(options, {"label": name})


def _require_whole_names(found: layout.Layout, where: str) -> None:
    """Raise DataError if a cell has more than an image name, such as name->5 or name: 5."""
    cell = next(
        (cell for row in found.sample[:1] for cell in row if text.names_an_image(cell)), None
    )
    if cell is not None:
        raise DataError(
            f"{where}: the cell {cell!r} has more than an image name, but no separator",
            file=where,
            column="image",
            value=cell,
            remedy=f"Use one of these separators: {', '.join(text.SEPARATORS.values())}",
        )


def _in_place(options: ReadOptions, inferred: dict[str, str]) -> ReadOptions:
    order = options.order or _by_file_name
    return replace(options, columns={**options.columns, **inferred}, order=order)


def _by_file_name() -> NDArray[Any]:
    import numpy as np

    return np.arange(1, IMAGES + 1, dtype=np.int32)


def _kind(cells: Sequence[str]) -> str | None:
    """Return the content of cells: image, class, whole, number or word.

    None if they may be row numbers, or are the same in every row.
    """
    if not cells:
        return None
    if all(map(text.is_image, cells)):
        return "image"
    whole = [re.fullmatch(_WHOLE, cell) for cell in cells]
    if all(whole):
        numbers = [int(each[1]) for each in whole if each]
        if len(numbers) > 2 and numbers[0] in (0, 1) and _is_running(numbers):
            return None
        return "class" if max(numbers) < CLASSES else "whole"
    if all(map(text.is_number, cells)):
        return "number"
    return "word" if len(set(cells)) > 1 or len(cells) == 1 else None


def _plain(cell: str) -> str:
    """Return the text of a cell in the form that is read later."""
    is_whole = re.fullmatch(text.SAVETXT, cell) is not None and float(cell).is_integer()
    return str(int(float(cell))) if is_whole else cell.strip()


def _is_running(numbers: Sequence[int]) -> bool:
    return all(number == numbers[0] + place for place, number in enumerate(numbers))


def _only(kinds: dict[str, str | None], kind: str) -> str | None:
    found = [name for name, each in kinds.items() if each == kind]
    return found[0] if len(found) == 1 else None


def _image_numbers(cells: dict[str, list[str]], kinds: dict[str, str | None]) -> str | None:
    """Return the column of image numbers that cannot be classes or row numbers."""
    if "image" in kinds.values():
        return None
    name = _only(kinds, "whole")
    if name is None:
        return None
    numbers = [int(found[1]) for cell in cells[name] if (found := re.fullmatch(_WHOLE, cell))]
    is_image = min(numbers) >= 1 and max(numbers) <= IMAGES and len(set(numbers)) == len(numbers)
    return name if is_image and not _is_running(numbers) else None


def _ranked(
    table: duckdb.DuckDBPyRelation, kinds: dict[str, str | None], options: ReadOptions
) -> tuple[duckdb.DuckDBPyRelation, ReadOptions] | None:
    """Return a table with only classes by rank, or 1,000 confidences, as lists in cells."""
    role = ""
    if len(kinds) in _RANKED and set(kinds.values()) == {"class"}:
        role = "label"
    elif len(kinds) == CLASSES and "number" in kinds.values():
        role = "confidence"
    if not role or set(kinds.values()) - {"class", "number", "whole"}:
        return None
    cells = ", ".join(quoting.identifier(name) for name in kinds)
    kind = "varchar" if role == "label" else "double"
    listed = table.project(f"cast([{cells}] as {kind}[]) as {role}")
    return listed, _in_place(options, {role: role})
