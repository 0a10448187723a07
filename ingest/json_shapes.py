"""Find the predictions in a JSON value, and convert them to one table.

Supported shapes are records; columns, as lists or keyed by row (pandas' orients); rows without
names; an object keyed by image; and an array with a value for each of the 50,000 images. Each may
be a member of objects with metadata. `json_choices` and `json_nested` read the values of an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DataError, counted
from . import coco, columns, image_names, json_choices, json_nested, json_parts, mlperf
from .json_choices import Columns
from .options import ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 8
# Records may leave keys out, but a tenth of the cells of their table must be filled.
_SPARSE = 10
_SPARE_CELLS = 1_000_000


def table(value: Any, where: str, options: ReadOptions) -> pa.Table:
    """Return the predictions in `value`, which is parsed JSON with its numbers as text.

    The columns are texts or lists of texts. They are called image, label and confidence if the
    shape determines these, else they keep their names. Raises DataError if there are no
    predictions, or if several parts of the value could be the predictions.
    """
    if isinstance(value, list):
        found = _of_list(value, where, options)
    elif isinstance(value, dict):
        found = _of_object(value, where, options)
    else:
        raise DataError(
            f"{where} is JSON, but not an object or a list",
            value=value,
            remedy="Write a list with an object for each prediction",
        )
    return _to_arrow(json_nested.flattened(found, where, options), where)


def _of_object(value: dict[str, Any], where: str, options: ReadOptions) -> Columns:
    if not value:
        raise _without_rows(where)
    if value.keys() >= {"columns", "data"} and not json_parts.is_split(value) and len(value) <= 3:
        raise DataError(
            f"{where}: 'columns' and 'data' must both be lists",
            remedy="Write the file with pandas' to_json(orient='split')",
        )
    surest = json_parts.surest(value)
    if len(surest) > 1:
        names = ", ".join(repr(part.name) for part in surest[:_SHOWN])
        raise DataError(
            f"{where} has {len(surest)} parts that could be the predictions: {names}",
            value=surest[0].name,
            count=len(surest),
            remedy="Write the part with the predictions to a separate file",
        )
    if surest:
        return _read(surest[0], where, options)
    if not any(isinstance(member, list | dict) for member in value.values()) and all(
        _is_file(key) for key in value
    ):
        return _of_map(value, where, options)
    names = ", ".join(map(repr, list(value)[:_SHOWN]))
    raise DataError(
        f"{where} has no predictions: none of its {len(value):,} keys is an image name, and none "
        "of its values is a list of records, columns or a list with a value for each image",
        count=len(value),
        value=next(iter(value)),
        remedy=f"Its keys are {names}. Write a list with an object for each prediction",
    )


def _read(part: json_parts.Part, where: str, options: ReadOptions) -> Columns:
    """Return the columns of the part that holds the predictions."""
    if part.kind == "list":
        return _of_list(part.value, where, options)
    if part.kind == "map":
        return _of_map(part.value, where, options)
    if part.kind == "columns":
        return _of_columns(part.value, part.members, where)
    if part.kind == "split":
        return _split(part.value, where)
    if part.kind == "coco":
        return coco.read(part.value, part.members[0], where)
    return records([part.value], where)


def _of_columns(value: Mapping[str, Any], group: Sequence[str], where: str) -> Columns:
    """Return the columns that are lists, or objects keyed by row or image."""
    members = {key: value[key] for key in group}
    first = members[group[0]]
    if isinstance(first, list):
        return dict(members)
    wrong = [key for key, member in members.items() if member.keys() != first.keys()]
    if wrong or any(tuple(member) != tuple(first) for member in members.values()):
        raise DataError(
            f"the columns of {where} do not have the same rows in the same order",
            column=(wrong or list(group))[-1],
            count=len(wrong) or len(group),
            remedy="Write the predictions as one list of records",
        )
    found = {key: list(member.values()) for key, member in members.items()}
    return {"image": list(first), **found} if json_parts.is_image(next(iter(first))) else found


def _of_list(rows: list[Any], where: str, options: ReadOptions) -> Columns:
    if not rows:
        raise _without_rows(where)
    first = rows[0]
    if (
        isinstance(first, list)
        and first
        and isinstance(first[0], dict)
        and json_parts.names_image(first[0])
    ):
        return _of_list(_joined(rows, where), where, options)  # a list for each batch
    if isinstance(first, list) and json_parts.is_image(next(iter(first), None)):
        return _of_rows(rows, where, options)
    if not isinstance(first, dict) or (
        not json_parts.names_image(first) and json_choices.are_scores_by_class(rows)
    ):
        return _of_array(rows, where, options)
    wrong = [number for number, row in enumerate(rows, 1) if not isinstance(row, dict)]
    if wrong:
        raise DataError(
            f"{where}: {len(wrong):,} of {len(rows):,} records are not objects (first: row "
            f"{wrong[0]})",
            row=wrong[0],
            value=rows[wrong[0] - 1],
            count=len(wrong),
            remedy="Write each prediction as an object with the name of its image",
        )
    if mlperf.is_log(first):
        return mlperf.read(rows, where, options)
    if json_parts.is_image(next(iter(first), None)):  # an object keyed by image for each batch
        return _of_map(_merged(rows, where), where, options)
    return records(rows, where)


def _joined(rows: list[Any], where: str) -> list[Any]:
    wrong = [number for number, row in enumerate(rows, 1) if not isinstance(row, list)]
    if wrong:
        raise DataError(
            f"{where} is a list of lists of records, but "
            f"{counted(len(wrong), 'row is not a list', 'rows are not lists')} "
            f"(first: row {wrong[0]})",
            row=wrong[0],
            value=str(rows[wrong[0] - 1])[:80],
            count=len(wrong),
        )
    return [record for row in rows for record in row]


def _merged(rows: list[dict[str, Any]], where: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for number, row in enumerate(rows, 1):
        twice = merged.keys() & row.keys()
        if twice:
            name = next(key for key in row if key in twice)
            raise DataError(
                f"{where}: image {name!r} occurs in several objects (second: row {number})",
                row=number,
                column="image",
                value=name,
                count=len(twice),
                remedy="Write each image once",
            )
        merged |= row
    return merged


def _of_array(rows: list[Any], where: str, options: ReadOptions) -> Columns:
    """Return the columns of a list with a value for each of the 50,000 images."""
    if any(map(json_parts.is_image, rows[: json_parts.LOOKED_AT])):
        raise DataError(
            f"{where} is a list of image names without predictions",
            value=rows[0],
            count=len(rows),
            remedy="Write a list with an object for each prediction",
        )
    images = options.images_of(len(rows), where)
    found = json_choices.of(rows, where, options)
    if found is None:
        raise _unclear(rows[0], 1, where)
    return {"image": images.tolist(), **found}


def _of_rows(rows: list[Any], where: str, options: ReadOptions) -> Columns:
    """Return the columns of rows [image, label], [image, label, score] or [image, choices]."""
    width = len(rows[0])
    wrong = [
        number
        for number, row in enumerate(rows, 1)
        if not isinstance(row, list) or len(row) != width
    ]
    if wrong:
        raise DataError(
            f"{where}: {len(wrong):,} of {len(rows):,} rows do not have {width} values like row 1 "
            f"(first: row {wrong[0]})",
            row=wrong[0],
            value=str(rows[wrong[0] - 1])[:80],
            count=len(wrong),
        )
    images = [row[0] for row in rows]
    if width == 3 and all(isinstance(row[1], list) and isinstance(row[2], list) for row in rows):
        return {"image": images, "label": [r[1] for r in rows], "confidence": [r[2] for r in rows]}
    rest = [row[1] if width == 2 else row[1:] for row in rows]
    found = json_choices.of(rest, where, options) if width > 1 else None
    if found is None:
        raise _unclear(rows[0], 1, where)
    if width > 2 and set(found) == {"label"} and not (width > 3 and _are_distinct(rest)):
        raise DataError(
            f"{where} has rows with {width} values without names, and several of them could be "
            "the label",
            column="label",
            row=1,
            value=str(rows[0])[:80],
            count=len(rows),
            remedy="Write an object for each prediction, or use pandas' to_json(orient='split')",
        )
    return {"image": images, **found}


def _are_distinct(rows: Sequence[list[Any]]) -> bool:
    """Return whether no row has a value twice: ranks never do, but a label and a prediction may."""
    return all(len(set(map(str, row))) == len(row) for row in rows)


def _of_map(value: Mapping[str, Any], where: str, options: ReadOptions) -> Columns:
    """Return the columns of an object keyed by image, or by row if its records have image names."""
    images, held = list(value), list(value.values())
    if not all(isinstance(each, dict) for each in held) or json_choices.are_scores_by_class(held):
        found = json_choices.of(held, where, options)
        if found is None:
            raise _unclear(held[0], 1, where)
        return {"image": images, **found}
    found = records(held, where)
    named = [name for name, values in found.items() if json_parts.is_image(values[0])]
    known = [name for name in found if name.strip().lower() in columns.NAMES["image"]]
    if named and not json_parts.is_image(images[0]):
        return found  # pandas numbers the rows
    numbers = list(map(image_names.number, images))
    for name in {*named, *known}:
        if list(map(image_names.number, found[name])) == numbers:
            del found[name]
    return {"image": images, **found}


def records(rows: list[dict[str, Any]], where: str) -> Columns:
    """Return records as columns. A missing key is None."""
    names: dict[str, None] = {}
    for row in rows:
        names |= dict.fromkeys(row)
    cells = sum(map(len, rows))
    if len(names) * len(rows) > _SPARSE * cells + _SPARE_CELLS:
        raise DataError(
            f"{where}: the {len(rows):,} records have {len(names):,} different keys, but a record "
            f"has only {cells / len(rows):.0f} of them on average",
            count=len(names),
            remedy="Write records with the same keys",
        )
    return {name: [row.get(name) for row in rows] for name in names}


def _split(value: Mapping[str, Any], where: str) -> Columns:
    """Return the columns of pandas' orient="split": names of columns, and rows of values."""
    names, data = value["columns"], value["data"]
    wrong = [
        row
        for row, cells in enumerate(data, 1)
        if not isinstance(cells, list) or len(cells) != len(names)
    ]
    if wrong:
        raise DataError(
            f"{where}: {len(wrong):,} of {len(data):,} rows of 'data' do not have a value for each "
            f"of the {len(names):,} 'columns' (first: row {wrong[0]})",
            row=wrong[0],
            count=len(wrong),
        )
    if not data:
        raise _without_rows(where)
    columns.require_distinct([str(name) for name in names], where)
    found = dict(zip(map(str, names), map(list, zip(*data, strict=True)), strict=True))
    index = value.get("index")
    if isinstance(index, list) and len(index) == len(data) and json_parts.is_image(index[0]):
        return {"image": index, **found}
    return found


