"""The comparison of models: each statistic against SciPy, statsmodels or scikit-learn."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pytest

import campaigns
from needs import late
from realdb.queries import catalog
from realdb.schema.tables import COMPUTED, create_table
from realdb.stats import paired
from realdb.stats.intervals import wilson

scipy_stats: Any = late("scipy.stats")
contingency: Any = late("statsmodels.stats.contingency_tables")
multitest: Any = late("statsmodels.stats.multitest")
special: Any = late("scipy.special")
metrics: Any = late("sklearn.metrics")

Counts = npt.NDArray[np.int64]

# Both right, only A, only B, neither: empty cells, ties, one image, all images alike.
EDGES = [
    (0, 0, 0, 1),
    (1, 0, 0, 0),
    (0, 1, 0, 0),
    (0, 0, 1, 0),
    (0, 3, 3, 0),
    (5, 0, 0, 5),
    (0, 7, 0, 2),
    (9, 2, 2, 0),
    (36, 12, 2, 0),
    (36_070, 3_267, 2_785, 4_715),
    (0, 25_000, 25_000, 0),
]


def random_tables(number: int, seed: int = 0) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    sizes = rng.choice([3, 10, 100, 3_000, 50_000], number)
    return [
        tuple(rng.multinomial(size, rng.dirichlet([0.5] * 4)).tolist()) for size in sizes.tolist()
    ]


TABLES = [*EDGES, *random_tables(60)]


# McNemar's test.


def log10_exact(low: int, total: int) -> float:
    """Return log10 of twice P(X <= low); the logarithm of SciPy's own sum underflows."""
    logs = scipy_stats.binom.logpmf(np.arange(low + 1), total, 0.5)
    return float(math.log(2) + special.logsumexp(logs)) / math.log(10)


@pytest.mark.parametrize(("only_a", "only_b"), [(b, c) for _, b, c, _ in TABLES])
def test_mcnemar(only_a: int, only_b: int) -> None:
    found = paired.mcnemar(only_a, only_b)
    low, total = min(only_a, only_b), only_a + only_b
    if total == 0:
        assert found == (1, 1, 0, 0)
        return
    exact = scipy_stats.binomtest(only_a, total).pvalue
    outcome = scipy_stats.binom.pmf(low, total, 0.5)
    mid = 1 - outcome / 2 if only_a == only_b else exact - outcome
    assert float(found.exact_p) == pytest.approx(exact, rel=1e-9, abs=1e-300)
    assert float(found.mid_p) == pytest.approx(mid, rel=1e-7, abs=1e-300)
    table = [[0, only_a], [only_b, 0]]
    other = contingency.mcnemar(table, exact=True).pvalue
    assert float(found.exact_p) == pytest.approx(other, rel=1e-9, abs=1e-300)
    if only_a != only_b:
        assert float(found.log10_exact_p) == pytest.approx(log10_exact(low, total), abs=1e-9)
    assert found.log10_mid_p <= found.log10_exact_p or only_a == only_b


def test_all_small_counts_at_once() -> None:
    """Many pairs in one call give what each gives by itself, in the shape of the arguments."""
    b, c = np.meshgrid(np.arange(40), np.arange(40))
    found = paired.mcnemar(b, c)
    assert found.mid_p.shape == (40, 40)
    for place in [(0, 0), (3, 17), (39, 39), (39, 38), (0, 39)]:
        alone = paired.mcnemar(b[place], c[place])
        assert [float(each[place]) for each in found] == pytest.approx([float(x) for x in alone])
    assert (found.exact_p == found.exact_p.T).all()
    assert (found.mid_p <= found.exact_p).all()


def test_a_p_value_that_underflows_has_its_logarithm() -> None:
    found = paired.mcnemar([0, 100], [40_000, 48_000])
    assert found.exact_p.tolist() == [0, 0]
    expected = [-39_999 * math.log10(2), log10_exact(100, 48_100)]
    assert found.log10_exact_p.tolist() == pytest.approx(expected, rel=1e-12)


