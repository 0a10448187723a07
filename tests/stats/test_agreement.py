from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from connections import database

from realdb.queries import catalog
from realdb.stats import agreement
from realdb.store.store import Store

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

# The example of section C of Krippendorff (2011): four observers, twelve units, five values; a dot
# is no answer. The last unit has one answer, so no pair.
OBSERVED = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
# The worked example of https://en.wikipedia.org/wiki/Fleiss%27_kappa: fourteen raters put each of
# ten subjects into one of five categories.
RATED = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def of(answers: Ints) -> dict[str, float]:
    """Return the coefficients of questions, (n, answers), by name."""
    found = agreement.coefficients(agreement.coincidences(answers).sum(axis=0))
    return dict(zip(agreement.COEFFICIENTS, found.tolist(), strict=True))


def naive(answers: list[list[int]]) -> list[float]:
    """Compute the coefficients as they are defined, from each pair of votes; NaN where undefined.

    The distance of two ordered answers is the number of votes from the middle of those for the one
    to the middle of those for the other.
    """
    units = [[c for c, n in enumerate(counts) for _ in range(n)] for counts in answers]
    votes = [c for unit in units for c in unit]
    if not votes:
        return [math.nan] * 4
    middle = [sum(v < c for v in votes) + votes.count(c) / 2 for c in range(len(answers[0]))]

    def disagreement(distance: Callable[[int, int], float]) -> tuple[float, float]:
        inside = [
            sum(distance(c, k) for c, k in permutations(unit, 2)) / (len(unit) - 1)
            for unit in units
        ]
        across = sum(distance(c, k) for c, k in permutations(votes, 2))
        return sum(inside) / len(votes), across / len(votes) / (len(votes) - 1)

    def alpha(distance: Callable[[int, int], float]) -> float:
        observed, expected = disagreement(distance)
        return 1 - observed / expected if expected else math.nan

    differ, _ = disagreement(lambda c, k: c != k)
    by_chance = sum((votes.count(c) / len(votes)) ** 2 for c in set(votes))
    kappa = (1 - differ - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan
    nominal, ordinal = alpha(lambda c, k: c != k), alpha(lambda c, k: (middle[c] - middle[k]) ** 2)
    return [1 - differ, nominal, ordinal, kappa]


def made_up(
    rng: np.random.Generator, images: int, raters: tuple[int, ...]
) -> agreement.QuestionVotes:
    """Make up votes: one to three questions an image, in three groups, of two shades of truth."""
    image = np.sort(np.append(np.arange(images), rng.integers(images, size=images)))
    is_valid = rng.random(len(image)) < 0.4
    chances = np.where(is_valid[:, None], [0.2, 0.2, 0.6], [0.7, 0.2, 0.1])
    answers = rng.multinomial(rng.choice(raters, size=len(image)), chances)
    return agreement.QuestionVotes(image, rng.permutation(len(image)) % 3, answers)


# The coefficients.


def test_krippendorffs_example() -> None:
    units = zip(*(line.split() for line in OBSERVED), strict=True)
    counts = [[sum(a == str(value) for a in unit) for value in range(1, 6)] for unit in units]
    answers = np.array([unit for unit in counts if sum(unit) >= 2])
    assert len(answers) == 11
    found = of(answers)
    assert round(found["nominal_alpha"], 3) == 0.743
    assert round(found["ordinal_alpha"], 3) == 0.815
    # The diagonal and the margins of the coincidence matrix in the paper.
    matrix = agreement.coincidences(answers).sum(axis=0)
    assert matrix.diagonal() == pytest.approx([7, 10, 8, 4, 3])
    assert matrix.sum(axis=0) == pytest.approx([9, 13, 10, 5, 3])


def test_the_example_of_fleiss_kappa() -> None:
    found = of(np.array(RATED))
    assert round(found["observed_agreement"], 3) == 0.378
    assert round(found["fleiss_kappa"], 3) == 0.210


@pytest.mark.parametrize("raters", [(2,), (5,), (14,), (2, 3, 7)])
@pytest.mark.parametrize("answers", [2, 3, 5])
def test_coefficients_match_the_definition(raters: tuple[int, ...], answers: int) -> None:
    rng = np.random.default_rng(answers)
    chances = rng.dirichlet(np.ones(answers), size=20)
    counts = rng.multinomial(rng.choice(raters, size=20), chances)
    assert list(of(counts).values()) == pytest.approx(naive(counts.tolist()), abs=1e-12)


def test_no_pairs_of_votes() -> None:
    same = of(np.array([[0, 0, 5], [0, 0, 2]]))
    assert same.pop("observed_agreement") == 1
    assert all(map(math.isnan, same.values()))
    none = agreement.coefficients(np.zeros((3, 3)))
    assert np.isnan(none).all()


def test_perfect_agreement() -> None:
    assert of(np.array([[5, 0, 0], [0, 5, 0], [0, 0, 5]])) == dict.fromkeys(
        agreement.COEFFICIENTS, 1.0
    )


# The votes.


@pytest.mark.parametrize(("by", "groups"), [(None, 1), ("animal", 2), ("class", 1000)])
def test_votes_match_the_views(synthetic_store: Store, by: str | None, groups: int) -> None:
    """The coefficients of all images, each sampled once, are those of the views."""
    con = synthetic_store.connect()
    catalog.install(con, synthetic_store.names, ["agreement", "agreement_by_class"])
    view = con.view("agreement_by_class" if by == "class" else "agreement")
    if by != "class":
        view = view.filter("is_animal is null" if by is None else "is_animal is not null")
    rows = view.order("label" if by == "class" else "is_animal desc").fetchnumpy()
    questions = agreement.votes(con, by)
    assert questions.group.max() + 1 == len(rows["questions"]) <= groups
    assert questions.image.max() + 1 == 400
    matrices = np.zeros((questions.group.max() + 1, 3, 3))
    np.add.at(matrices, questions.group, agreement.coincidences(questions.answers))
    for name, found in zip(agreement.COEFFICIENTS, agreement.coefficients(matrices), strict=True):
        assert found == pytest.approx(np.ma.filled(rows[name], np.nan), abs=1e-12, nan_ok=True)


def test_votes_without_rows() -> None:
    with database({}, ["vote_coincidences"]) as con:
        questions = agreement.votes(con, None)
    assert questions.image.shape == questions.group.shape == (0,)
    assert questions.answers.shape == (0, 3)


# The samples.


@pytest.mark.parametrize("raters", [(5,), (2, 3, 5)])
def test_samples_match_a_loop(raters: tuple[int, ...]) -> None:
    questions = made_up(np.random.default_rng(4), images=12, raters=raters)
    found = agreement.resample(questions, replicates=25, seed=9)
    assert found.shape == (4, 3, 25)
    random = np.random.default_rng(9)
    for replicate in range(25):
        drawn = random.integers(12, size=12).tolist()
        for group in range(3):
            answers = [
                answers
                for image in drawn
                for answers in questions.answers[
                    (questions.image == image) & (questions.group == group)
                ]
            ]
            expected = naive([counts.tolist() for counts in answers] or [[0, 0, 0]])
            assert found[:, group, replicate] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_the_seed_gives_the_samples() -> None:
    questions = made_up(np.random.default_rng(1), images=50, raters=(5,))
    first = agreement.resample(questions, replicates=10, seed=3)
    assert (agreement.resample(questions, replicates=10, seed=3) == first).all()
    assert (agreement.resample(questions, replicates=20, seed=3)[:, :, :10] == first).all()
    assert not (agreement.resample(questions, replicates=10, seed=4) == first).any()
    # A group has the same samples with and without other groups.
    one = questions._replace(group=np.where(questions.group == 0, 0, 1))
    assert (agreement.resample(one, replicates=10, seed=3)[:, 0] == first[:, 0]).all()


# The intervals.


def test_an_interval_is_between_the_quantiles_of_the_samples() -> None:
    questions = made_up(np.random.default_rng(2), images=80, raters=(5,))
    low, high = agreement.intervals(questions, replicates=101, seed=0, level=0.8)
    samples = np.sort(agreement.resample(questions, replicates=101, seed=0), axis=2)
    # Of 101 sorted samples the quantile q is the one at 100 q.
    assert low == pytest.approx(samples[:, :, 10])
    assert high == pytest.approx(samples[:, :, 90])
    wide = agreement.intervals(questions, replicates=101, seed=0, level=0.99)
    assert (wide[0] < low).all()
    assert (wide[1] > high).all()


def test_intervals_of_a_coefficient_that_is_sometimes_undefined() -> None:
    # Group 0 asks about two images; where only the first is drawn, all votes are the same. Group 1
    # asks about one image, twice; in group 2 all votes are the same anyway.
    questions = agreement.QuestionVotes(
        np.array([0, 1, 2, 2, 0, 2]),
        np.array([0, 0, 1, 1, 2, 2]),
        np.array([[5, 0, 0], [2, 1, 2], [3, 0, 2], [2, 2, 1], [0, 0, 5], [0, 0, 5]]),
    )
    low, high = agreement.intervals(questions, replicates=200, seed=0, level=0.95)
    samples = agreement.resample(questions, replicates=200, seed=0)
    assert np.isnan(samples[1, 0]).any()
    assert np.isnan(samples[0, 0]).any(), "neither image of the group was drawn"
    assert np.isfinite([low[:, 0], high[:, 0]]).all()
    assert np.isnan([low[:, 1], high[:, 1]]).all()
    assert (low[0, 2], high[0, 2]) == (1, 1)
    assert np.isnan([low[1:, 2], high[1:, 2]]).all()


def test_intervals_have_their_nominal_coverage() -> None:
    rng = np.random.default_rng(5)
    everything = made_up(rng, images=100_000, raters=(5,))
    truth = list(of(everything.answers).values())
    held = []
    for _ in range(60):
        questions = made_up(rng, images=150, raters=(5,))._replace(group=np.zeros(300, np.int64))
        low, high = agreement.intervals(questions, replicates=200, seed=0, level=0.9)
        held.append((low[:, 0] <= truth) & (truth <= high[:, 0]))
    # Of 60 intervals at 90 % 54 are to be expected, give or take 2.3 (one standard deviation).
    assert ((np.sum(held, axis=0) >= 47) & (np.sum(held, axis=0) <= 60)).all()
