"""Confidence intervals."""

from __future__ import annotations

import math

# The 97.5 % quantile of the normal distribution.
_Z = 1.959963984540054


def wilson(correct: int, total: int) -> tuple[float, float]:
    """Return the ends of Wilson's 95 % interval of the share `correct` / `total`, total > 0.

    The steps are those of the view `accuracy`, so both agree to the last bit. Source: E. B. Wilson
    (1927), JASA 22, 209-212.
    """
    n, z = float(total), _Z
    p = correct / n
    middle = 2 * n * p + z * z
    half = z * math.sqrt(z * z + 4 * n * p * (1 - p))
    whole = 2 * n + z * z + z * z
    return (middle - half) / whole, (middle + half) / whole
