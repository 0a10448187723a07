"""Compare models on the same images: tests, intervals, and what the tests say about their order.

Of two models A and B on n images: `both` are right on both sides, `only_a` and `only_b` on one,
and `neither` on none. The view `paired_counts` counts them; all functions here take arrays of such
counts, of any number of pairs.

    found = mcnemar(only_a, only_b)
    found.mid_p, found.log10_mid_p, holm(found.log10_mid_p).p

Only NumPy and math are used. Tests compare each function with SciPy, statsmodels or scikit-learn.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..schema.tables import COMPUTED

if TYPE_CHECKING:
    import duckdb

_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]

# The 97.5 % quantile of the normal distribution, as in stats/intervals.py.
_Z = 1.959963984540054
_LN10 = math.log(10)
# A term of a sum that is smaller than this, relative to the sum, no longer changes it.
_LEAST = 1e-17
# After so many terms the sums that have ended are left out.
_STEPS = 16
# The key of a pair, and what `columns` computes for it, in the order of the table `paired_tests`.
PAIR = ("label_set", "model_a", "model_b")
COLUMNS = (
    "difference",
    "standard_error",
    "difference_low",
    "difference_high",
    "error_consistency",
    "mid_p",
    "exact_p",
    "log10_mid_p",
    "log10_exact_p",
)


class McNemar(NamedTuple):
    """McNemar's test of each pair: two-sided p values, and their logarithms, which never underflow.

    mid_p: exact_p less the probability of the outcome itself (Fagerland, Lydersen & Laake 2013,
        BMC Medical Research Methodology 13:91)
    exact_p: the binomial test
    """

    mid_p: _Floats
    exact_p: _Floats
    log10_mid_p: _Floats
    log10_exact_p: _Floats


class Holm(NamedTuple):
    """P values after Holm's correction, and their logarithms, which never underflow."""

    p: _Floats
    log10_p: _Floats


class CochranQ(NamedTuple):
    """Cochran's test that models are right equally often; `log10_p` never underflows."""

    statistic: float
    degrees_of_freedom: int
    p: float
    log10_p: float


def mcnemar(only_a: npt.ArrayLike, only_b: npt.ArrayLike) -> McNemar:
    """Return McNemar's test of each pair: that A alone is right as often as B alone.

    Where they are so equally often, exact_p is 1, and mid_p is 1 less half the probability of the
    outcome, as Fagerland et al. define it. Without any such image both are 1.
    """
    b: Any = np.asarray(only_a, np.float64)
    c: Any = np.asarray(only_b, np.float64)
    low: _Floats = np.minimum(b, c).ravel()
    total: _Floats = (b + c).ravel()
    log_outcome = _log_binomial(low, total)
    ratio = _tail_ratio(low, total)
    log_exact = np.minimum(math.log(2) + log_outcome + np.log(ratio), 0)
    # Twice the tail less the outcome is (2 ratio - 1) outcomes.
    log_mid = np.minimum(log_outcome + np.log(2 * ratio - 1), 0)
    is_tie = 2 * low == total
    log_exact[is_tie] = 0
    log_mid[is_tie] = np.log1p(-np.exp(log_outcome[is_tie]) / 2)
    log_mid[total == 0] = 0
    return McNemar(
        np.exp(log_mid).reshape(b.shape),
        np.exp(log_exact).reshape(b.shape),
        (log_mid / _LN10).reshape(b.shape),
        (log_exact / _LN10).reshape(b.shape),
    )


def _tail_ratio(k: _Floats, n: _Floats) -> _Floats:
    """Return P(X <= k) / P(X = k) of X ~ Binomial(n, 1/2), where 2 k <= n.

    It is the sum 1 + k/(n-k+1) + k (k-1)/((n-k+1)(n-k+2)) + ..., whose terms fall.
    """
    ratio = np.ones_like(k)
    left = np.arange(len(k))
    above, below, term, found = k.copy(), n - k + 1, np.ones_like(k), ratio.copy()
    while len(left):
        for _ in range(_STEPS):
            term *= above / below
            found += term
            above -= 1
            below += 1
            # The sum ends where nothing is below k: the next term would be negative.
            np.maximum(above, 0, out=above)
        ratio[left] = found
        kept = term > _LEAST * found
        left = left[kept]
        above, below, term, found = (each[kept] for each in (above, below, term, found))
    return ratio


def _log_binomial(k: _Floats, n: _Floats) -> _Floats:
    """Return ln P(X = k) of X ~ Binomial(n, 1/2)."""
    factorials = _log_factorials(int(n.max(initial=0)).bit_length())
    of_n, of_k, of_rest = (factorials[values.astype(np.intp)] for values in (n, k, n - k))
    result: _Floats = of_n - of_k - of_rest - n * math.log(2)
    return result


@functools.lru_cache(maxsize=1)
def _log_factorials(bits: int) -> _Floats:
    """Return ln i! of every i below 2^bits."""
    return np.array([math.lgamma(i + 1) for i in range(1 << bits)])


