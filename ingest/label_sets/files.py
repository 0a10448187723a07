"""Read the JSON and CSV files of published label sets, and refuse invalid ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ...errors import DataError
from ..known import SourceFile, refusal

_REMEDY = "Download it again, or pass the right file with `source=FILE`"


def refusing(file: SourceFile) -> Callable[..., DataError]:
    """Return a function that makes the error for an invalid file."""

    def refuse(text: str, **fields: Any) -> DataError:
        error = refusal(file.path, text, **{"remedy": _REMEDY, **fields})
        error.file = file.origin
        return error

    return refuse


def read_json(file: SourceFile) -> Any:
    """Return the content of a JSON file; DataError if it is invalid or repeats a name."""
    return decoded(file.path.read_bytes(), refusing(file))


def decoded(content: bytes, refuse: Callable[..., DataError]) -> Any:
    """Return the content of a JSON text. Raise `refuse(…)` if it is invalid or repeats a name."""
    try:
        text = content.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=partial(_unique, refuse))
    except json.JSONDecodeError as error:
        raise refuse(
            f"it is not valid JSON, or is cut short: {error.msg} in line {error.lineno}",
            row=error.lineno,
        ) from None
    except (ValueError, RecursionError) as error:
        raise refuse(f"it is not valid JSON: {error}") from None


def read_json_lines(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the object of each line; DataError if a line is not an object."""
    refuse = refusing(file)
    try:
        with file.path.open(encoding="utf-8-sig") as lines:
            for row, line in enumerate(lines, 1):
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise refuse(
                        f"line {row} is not a JSON object", row=row, value=line[:80].strip()
                    )
                yield row, found
    except (ValueError, RecursionError) as error:
        raise refuse(f"a line is not a JSON object, or is cut short: {error}") from None


def read_csv(file: SourceFile, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the row number, from 1, and the cells; DataError if a column or cell is missing."""
    refuse = refusing(file)
    try:
        with file.path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise refuse(
                    f"it has no column {missing[0]!r}. Its columns are "
                    f"{', '.join(map(repr, rows.fieldnames or ())) or 'none'}",
                    column=missing[0],
                    count=len(missing),
                )
            for row, cells in enumerate(rows, 1):
                if None in cells or None in cells.values():
                    raise refuse(
                        f"row {row} and the header have different numbers of cells", row=row
                    )
                yield row, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise refuse(f"it is not a CSV file in UTF-8: {error}") from None


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