def _is_file(key: str) -> bool:
    return key.strip().lower().endswith((".jpeg", ".jpg", ".png", ".webp", ".bmp"))


def _without_rows(where: str) -> DataError:
    return DataError(f"{where} has no rows, and therefore no predictions", count=0)


def _unclear(value: Any, row: int, where: str) -> DataError:
    return DataError(
        f"{where}: row {row} is not a prediction in a supported form",
        row=row,
        column="label",
        value=str(value)[:80],
        remedy="Write for each image a class id, a list of class ids by rank, or a list of "
        '{"label": …, "score": …}',
    )


def _to_arrow(found: Columns, where: str) -> pa.Table:
    """Return a table whose columns are texts, or lists of texts if a column holds lists."""
    import pyarrow as pa

    if not found:
        raise _without_rows(where)
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{where} has columns of different lengths: {lengths}", count=len(lengths))
    columns.require_distinct(list(found), where)
    arrays = {}
    for name, values in found.items():
        several = sum(isinstance(value, list) for value in values)
        if several and several < len(values):
            row = next(n for n, value in enumerate(values, 1) if not isinstance(value, list))
            raise DataError(
                f"{where}: {name!r} is a list in some rows, but not in {len(values) - several:,} "
                f"others (first: row {row})",
                row=row,
                column=name,
                value=values[row - 1],
                count=len(values) - several,
            )
        try:
            arrays[name] = pa.array(values, pa.list_(pa.string()) if several else pa.string())
        except pa.ArrowException:  # some values are not texts
            arrays[name] = (
                pa.array(
                    [list(map(json_nested.text, each)) for each in values], pa.list_(pa.string())
                )
                if several
                else pa.array(list(map(json_nested.text, values)), pa.string())
            )
    return pa.table(arrays)