def difference(
    both: npt.ArrayLike, only_a: npt.ArrayLike, only_b: npt.ArrayLike, neither: npt.ArrayLike
) -> tuple[_Floats, _Floats, _Floats, _Floats]:
    """Return the difference of the accuracies A - B, its standard error, and a 95 % interval.

    The standard error is sqrt(b + c - (b - c)^2 / n) / n. The interval is method 10 of R. G.
    Newcombe (1998), Statistics in Medicine 17, 2635-2650: Wilson's intervals of both accuracies,
    combined with the correlation phi. All are NaN without images.
    """
    a, b, c, d = (np.asarray(count, np.float64) for count in (both, only_a, only_b, neither))
    with np.errstate(invalid="ignore", divide="ignore"):
        n = a + b + c + d
        found = (b - c) / n
        error = np.sqrt(np.maximum(b + c - (b - c) ** 2 / n, 0)) / n
        p, q = (a + b) / n, (a + c) / n
        p_low, p_high = _wilson(p, n)
        q_low, q_high = _wilson(q, n)
        margins = (a + b) * (c + d) * (a + c) * (b + d)
        phi = np.where(margins > 0, (a * d - b * c) / np.sqrt(margins), 0)
        below = _combined(p - p_low, q_high - q, phi)
        above = _combined(p_high - p, q - q_low, phi)
    return found, error, found - below, found + above


def _wilson(p: _Floats, n: _Floats) -> tuple[_Floats, _Floats]:
    middle, whole = 2 * n * p + _Z**2, 2 * (n + _Z**2)
    half = _Z * np.sqrt(_Z**2 + 4 * n * p * (1 - p))
    return (middle - half) / whole, (middle + half) / whole


def _combined(mine: _Floats, theirs: _Floats, phi: _Floats) -> _Floats:
    squared = mine**2 - 2 * phi * mine * theirs + theirs**2
    return np.sqrt(np.maximum(squared, 0))


def kappa(
    both: npt.ArrayLike, only_a: npt.ArrayLike, only_b: npt.ArrayLike, neither: npt.ArrayLike
) -> _Floats:
    """Return Cohen's kappa of being right: the error consistency (Geirhos et al. 2020).

    NaN where chance alone gives full agreement: both models are right on all images, or on none.
    """
    a, b, c, d = (np.asarray(count, np.float64) for count in (both, only_a, only_b, neither))
    n = a + b + c + d
    with np.errstate(invalid="ignore", divide="ignore"):
        # Both sides of (observed - expected) / (1 - expected), times n^2: whole numbers.
        by_chance = (a + b) * (a + c) + (c + d) * (b + d)
        result: _Floats = np.where(
            by_chance < n * n, (n * (a + d) - by_chance) / (n * n - by_chance), np.nan
        )
    return result


def holm(log10_p: npt.ArrayLike) -> Holm:
    """Return the p values of a family of tests after Holm's correction, in the order of the tests.

    All p values below 0.05 may be called significant: the chance that any of them is wrong is at
    most 5 %. S. Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    logs = np.asarray(log10_p, np.float64)
    order = np.argsort(logs, kind="stable")
    factor = np.arange(len(logs), 0, -1)
    p, log10 = np.empty_like(logs), np.empty_like(logs)
    p[order] = np.maximum.accumulate(np.exp(logs[order] * _LN10) * factor)
    log10[order] = np.maximum.accumulate(logs[order] + np.log10(factor))
    return Holm(np.minimum(p, 1), np.minimum(log10, 0))


def cochran_q(right_of_model: npt.ArrayLike, right_of_image: npt.ArrayLike) -> CochranQ:
    """Return Cochran's Q of k models on the same n images.

    `right_of_model`, (k,), counts the images that each model gets right; `right_of_image`, (n,),
    the models that get each image right. Where all models agree on each image, Q is 0 and p is 1.
    W. G. Cochran (1950), Biometrika 37, 256-266.
    """
    columns = [int(count) for count in np.asarray(right_of_model)]
    rows = np.asarray(right_of_image, np.int64)
    k, total = len(columns), sum(columns)
    spread = k * total - int((rows**2).sum())
    statistic = (
        (k - 1) * (k * sum(each**2 for each in columns) - total**2) / spread if spread else 0.0
    )
    log_p = _log_chi_squared(statistic, k - 1)
    return CochranQ(statistic, k - 1, math.exp(log_p), log_p / _LN10)


def _log_chi_squared(statistic: float, degrees: int) -> float:
    """Return ln P(X > statistic) of X ~ chi-squared: a finite sum, as the degrees are whole."""
    if statistic <= 0 or degrees < 1:
        return 0.0
    x, is_odd = statistic / 2, degrees % 2
    powers = [i + is_odd / 2 for i in range(degrees // 2)]
    logs = [power * math.log(x) - x - math.lgamma(power + 1) for power in powers]
    if is_odd:
        logs.append(_log_erfc(math.sqrt(x)))
    largest = max(logs)
    return min(largest + math.log(math.fsum(math.exp(log - largest) for log in logs)), 0.0)


def _log_erfc(x: float) -> float:
    """Return ln erfc(x) of x > 0, where erfc itself may underflow."""
    if x < 20:
        return math.log(math.erfc(x))
    series = 1 - 1 / (2 * x**2) + 3 / (4 * x**4) - 15 / (8 * x**6)
    return -(x**2) - math.log(x * math.sqrt(math.pi)) + math.log(series)


def rank_intervals(is_better: npt.ArrayLike) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the best and the worst rank of each model that the tests leave possible.

    `is_better`, bool (models, models): the model of the row is better than that of the column,
    after a correction over all pairs. The best rank is 1 + the number of better models, the worst
    the number of models that are not worse. The view `rank_intervals` has the same.
    """
    better = np.asarray(is_better, np.bool_)
    return 1 + better.sum(axis=0), len(better) - better.sum(axis=1)


