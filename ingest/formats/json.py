"""JSON: records, columns and data, or an object keyed by file name; see also `jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError
from .. import columns
from ..options import ReadOptions
from . import arrow

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def read(
    con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
) -> duckdb.DuckDBPyRelation:
    """Read what pandas' to_json and json.dump write of predictions.

    A list of records; pandas' `split`; an object from file name to class id, or from file name to
    a record (pandas' `index`, timm's json). Raises DataError where it is no JSON, or none of these.
    """
    try:
        held = parse(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}", file=path) from None
    return arrow.select(con, _table(held, str(path)), str(path), options)


def parse(text: str) -> Any:
    """Return the value that `text` is; ValueError where a key of an object occurs twice."""
    # Numbers stay text: what they mean is decided later, for all formats alike.
    return json.loads(text, object_pairs_hook=_distinct, parse_float=str, parse_int=str)


def from_records(records: Iterable[object], where: str) -> pa.Table:
    """Return records, a dict a row, as a table of texts and lists of texts."""
    rows = list(records)
    wrong = [number for number, row in enumerate(rows, 1) if not isinstance(row, dict)]
    if wrong:
        raise DataError(
            f"{where}: {len(wrong):,} of {len(rows):,} records are no objects, the first in row "
            f"{wrong[0]}",
            row=wrong[0],
            value=rows[wrong[0] - 1],
            count=len(wrong),
            remedy="An array has no image names: save it with numpy.save, or name the images",
        )
    if not rows:
        raise DataError(f"{where} has no rows and so no predictions", count=0)
    names: dict[str, None] = {}
    for row in rows:
        names |= dict.fromkeys(row)  # type: ignore[call-overload]
    return _from_columns({name: [row.get(name) for row in rows] for name in names}, where)  # type: ignore[attr-defined]


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(members)
    if len(held) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in held if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} occurs twice in one object")
    return held


def _table(held: Any, where: str) -> pa.Table:
    if isinstance(held, list):
        return from_records(held, where)
    if not isinstance(held, dict):
        raise DataError(
            f"{where} is JSON, but neither an object nor a list of objects",
            value=held,
            remedy="Write a list with an object for each prediction",
        )
    if not held:
        return from_records([], where)
    if set(held) >= {"columns", "data"}:
        return _split(held["columns"], held["data"], where)
    if set(map(str.lower, held)) & set(columns.NAMES["image"]):
        if all(isinstance(value, dict) for value in held.values()):  # pandas' own: by column
            if len({tuple(value) for value in held.values()}) > 1:
                raise DataError(
                    f"the columns of {where} do not have the same rows in the same order",
                    count=len(held),
                )
            return _from_columns({name: list(held[name].values()) for name in held}, where)
        return from_records([held], where)
    if all(isinstance(value, dict) for value in held.values()):
        table = from_records(held.values(), where)
    else:
        table = _from_columns({"label": list(held.values())}, where)
    import pyarrow as pa

    return table.append_column("image", pa.array(list(held), pa.string()))


def _split(names: Any, data: Any, where: str) -> pa.Table:
    if not isinstance(names, list) or not isinstance(data, list):
        raise DataError(
            f"{where}: 'columns' and 'data' are not both lists",
            remedy="pandas writes them with to_json(orient='split')",
        )
    wrong = [
        row
        for row, cells in enumerate(data, 1)
        if not isinstance(cells, list) or len(cells) != len(names)
    ]
    if wrong:
        raise DataError(
            f"{where}: {len(wrong):,} of {len(data):,} rows of 'data' do not have a value for each "
            f"of the {len(names):,} 'columns', the first is row {wrong[0]}",
            row=wrong[0],
            count=len(wrong),
        )
    columns.require_distinct([str(name) for name in names], where)
    return _from_columns(
        {str(name): [row[place] for row in data] for place, name in enumerate(names)}, where
    )


def _from_columns(held: Mapping[str, list[Any]], where: str) -> pa.Table:
    """Return a table of texts; of lists of texts where a column holds lists."""
    import pyarrow as pa

    arrays = {}
    for name, values in held.items():
        lists = [isinstance(value, list) for value in values]
        if any(lists):
            if not all(lists):
                raise DataError(
                    f"{where}: {name!r} is a list in some rows and none in others, such as row "
                    f"{lists.index(False) + 1}",
                    row=lists.index(False) + 1,
                    column=name,
                    value=values[lists.index(False)],
                    count=lists.count(False),
                )
            texts = [list(map(_text, value)) for value in values]
            arrays[name] = pa.array(texts, pa.list_(pa.string()))
        else:
            arrays[name] = pa.array(list(map(_text, values)), pa.string())
    columns.require_distinct(list(arrays), where)
    return pa.table(arrays)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
