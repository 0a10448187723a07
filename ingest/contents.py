"""Detect the content of columns: images, classes, row numbers, or other values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..schema import quoting
from ..schema.tables import CLASSES, IMAGES
from . import image_names
from .series import Found

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

IMAGE_NAMES = "image names"
CLASS_IDS = "class ids"
CLASS_NAMES = "class names"
NUMBERS = "numbers"
TEXT = "text"
NOTHING = "nothing"

# The number of first rows that are read to detect the content.
_PEEK = 256
# The share of the cells that must have the detected content.
_MOST_CELLS = 0.9
# The share for names of classes, because not all spellings are known.
_MOST_WORDS = 0.5
_INTEGERS = ("tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger")
_NESTED = ("list", "array")
# The first class id of a cell: alone, in a list, or inside of printed text such as tensor(394).
_ID = r"""^[\s\["'(]*(?:LABEL_|tensor\()?(\d+)(?:\.0*)?(?:[\s,\])"'].*)?$"""
# The first text of a cell.
_WORD = r"""^[\s\[(]*(?:'([^']*)'|"([^"]*)").*$"""
_INTEGER = r"^[ \t]*(\d+)(?:\.0*)?[ \t]*$"
_IMAGE = re.compile(image_names.PATTERN + r"\Z")


def kinds(
    table: duckdb.DuckDBPyRelation, names: Sequence[str], words: Mapping[str, int]
) -> dict[str, str]:
    """Return the content of each column, detected from the first rows."""
    if not names:
        return {}
    rows = table.project(", ".join(_first(table, name) for name in names)).limit(_PEEK).fetchall()
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return {name: _kind(cells, words) for name, cells in zip(names, columns, strict=True)}


def _kind(cells: Iterable[Any], words: Mapping[str, int]) -> str:
    texts = [str(cell) for cell in cells if cell is not None]
    if not texts:
        return NOTHING
    if _holds(texts, lambda text: _IMAGE.search(text)):
        return IMAGE_NAMES
    if _holds(texts, lambda text: (found := re.match(_ID, text)) and int(found[1]) < CLASSES):
        return CLASS_IDS
    if words and _holds(texts, lambda text: _word(text) in words, _MOST_WORDS):
        return CLASS_NAMES
    return NUMBERS if _holds(texts, _is_number) else TEXT


def _holds(texts: Sequence[str], test: Any, part: float = _MOST_CELLS) -> bool:
    return sum(bool(test(text)) for text in texts) >= part * len(texts)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _word(text: str) -> str:
    found = re.match(_WORD, text) if text[:1] in "['\"( " else None
    return (found[1] or found[2] or "") if found else text.strip()


def class_ids(
    table: duckdb.DuckDBPyRelation, columns: Sequence[Found], words: Mapping[str, int]
) -> list[NDArray[np.int64]]:
    """Return the class of each row for each of `columns`; for a series of ranks, of the first rank.

    -1 means no class. For confidences by class only the first rows are read.
    """
    firsts = [_first(table, found.columns[0]) for found in columns if not found.is_by_class]
    texts = {}
    if firsts:
        numbers = [
            f"try_cast(regexp_extract({first}, {quoting.literal(_ID)}, 1) as bigint) as i{place}"
            for place, first in enumerate(firsts)
        ]
        texts = table.project(", ".join(numbers)).fetchnumpy()
    found_ids = []
    place = 0
    for found in columns:
        if found.is_by_class:
            found_ids.append(_highest(table, found))
            continue
        ids = _filled(texts[f"i{place}"])
        if words and not (ids >= 0).any():
            cells = table.project(f"{firsts[place]} as cell").fetchnumpy()["cell"]
            ids = np.array([_known(cell, words) for cell in cells], np.int64)
        # Numbers that are not class ids are kept, because row numbers are larger.
        found_ids.append(ids)
        place += 1
    return found_ids


def _known(cell: object, words: Mapping[str, int]) -> int:
    return words.get(_word(cell), -1) if isinstance(cell, str) else -1


def _highest(table: duckdb.DuckDBPyRelation, found: Found) -> NDArray[np.int64]:
    cells = ", ".join(
        f"try_cast({quoting.identifier(name)} as double) as c{place}"
        for place, name in enumerate(found.columns)
    )
    rows = table.project(cells).limit(_PEEK).fetchnumpy()
    values = np.stack([np.ma.filled(rows[f"c{k}"], -np.inf) for k in range(len(found.columns))], 1)
    return values.argmax(axis=1).astype(np.int64) if len(values) else np.empty(0, np.int64)


def image_numbers(table: duckdb.DuckDBPyRelation, name: str) -> NDArray[np.int64]:
    """Return the image number of each row; 0 if it has none."""
    text = f"cast({quoting.identifier(name)} as varchar)"
    patterns = (image_names.PATTERN + "$", _INTEGER)
    found = ", ".join(
        f"try_cast(regexp_extract({text}, {quoting.literal(pattern)}, 1) as integer)"
        for pattern in patterns
    )
    numbers = _filled(table.project(f"coalesce({found}) as image").fetchnumpy()["image"], 0)
    return np.where((numbers > 0) & (numbers <= IMAGES), numbers, 0)


def running_from(numbers: NDArray[np.int64]) -> int | None:
    """Return 0 or 1 if the numbers count the rows from there, or images of several rows each.

    None if they do not count.
    """
    if not len(numbers) or numbers[0] not in (0, 1):
        return None
    start = int(numbers[0])
    rows_each = int(np.argmax(numbers != start)) or len(numbers)
    if rows_each > min(10, len(numbers) - 1):
        return None
    counted = np.arange(len(numbers), dtype=np.int64) // rows_each + start
    return start if bool((numbers == counted).all()) else None


def _first(table: duckdb.DuckDBPyRelation, name: str) -> str:
    """Return the SQL expression for the text of a cell; for a list, of its first element."""
    kind = table.types[table.columns.index(name)]
    column = quoting.identifier(name)
    return f"cast({column}[1] as varchar)" if kind.id in _NESTED else f"cast({column} as varchar)"


def _filled(values: Any, missing: int = -1) -> NDArray[np.int64]:
    filled = np.ma.filled(values, missing)
    # If all values are NULL, DuckDB returns another dtype.
    return np.asarray(filled, np.int64)
