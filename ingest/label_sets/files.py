"""The files of published label sets, read as JSON or CSV with clear refusals."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ...errors import DataError
from ..known import SourceFile, refusal

_REMEDY = "Download it again; or name the right file with `source=FILE`"


def refusing(file: SourceFile) -> Callable[..., DataError]:
    """Return what makes the error for a file that is not as it was published."""

    def refuse(text: str, **fields: Any) -> DataError:
        error = refusal(file.path, text, **{"remedy": _REMEDY, **fields})
        error.file = file.origin
        return error

    return refuse


def read_json(file: SourceFile) -> Any:
    """Return the content of a JSON file; DataError where it is none, or repeats a name."""
    return decoded(file.path.read_bytes(), refusing(file))


def decoded(content: bytes, refuse: Callable[..., DataError]) -> Any:
    """Return what a JSON text holds; what `refuse` makes where it is none, or repeats a name."""
    try:
        text = content.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=partial(_unique, refuse))
    except json.JSONDecodeError as error:
        raise refuse(
            f"it is no JSON, or cut short: {error.msg} in line {error.lineno}", row=error.lineno
        ) from None
    except (ValueError, RecursionError) as error:
        raise refuse(f"it is no JSON: {error}") from None


def read_json_lines(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the object of each line; DataError where one is no object."""
    refuse = refusing(file)
    try:
        with file.path.open(encoding="utf-8-sig") as lines:
            for row, line in enumerate(lines, 1):
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise refuse(f"line {row} is no JSON object", row=row, value=line[:80].strip())
                yield row, found
    except (ValueError, RecursionError) as error:
        raise refuse(f"a line is no JSON object, or cut short: {error}") from None


def read_csv(file: SourceFile, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the row from 1, and its cells; DataError where a column or a cell is missing."""
    refuse = refusing(file)
    try:
        with file.path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise refuse(
                    f"it has no column {missing[0]!r}; its columns are "
                    f"{', '.join(map(repr, rows.fieldnames or ())) or 'none'}",
                    column=missing[0],
                    count=len(missing),
                )
            for row, cells in enumerate(rows, 1):
                if None in cells or None in cells.values():
                    raise refuse(f"row {row} has another number of cells than the header", row=row)
                yield row, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise refuse(f"it is no CSV in UTF-8: {error}") from None


def _unique(refuse: Callable[..., DataError], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise refuse(
            f"an object has {repeated!r} more than once",
            value=repeated,
            count=len(pairs) - len(found),
        )
    return found