# The size of the test: how often it rejects where the models are equal.


@pytest.mark.parametrize("share", [0.02, 0.05, 0.13, 0.25])
def test_the_size_of_mid_p(share: float) -> None:
    """Exact: the sum over all counts of 500 images of which a share is expected to differ."""
    images = 500
    b, c = np.meshgrid(np.arange(images + 1), np.arange(images + 1))
    is_possible = b + c <= images
    b, c = b[is_possible], c[is_possible]
    probability = scipy_stats.binom.pmf(b + c, images, share) * scipy_stats.binom.pmf(b, b + c, 0.5)
    assert probability.sum() == pytest.approx(1)
    size = probability[paired.mcnemar(b, c).mid_p <= 0.05].sum()
    assert 0.040 <= size <= 0.0505


def simulated(
    right: npt.NDArray[np.float64], images: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return which models are better than which, bool (models, models), after Holm's correction.

    On half of the images all models are right, so that they agree more than by chance. On the
    others each is right with its probability.
    """
    is_hard = rng.random((images, 1)) < 0.5
    is_right = np.float64(rng.random((images, len(right))) < np.where(is_hard, right, 1))
    both = is_right.T @ is_right
    only = is_right.sum(axis=0)[:, None] - both
    upper = np.triu_indices(len(right), 1)
    logs = paired.mcnemar(only[upper], only.T[upper]).log10_mid_p
    is_apart = paired.holm(logs).p < 0.05
    better = np.zeros((len(right), len(right)), np.bool_)
    better[upper] = is_apart & (only[upper] > only.T[upper])
    better.T[upper] = is_apart & (only[upper] < only.T[upper])
    return better


def test_holms_familywise_error() -> None:
    """Of ten equal models two are called apart in at most 5.5 % of the simulations."""
    rng = np.random.default_rng(1)
    times = campaigns.number(400, 2_000)
    errors = sum(simulated(np.full(10, 0.8), 500, rng).any() for _ in range(times))
    # A few simulations leave more room to chance: by Wilson's lower end the error may still be 5 %.
    assert errors / times <= 0.055 or (times < 2_000 and wilson(errors, times)[0] <= 0.05)


def test_rank_intervals_cover_the_true_ranks() -> None:
    """All ranks of all 60 models at once; in a tie each rank is true.

    Each of six groups has five models that tie, and five that nearly do.
    """
    rng = np.random.default_rng(2)
    near = np.array([0] * 5 + [0.0005, 0.001, 0.0015, 0.002, 0.0025])
    right = (np.array([0.5, 0.6, 0.7, 0.8, 0.88, 0.94])[:, None] + near).ravel()
    best = 1 + (right[None, :] > right[:, None]).sum(axis=1)
    worst = (right[None, :] >= right[:, None]).sum(axis=1)
    times = campaigns.number(40, 400)
    covered = 0
    for _ in range(times):
        low, high = paired.rank_intervals(simulated(right, 2_000, rng))
        covered += bool(((low <= best) & (high >= worst)).all())
    assert wilson(covered, times)[1] >= 0.95
    assert (high - low).mean() < 30, "the intervals say something"


# The difference and its interval.


def newcombe(a: int, b: int, c: int, d: int) -> tuple[float, float]:
    """Return method 10 from Wilson's intervals as SciPy has them."""
    n = a + b + c + d
    p, q = (a + b) / n, (a + c) / n
    l1, u1 = scipy_stats.binomtest(a + b, n).proportion_ci(method="wilson")
    l2, u2 = scipy_stats.binomtest(a + c, n).proportion_ci(method="wilson")
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    phi = (a * d - b * c) / math.sqrt(margins) if margins else 0
    below = (p - l1) ** 2 - 2 * phi * (p - l1) * (u2 - q) + (u2 - q) ** 2
    above = (q - l2) ** 2 - 2 * phi * (q - l2) * (u1 - p) + (u1 - p) ** 2
    return p - q - math.sqrt(max(below, 0)), p - q + math.sqrt(max(above, 0))


@pytest.mark.parametrize("table", TABLES)
def test_difference(table: tuple[int, ...]) -> None:
    a, b, c, d = table
    n = sum(table)
    found, error, low, high = (float(each) for each in paired.difference(*table))
    x = np.repeat([1, 1, 0, 0], table) - np.repeat([1, 0, 1, 0], table)
    assert found == pytest.approx(x.mean(), abs=1e-12)
    assert error == pytest.approx(x.std() / math.sqrt(n), abs=1e-12)
    assert (low, high) == pytest.approx(newcombe(a, b, c, d), abs=1e-9)
    assert -1 <= low <= found <= high <= 1


def test_newcombes_example() -> None:
    """R. G. Newcombe (1998), table III: Rothman's data, 36, 12, 2 and 0."""
    found, _, low, high = (float(each) for each in paired.difference(36, 12, 2, 0))
    assert (found, low, high) == pytest.approx((0.2, 0.0569, 0.3404), abs=5e-5)


def test_without_images_there_is_no_difference() -> None:
    assert all(math.isnan(each) for each in paired.difference(0, 0, 0, 0))


@pytest.mark.parametrize("table", TABLES)
def test_kappa(table: tuple[int, ...]) -> None:
    a, b, c, _ = table
    found = float(paired.kappa(*table))
    if (a + b, a + c) in ((sum(table), sum(table)), (0, 0)):
        assert math.isnan(found), "chance alone gives full agreement"
        return
    mine, theirs = np.repeat([1, 1, 0, 0], table), np.repeat([1, 0, 1, 0], table)
    assert found == pytest.approx(metrics.cohen_kappa_score(mine, theirs), abs=1e-12)


# Several models.


def test_holm() -> None:
    rng = np.random.default_rng(0)
    for number in (1, 2, 7, 45):
        p = np.round(rng.random(number) ** 6, 3) + 1e-9  # some of them equal
        expected = multitest.multipletests(p, method="holm")[1]
        assert paired.holm(np.log10(p)).p == pytest.approx(expected, rel=1e-12)
    assert paired.holm([]).p.tolist() == []
    # Those that underflow keep their order and stay 0.
    tiny = paired.holm([-400, -500, math.log10(0.5)])
    assert tiny.p.tolist() == pytest.approx([0, 0, 0.5])
    logs = [-400 + math.log10(2), -500 + math.log10(3), math.log10(0.5)]
    assert tiny.log10_p.tolist() == pytest.approx(logs, rel=1e-12)


@pytest.mark.parametrize("models", [2, 3, 4, 9, 60])
def test_cochrans_q(models: int) -> None:
    rng = np.random.default_rng(models)
    is_right = rng.random((300, models)) < rng.uniform(0.5, 0.7, models)
    found = paired.cochran_q(is_right.sum(axis=0), is_right.sum(axis=1))
    expected = contingency.cochrans_q(is_right.astype(int))
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.degrees_of_freedom == expected.df == models - 1
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    log = scipy_stats.chi2.logsf(found.statistic, models - 1) / math.log(10)
    assert found.log10_p == pytest.approx(log, rel=1e-9)


@pytest.mark.parametrize("models", [2, 3, 9])
def test_cochrans_q_of_models_that_are_far_apart(models: int) -> None:
    is_right = np.zeros((40_000, models), int)
    is_right[:, 0] = 1
    found = paired.cochran_q(is_right.sum(axis=0), is_right.sum(axis=1))
    assert found.p == 0
    # SciPy's own logarithm underflows. Chi-squared is a square of a normal variable, or, with even
    # degrees of freedom, a sum of Poisson probabilities.
    if models == 2:
        log = math.log(2) + float(special.log_ndtr(-math.sqrt(found.statistic)))
    else:
        counts = np.arange((models - 1) // 2)
        log = float(special.logsumexp(scipy_stats.poisson.logpmf(counts, found.statistic / 2)))
    assert found.log10_p == pytest.approx(log / math.log(10), rel=1e-9)


def test_cochrans_q_of_models_that_agree() -> None:
    assert paired.cochran_q([2, 2, 2], [3, 3, 0]) == (0, 2, 1, 0)
    assert paired.cochran_q([0, 0], []) == (0, 1, 1, 0)


def test_rank_intervals() -> None:
    better = np.zeros((4, 4), np.bool_)
    better[0, 2] = better[0, 3] = better[1, 3] = True
    low, high = paired.rank_intervals(better)
    assert low.tolist() == [1, 1, 2, 3]
    assert high.tolist() == [2, 3, 4, 4]


def test_groups() -> None:
    is_apart = np.zeros((5, 5), np.bool_)
    for one, other in [(0, 2), (0, 3), (0, 4), (1, 4), (2, 4), (3, 4)]:
        is_apart[one, other] = is_apart[other, one] = True
    found = list(paired.groups("abcde", is_apart))
    assert found == [("a", "b"), ("b", "c", "d"), ("e",)]
    assert list(paired.groups("ab", np.zeros((2, 2), np.bool_))) == [("a", "b")]


# The table that a session computes.


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for table in COMPUTED:
        create_table(con, table)
    con.execute(
        "create table paired_counts (label_set varchar, model_a varchar, model_b varchar, images "
        "bigint, both_right bigint, only_a_right bigint, only_b_right bigint, both_wrong bigint)"
    )
    for place, (first, second) in enumerate(combinations(range(12), 2)):
        table = TABLES[place % len(TABLES)]
        for label_set in ("real", "original"):
            con.execute(
                "insert into paired_counts values ($1, $2, $3, $4, $5, $6, $7, $8)",
                [label_set, f"m{first:02}", f"m{second:02}", sum(table), *table],
            )
    return con


def test_the_table_has_its_columns(con: duckdb.DuckDBPyConnection) -> None:
    expected = con.table("paired_tests")
    columns, types = expected.columns, expected.types
    paired.show_tests(con)
    paired.show_tests(con)  # twice is fine
    found = con.table("paired_tests")
    assert (found.columns, found.types) == (columns, types)


def test_the_table_has_the_statistics(con: duckdb.DuckDBPyConnection) -> None:
    paired.show_tests(con)
    for label_set in ("real", "original"):
        rows = con.execute(
            "select c.both_right, c.only_a_right, c.only_b_right, c.both_wrong, t.* exclude "
            "(label_set, model_a, model_b) from paired_tests as t join paired_counts as c using "
            "(label_set, model_a, model_b) where label_set = $1",
            [label_set],
        ).fetchnumpy()
        counts = [rows[name] for name in [*rows][:4]]
        expected = paired.columns(*counts)
        for name, values in expected.items():
            found = np.ma.filled(np.ma.asarray(rows[name]), np.nan)
            np.testing.assert_allclose(found, values, rtol=1e-12)
        holm = paired.holm(expected["log10_mid_p"])
        np.testing.assert_allclose(rows["holm_p"], holm.p, rtol=1e-12)
        np.testing.assert_allclose(rows["log10_holm_p"], holm.log10_p, rtol=1e-12, atol=1e-15)


def test_the_view_of_rank_intervals(con: duckdb.DuckDBPyConnection) -> None:
    paired.show_tests(con)
    con.execute(catalog.definition(catalog.find("rank_intervals")))
    rows = con.execute(
        "select model_a[2:]::int, model_b[2:]::int, difference, holm_p from paired_tests "
        "where label_set = 'real'"
    ).fetchall()
    better = np.zeros((12, 12), np.bool_)
    for one, other, difference, p in rows:
        if p < 0.05:
            better[(one, other) if difference > 0 else (other, one)] = True
    found = con.execute(
        "select rank_low, rank_high from rank_intervals where label_set = 'real' order by model"
    ).fetchall()
    low, high = paired.rank_intervals(better)
    assert found == list(zip(low.tolist(), high.tolist(), strict=True))
    assert len({*found}) > 2
