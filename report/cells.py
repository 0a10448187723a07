"""Values as the text of a report: shares as percent, p values that are never 0, counts."""

from __future__ import annotations

import math

MISSING = "n/a"


def count(value: int | None) -> str:
    """Return a count with thousands separators."""
    return MISSING if value is None else f"{value:,}"


def percent(share: float | None) -> str:
    """Return a share between 0 and 1 in percent, without the sign."""
    return MISSING if share is None else f"{100 * share:.2f}"


def of(part: int | None, whole: int | None) -> str:
    """Return a part of a whole in percent."""
    return percent(part / whole) if part is not None and whole else MISSING


def interval(low: float | None, high: float | None) -> str:
    """Return an interval of shares in percent."""
    return MISSING if low is None or high is None else f"{percent(low)} to {percent(high)}"


def points(difference: float | None) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    if difference is None:
        return MISSING
    text = f"{100 * difference:+.2f}"
    return "0.00" if float(text) == 0 else text


def points_interval(low: float | None, high: float | None) -> str:
    """Return an interval of differences in percentage points."""
    return MISSING if low is None or high is None else f"{points(low)} to {points(high)}"


def ranks(low: int | None, high: int | None) -> str:
    """Return an interval of ranks."""
    if low is None or high is None:
        return MISSING
    return str(low) if low == high else f"{low} to {high}"


def p_value(log10: float | None) -> str:
    """Return a p value by its logarithm: 0.144, 5.70e-10, 2.51e-1234. It is never 0."""
    if log10 is None or math.isnan(log10):
        return MISSING
    if log10 > -3:
        return f"{10**log10:.3g}"
    exponent = math.floor(log10)
    digits = f"{10 ** (log10 - exponent):.2f}"
    return f"1.00e{exponent + 1}" if digits == "10.00" else f"{digits}e{exponent}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with some decimals."""
    return MISSING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def plain(value: object) -> str:
    """Return any value of a table: six digits of a number, thousands separators nowhere."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return MISSING if math.isnan(value) else f"{value:.6g}"
    return str(value)