def groups(in_order: Sequence[str], is_apart: _Bools) -> Iterator[tuple[str, ...]]:
    """Yield the longest runs of models in which no two can be distinguished.

    `in_order` are the models, the best first, and `is_apart`, bool (models, models), says which of
    them a test distinguishes. A model may be in several groups. One that differs from both
    neighbours is a group of its own.
    """
    end = 0
    for start in range(len(in_order)):
        stop = start + 1
        while stop < len(in_order) and not is_apart[start:stop, stop].any():
            stop += 1
        if stop > end:
            yield tuple(in_order[start:stop])
        end = max(end, stop)


def columns(both: Any, only_a: Any, only_b: Any, neither: Any) -> dict[str, _Floats]:
    """Return the COLUMNS of each pair, from its counts."""
    counts = [np.asarray(count, np.int64) for count in (both, only_a, only_b, neither)]
    found = (
        *difference(*counts),
        kappa(*counts),
        *mcnemar(counts[1], counts[2]),
    )
    return dict(zip(COLUMNS, found, strict=True))


def show_tests(con: duckdb.DuckDBPyConnection) -> None:
    """Have the computed tables on `con` show the tests of those views of counts that are there.

    They are computed when they are read.
    """
    kinds = dict(
        con.execute("select table_name, table_type from information_schema.tables").fetchall()
    )
    for table, counts in COMPUTED.items():
        if kinds.get(table) == "BASE TABLE" and counts in kinds:
            create_function(con)
            con.execute(f"drop table {table}")
            con.execute(f"create view {table} as {select_tests(counts, PAIR)}")


def select_tests(counts: str, key: Sequence[str], family: str = "label_set") -> str:
    """Return a SELECT of the `key` of the rows of `counts`, a table or view, and their tests.

    `counts` has the columns of the view `paired_counts`, and the key. Holm's correction is over the
    rows with the same `family`. The connection needs `create_function`.
    """
    names, found = ", ".join(key), ", ".join(f"tests.{name}" for name in COLUMNS)
    return f"""
        with tested as materialized (
            select
                {names},
                paired_statistics(both_right, only_a_right, only_b_right, both_wrong) as tests
            from {counts}
        ),

        flat as (
            select {names}, {found}
            from tested
        ),

        raised as (
            select
                *,
                1
                + count(*) over (partition by {family})
                - row_number() over (partition by {family} order by log10_mid_p, {names})
                    as factor
            from flat
        )

        select
            * exclude (factor),
            least(
                max(mid_p * factor) over (
                    partition by {family}
                    order by log10_mid_p, {names}
                    rows between unbounded preceding and current row
                ),
                1e0
            ) as holm_p,
            least(
                max(log10_mid_p + log10(factor)) over (
                    partition by {family}
                    order by log10_mid_p, {names}
                    rows between unbounded preceding and current row
                ),
                0e0
            ) as log10_holm_p
        from raised
    """  # noqa: S608, the names are of views and columns


def create_function(con: duckdb.DuckDBPyConnection) -> None:
    """Create the SQL function `paired_statistics` on `con`: counts of a pair to its COLUMNS.

    Nothing is done if it exists.
    """
    import duckdb
    import pyarrow as pa

    def statistics(both: Any, only_a: Any, only_b: Any, neither: Any) -> Any:
        found = columns(both, only_a, only_b, neither)
        arrays = [pa.array(found[name], from_pandas=True) for name in COLUMNS]
        return pa.StructArray.from_arrays(arrays, list(COLUMNS))

    fields = ", ".join(f"{name} DOUBLE" for name in COLUMNS)
    register: Any = con.create_function  # its annotations know no "arrow"
    # DuckDB refuses a second one. Looking for the first in its list of functions takes 20 ms.
    with contextlib.suppress(duckdb.NotImplementedException, duckdb.CatalogException):
        register("paired_statistics", statistics, ["BIGINT"] * 4, f"STRUCT({fields})", type="arrow")
