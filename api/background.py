"""The accuracies of other models, from a CSV file that the user names."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ..errors import DataError, RealdbError
from ..store.files import user_path

# timm's results-imagenet-real.csv has percentages: the ReaL accuracy, and its difference from the
# original accuracy. realdb's own tables have shares.
_TIMM = ("model", "top1", "top1_diff")
_OWN = ("model", "real_accuracy", "original_accuracy")
_EXPECTED = (
    "Use timm's results-imagenet-real.csv (columns model, top1, top1_diff), or a table of realdb "
    "(columns model, real_accuracy, original_accuracy)"
)
_MOST_BYTES = 50_000_000


class Point(NamedTuple):
    """A model's accuracies, as shares."""

    model: str
    original_accuracy: float
    real_accuracy: float


def read(path: str | Path) -> list[Point]:
    """Return the models of a CSV file, with their original and their ReaL accuracy.

    Raises DataError if the file has other columns, a cell that is no accuracy, or accuracies of
    something else than the ReaL labels.
    """
    file = user_path(path)
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise _refused(file, f"is larger than {_MOST_BYTES // 1_000_000} MB")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused(file, f"cannot be read: {reason}") from None
    try:
        lines = list(csv.reader(text.splitlines(keepends=True), strict=True))
    except csv.Error as error:
        raise _refused(file, f"is not a CSV file: {error}") from None
    lines = [line for line in lines if line]
    header = [name.strip() for name in lines[0]] if lines else []
    columns = next((each for each in (_OWN, _TIMM) if {*each} <= {*header}), None)
    if columns is None:
        found = ", ".join(header[:12]) or "none"
        raise _refused(
            file, f"does not have the ReaL and original accuracy of models. Its columns are {found}"
        )
    places = [header.index(name) for name in columns]
    rows: list[tuple[str, float, float]] = []
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(header):
            raise _refused(
                file, f"has {len(line)} cells in row {number}, not {len(header)}", number
            )
        model, *values = (line[place] for place in places)
        one, other = (
            _number(file, number, column, value)
            for column, value in zip(columns[1:], values, strict=True)
        )
        rows.append((model, one, other))
    if not rows:
        raise _refused(file, "has no models")
    return _checked(file, rows, columns)


def _checked(
    file: Path, rows: list[tuple[str, float, float]], columns: tuple[str, ...]
) -> list[Point]:
    """Return the models as shares, if these are ReaL accuracies."""
    # Percentages or shares: the best model has more than 1 percent.
    scale = 100 if max(real for _, real, _ in rows) > 1 else 1
    points = []
    for number, (model, real, other) in enumerate(rows, 1):
        original = real - other if columns is _TIMM else other
        for column, value in zip(columns[1:], (real, original), strict=True):
            if not 0 <= value <= scale:
                raise _refused(
                    file,
                    f"has an accuracy of {value:g} in row {number}, which is not between 0 and "
                    f"{scale}",
                    number,
                    column,
                    value,
                )
        points.append(Point(model, round(original / scale, 9), round(real / scale, 9)))
    change = median(point.real_accuracy - point.original_accuracy for point in points)
    if change < 0:
        raise _refused(
            file,
            f"has accuracies that are lower than the original ones (by {-change:.1%} in the "
            "median), and ReaL accuracies are higher: they are by other labels or on other images",
            column=columns[1],
        )
    return points


def _number(file: Path, row: int, column: str, text: str) -> float:
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _refused(
            file, f"has {text!r} in the column {column}, row {row}, not a number", row, column, text
        )
    return value


def _refused(
    file: Path, why: str, row: int | None = None, column: str | None = None, value: object = None
) -> RealdbError:
    return DataError(
        f"{file} {why}",
        file=file,
        row=row,
        column=column,
        value=value,
        parameter="background",
        remedy=_EXPECTED,
    )
