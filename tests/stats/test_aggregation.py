from __future__ import annotations

from collections import Counter
from math import log, prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from needs import needs
from realdb.errors import DataError, UsageError
from realdb.stats.aggregation import (
    VALIDITY,
    Fit,
    Round,
    VoteArrays,
    agreement,
    dawid_skene,
    majority_vote,
    one_coin,
    read_round,
    weighted_vote,
)
from realdb.store.store import Store
from refusals import refused

if TYPE_CHECKING:
    import pandas as pd

NO, MAYBE, YES = 0, 1, 2

# Dawid & Skene, Applied Statistics 28 (1979), Table 1: the fitness for anaesthesia of 45 patients,
# graded 1 to 4 by five observers. A line is a patient; observer 1 graded each form three times.
ANAESTHETISTS = """
111 1 1 1 1
333 4 3 3 4
112 2 1 2 2
222 3 1 2 1
222 3 2 2 2
222 3 3 2 2
122 2 1 1 1
333 3 4 3 3
222 2 2 2 3
232 2 2 2 3
444 4 4 4 4
222 3 3 4 3
111 1 1 1 1
222 3 2 1 2
121 1 1 1 1
111 2 1 1 1
111 1 1 1 1
111 1 1 1 1
222 2 2 2 1
222 1 3 2 2
222 2 2 2 2
222 2 2 2 1
222 3 2 2 2
221 2 2 2 2
111 1 1 1 1
111 1 1 1 1
232 2 2 2 2
111 1 1 1 1
111 1 1 1 1
112 1 1 2 1
111 1 1 1 1
333 3 2 3 3
111 1 1 1 1
222 2 2 2 2
222 3 2 3 2
433 4 3 4 3
221 2 2 3 2
232 3 2 3 3
333 3 4 3 2
111 1 1 1 1
111 1 1 1 1
121 2 1 1 1
232 2 2 2 2
121 1 1 1 1
222 2 2 2 2
"""


def votes_of(
    rows: list[tuple[int, int, int]], items: int, raters: int, answers: int = 3
) -> VoteArrays:
    item, rater, answer = np.array(rows, np.int64).reshape(-1, 3).T
    return VoteArrays(
        item=item, rater=rater, answer=answer, items=items, raters=raters, answers=answers
    )


def anaesthetists() -> VoteArrays:
    lines = ANAESTHETISTS.split("\n")[1:-1]
    rows = [
        (patient, observer, int(grade) - 1)
        for patient, line in enumerate(lines)
        for observer, grades in enumerate(line.split())
        for grade in grades
    ]
    return votes_of(rows, 45, 5, 4)


def drawn(
    seed: int, items: int = 60, raters: int = 7, classes: int = 2, answers: int = 3
) -> VoteArrays:
    """Return votes drawn from the model: an item has 0 to 6, a rater may answer it twice."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, items)
    favoured = np.linspace(0, answers - 1, classes).astype(int)
    confusion = rng.dirichlet(np.ones(answers), (raters, classes)) * 0.5
    confusion[:, np.arange(classes), favoured] += 0.5
    item = np.repeat(np.arange(items), rng.integers(0, 7, items))
    rater = rng.integers(0, raters - 1, len(item))  # the last one never answers
    answer = [
        rng.choice(answers, p=confusion[r, truth[i]]) for i, r in zip(item, rater, strict=True)
    ]
    order = rng.permutation(len(item))
    return VoteArrays(
        item=item[order],
        rater=rater[order],
        answer=np.array(answer)[order],
        items=items,
        raters=raters,
        answers=answers,
    )


def some_truth(votes: VoteArrays, classes: int = 2) -> npt.NDArray[np.int64]:
    """Return a truth for every fifth item, -1 for the others."""
    truth = np.full(votes.items, -1)
    truth[::5] = np.arange(len(truth[::5])) % classes
    return truth


# Properties of votes.


def test_invalid_votes_are_refused() -> None:
    with refused(DataError, parameter="answer", row=1, value=3, count=1):
        votes_of([(0, 0, 2), (0, 1, 3)], 1, 2)
    with refused(DataError, parameter="item", row=0, value=-1, count=1):
        votes_of([(-1, 0, 2)], 1, 2)
    whole, short = np.zeros(2, np.int64), np.zeros(1, np.int64)
    with refused(DataError, "int64", parameter="rater", row=None, value=(1,)):
        VoteArrays(item=whole, rater=short, answer=whole, items=1, raters=1, answers=3)
    with refused(DataError, "float64", parameter="answer", row=None, value=(2,)):
        VoteArrays(
            item=whole,
            rater=whole,
            answer=np.zeros(2),  # type: ignore[arg-type]
            items=1,
            raters=1,
            answers=3,
        )


@pytest.mark.parametrize("seed", range(5))
def test_patterns_are_the_distinct_votes(seed: int) -> None:
    votes = drawn(seed)
    codes_of: list[list[int]] = [[] for _ in range(votes.items)]
    for item, rater, answer in zip(votes.item, votes.rater, votes.answer, strict=True):
        codes_of[item].append(3 * int(rater) + int(answer))
    patterns, none = votes.patterns, votes.raters * votes.answers
    columns = [column[column < none].tolist() for column in patterns.code.T]
    assert len(columns) == len({tuple(sorted(codes)) for codes in codes_of})
    assert [columns[pattern] for pattern in patterns.of_item] == [sorted(c) for c in codes_of]
    # The same, code by code.
    stops = [*patterns.start[1:].tolist(), len(patterns.by_code)]
    for code, start, stop in zip(patterns.used, patterns.start, stops, strict=True):
        assert Counter(patterns.by_code[start:stop].tolist()) == {
            pattern: codes.count(code) for pattern, codes in enumerate(columns) if code in codes
        }
    assert set(patterns.used.tolist()) == {code for codes in columns for code in codes}


def test_binary_by_hand() -> None:
    votes = votes_of([(0, 0, NO), (0, 1, MAYBE), (1, 0, YES), (2, 1, MAYBE)], 3, 2)
    assert votes.binary("yes").answer.tolist() == [0, 1, 1, 1]
    assert votes.binary("no").answer.tolist() == [0, 0, 1, 0]
    dropped = votes.binary("drop")
    assert (dropped.item.tolist(), dropped.answer.tolist()) == ([0, 1], [0, 1])
    assert (dropped.items, dropped.raters, dropped.answers) == (3, 2, 2)
    with refused(UsageError, count=2):
        dropped.binary("drop")
    with refused(UsageError, "drop, no, yes", parameter="maybe"):
        votes.binary("half")  # type: ignore[arg-type]


# Shares and weights, by hand.


def test_majority_by_hand() -> None:
    votes = votes_of([(0, 0, YES), (0, 1, MAYBE), (0, 1, YES), (0, 2, NO), (2, 0, MAYBE)], 3, 3)
    assert majority_vote(votes)[:, 1].tolist() == [2.5 / 4, 0.5, 0.5]
    as_classes = majority_vote(votes, soft_label=np.eye(3))
    assert as_classes.tolist() == [[0.25, 0.25, 0.5], [1 / 3] * 3, [0, 1, 0]]


def test_weighted_by_hand() -> None:
    votes = votes_of([(0, 0, YES), (0, 1, NO), (0, 2, MAYBE), (1, 2, YES)], 2, 3)
    assert weighted_vote(votes, [3, 1, 4])[:, 1].tolist() == [5 / 8, 1]
    # The only rater has weight 0.
    assert weighted_vote(votes, [3, 1, 0])[:, 1].tolist() == [3 / 4, 0.5]
    for wrong in ([1, 1], [1, -1, 1], [1, np.nan, 1]):
        with refused(UsageError, "3 ", parameter="weight", count=3):
            weighted_vote(votes, wrong)


def test_agreement_by_hand() -> None:
    votes = votes_of(
        [(0, 0, YES), (1, 0, YES), (2, 0, NO), (0, 1, MAYBE), (1, 1, NO), (2, 2, NO)], 3, 4
    )
    agreed = agreement(votes, [1, 0, -1])
    assert agreed[:2].tolist() == [0.5, 0.75]
    assert np.isnan(agreed[2:]).all()  # one answered nothing that is known, one nothing at all


# EM.


def test_dawid_and_skenes_example() -> None:
    """The published estimates, to the two digits that they are printed with.

    From the paper: the class probabilities and observer 1's error rates. The
    log-likelihood and the patients' grades are ours; the naive EM below and crowd-kit agree.
    """
    fit = dawid_skene(anaesthetists(), soft_label=np.eye(4), tolerance=1e-12)
    assert fit.converged
    assert np.round(fit.prior, 2).tolist() == [0.40, 0.42, 0.11, 0.07]
    assert np.round(fit.confusion[0], 2).tolist() == [
        [0.89, 0.11, 0.00, 0.00],
        [0.07, 0.88, 0.05, 0.00],
        [0.00, 0.34, 0.66, 0.00],
        [0.00, 0.00, 0.56, 0.44],
    ]
    assert fit.log_likelihood[-1] == pytest.approx(-192.891, abs=5e-4)
    grades = fit.posterior.argmax(axis=1) + 1
    assert np.bincount(grades).tolist() == [0, 18, 19, 5, 3]
    assert [patient + 1 for patient in np.flatnonzero(grades == 4)] == [2, 11, 36]
    assert np.round(fit.posterior[37], 2).tolist() == [0, 0.02, 0.98, 0]


def naive_em(
    votes: VoteArrays,
    soft: npt.NDArray[np.float64],
    truth: npt.NDArray[np.int64],
    smoothing: float,
    rounds: int,
    is_one_coin: bool = False,
) -> tuple[list[list[float]], list[float], Any, list[float]]:
    """Run EM item by item with plain products, from the equations."""
    classes = range(soft.shape[1])
    of_item: list[list[tuple[int, int]]] = [[] for _ in range(votes.items)]
    for item, rater, answer in zip(votes.item, votes.rater, votes.answer, strict=True):
        of_item[item].append((int(rater), int(answer)))

    said = {pair for pairs in of_item for pair in pairs}
    answers_of = [
        [a for a in range(votes.answers) if (rater, a) in said] or list(range(votes.answers))
        for rater in range(votes.raters)
    ]

    def clamp(item: int, shares: list[float]) -> list[float]:
        return shares if truth[item] < 0 else [float(k == truth[item]) for k in classes]

    def estimate() -> tuple[list[float], Any]:
        prior = [max(sum(row[k] for row in t) / votes.items, 1e-10) for k in classes]
        counts = np.full((votes.raters, len(classes), votes.answers), float(smoothing))
        for item, pairs in enumerate(of_item):
            for rater, answer in pairs:
                counts[rater, :, answer] += t[item]
        if is_one_coin:
            counts -= smoothing
            for rater, cells in enumerate(counts):
                right, all_votes = np.trace(cells), cells.sum() + 2 * smoothing
                a = (right + smoothing) / all_votes if all_votes else 1 / len(classes)
                a = min(max(a, 1e-10), 1 - 1e-10)
                counts[rater] = (1 - a) / (len(classes) - 1)
                np.fill_diagonal(counts[rater], a)
            return prior, counts
        for rater, answered in enumerate(answers_of):
            counts[rater][:, answered] = np.maximum(counts[rater][:, answered], 1e-10)
        return prior, counts / counts.sum(axis=2, keepdims=True)

    t = [
        clamp(i, [sum(soft[a, k] for _, a in pairs) / len(pairs) for k in classes])
        if pairs
        else clamp(i, [1 / len(classes)] * len(classes))
        for i, pairs in enumerate(of_item)
    ]
    likelihoods = []
    for _ in range(rounds):
        prior, p = estimate()
        joint = [
            [prior[k] * prod(p[r, k, a] for r, a in pairs) for k in classes] for pairs in of_item
        ]
        likelihoods.append(
            sum(log(sum(row) if truth[i] < 0 else row[truth[i]]) for i, row in enumerate(joint))
        )
        t = [clamp(i, [cell / sum(row) for cell in row]) for i, row in enumerate(joint)]
    return (t, *estimate(), likelihoods)


def assert_is_naive(fit: Fit, expected: tuple[Any, ...]) -> None:
    posterior, prior, confusion, likelihoods = expected
    np.testing.assert_allclose(fit.posterior, posterior, atol=1e-9)
    np.testing.assert_allclose(fit.prior, prior, atol=1e-10)
    np.testing.assert_allclose(fit.confusion, confusion, atol=1e-9)
    np.testing.assert_allclose(fit.log_likelihood, likelihoods, rtol=1e-10)
    np.testing.assert_allclose(fit.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(fit.confusion.sum(axis=2), 1)


@pytest.mark.parametrize("is_clamped", [False, True])
@pytest.mark.parametrize("smoothing", [0, 0.7])
@pytest.mark.parametrize(("classes", "answers"), [(2, 3), (3, 3), (2, 2), (4, 4)])
def test_dawid_skene_matches_naive_em(
    classes: int, answers: int, smoothing: float, is_clamped: bool
) -> None:
    soft = VALIDITY if (classes, answers) == (2, 3) else np.eye(classes)
    votes = drawn(classes * answers, classes=classes, answers=answers)
    truth = some_truth(votes, classes) if is_clamped else np.full(votes.items, -1)
    fit = dawid_skene(
        votes,
        soft_label=soft,
        truth=truth,
        smoothing=smoothing,
        tolerance=-np.inf,
        max_iterations=8,
    )
    assert fit.iterations == 8
    assert not fit.converged
    assert_is_naive(fit, naive_em(votes, soft, truth, smoothing, 8))
    for known, row in zip(truth, fit.posterior, strict=True):
        assert known < 0 or row[known] == 1
    # A rater without answers can have any probabilities.
    np.testing.assert_allclose(fit.confusion[-1], 1 / answers)


@pytest.mark.parametrize("is_clamped", [False, True])
@pytest.mark.parametrize("smoothing", [0, 2])
@pytest.mark.parametrize("classes", [2, 3])
def test_one_coin_matches_naive_em(classes: int, smoothing: float, is_clamped: bool) -> None:
    votes = drawn(classes, classes=classes, answers=classes)
    truth = some_truth(votes, classes) if is_clamped else np.full(votes.items, -1)
    fit = one_coin(votes, truth=truth, smoothing=smoothing, tolerance=-np.inf, max_iterations=8)
    assert_is_naive(fit, naive_em(votes, np.eye(classes), truth, smoothing, 8, True))


@pytest.mark.parametrize("smoothing", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_the_objective_never_decreases(seed: int, smoothing: float) -> None:
    votes = drawn(seed, items=200)
    truth = some_truth(votes) if seed % 2 else None
    for fit in (
        dawid_skene(votes, truth=truth, smoothing=smoothing),
        one_coin(votes.binary("drop"), truth=truth, smoothing=smoothing),
    ):
        assert fit.converged
        assert fit.iterations > 3
        assert (np.diff(fit.objective) >= -1e-9).all()
        assert fit.objective[-1] > fit.objective[0]
        if not smoothing:
            assert (fit.objective == fit.log_likelihood).all()


def test_converged_means_that_nothing_changes() -> None:
    votes = drawn(3, items=300)
    fit = dawid_skene(votes, tolerance=1e-13, max_iterations=5000)
    assert fit.converged
    assert fit.tolerance == 1e-13
    further = dawid_skene(votes, tolerance=-np.inf, max_iterations=fit.iterations + 50)
    np.testing.assert_allclose(further.posterior, fit.posterior, atol=1e-4)
    assert further.log_likelihood[: fit.iterations].tolist() == fit.log_likelihood.tolist()
    early = dawid_skene(votes, max_iterations=2)
    assert (early.converged, early.iterations) == (False, 2)


def test_order_and_repetition_do_not_change_the_result() -> None:
    votes = drawn(1)
    order = np.random.default_rng(0).permutation(len(votes.item))
    shuffled = VoteArrays(
        item=votes.item[order],
        rater=votes.rater[order],
        answer=votes.answer[order],
        items=votes.items,
        raters=votes.raters,
        answers=votes.answers,
    )
    fit = dawid_skene(votes)
    for other in (dawid_skene(votes), dawid_skene(shuffled)):
        assert (other.posterior == fit.posterior).all()
        assert (other.confusion == fit.confusion).all()
        assert (other.objective == fit.objective).all()


def test_em_recovers_the_simulated_parameters() -> None:
    rng = np.random.default_rng(5)
    items, raters = 20_000, 10
    truth = (rng.random(items) < 0.3).astype(int)
    sure = np.linspace(0.55, 0.95, raters)
    of_invalid = np.stack([sure, 0.6 * (1 - sure), 0.4 * (1 - sure)], axis=1)
    of_valid = np.stack([0.5 * (1 - sure), 0.5 * (1 - sure), sure], axis=1)
    confusion = np.stack([of_invalid, of_valid], axis=1)
    item = np.repeat(np.arange(items), 5)
    rater = np.argsort(rng.random((items, raters)), axis=1)[:, :5].ravel()
    drawn_at = rng.random(len(item))[:, None]
    answer = (drawn_at > confusion[rater, truth[item]].cumsum(axis=1)).sum(axis=1)
    votes = VoteArrays(item=item, rater=rater, answer=answer, items=items, raters=raters, answers=3)
    fit = dawid_skene(votes)
    np.testing.assert_allclose(fit.prior, [0.7, 0.3], atol=0.015)
    np.testing.assert_allclose(fit.confusion, confusion, atol=0.03)
    by_majority = ((majority_vote(votes)[:, 1] > 0.5) == truth).mean()
    assert ((fit.posterior[:, 1] > 0.5) == truth).mean() > by_majority + 0.005


def test_invalid_arguments_are_refused() -> None:
    votes = drawn(0)
    with refused(UsageError, "3 answers", parameter="soft_label", value=(2, 2)):
        dawid_skene(votes, soft_label=np.eye(2))
    with refused(UsageError, parameter="soft_label", row=1, value=[1.0, 1.0], count=2):
        majority_vote(votes, soft_label=np.array([[0.5, 0.5], [1, 1], [2, -1.5]]))
    with refused(UsageError, parameter="soft_label", row=0, value=[1.5, -0.5], count=1):
        majority_vote(votes, soft_label=np.array([[1.5, -0.5], [0, 1], [1, 0]]))
    with refused(UsageError, "60 items", parameter="truth", value=(2,)):
        dawid_skene(votes, truth=[0, 1])
    with refused(UsageError, "-1 to 2", "0 to 1", parameter="truth", row=10, value=2, count=4):
        dawid_skene(votes, truth=some_truth(votes, 3))
    with refused(UsageError, parameter="smoothing", value=-1):
        dawid_skene(votes, smoothing=-1)
    with refused(UsageError, parameter="max_iterations", value=0):
        one_coin(votes, max_iterations=0)
    with refused(DataError, parameter="votes", count=0):
        dawid_skene(votes_of([], 3, 2))


# The votes of the database.


def test_from_the_table_of_votes(synthetic_store: Store) -> None:
    with synthetic_store.connect(["votes"]) as con:
        for name in ("main", "golden", "expert"):
            found = read_round(con, name)
            votes = found.votes
            rows = zip(
                found.image_id[votes.item].tolist(),
                found.label[votes.item].tolist(),
                found.rater_id[votes.rater].tolist(),
                [("no", "maybe", "yes")[answer] for answer in votes.answer],
                strict=True,
            )
            table = con.execute(
                "select image_id, label, rater_id, answer from votes where round = ?", [name]
            ).fetchall()
            assert sorted(rows) == sorted(table)
        with refused(DataError, "main", column="round", value="another", count=0):
            read_round(con, "another")


def test_truth_and_weights_are_aligned() -> None:
    votes = votes_of([(0, 0, YES), (1, 1, NO), (2, 2, NO)], 3, 3)
    ids = np.array
    asked = Round(
        votes=votes, image_id=ids([1, 1, 7]), label=ids([3, 9, 0]), rater_id=ids([2, 5, 8])
    )
    assert asked.truth([7, 1], [0, 3], [True, False]).tolist() == [0, -1, 1]
    for image, label in ((1, 4), (8, 0), (0, 3), (6, 1000)):
        with refused(DataError, str(label), column="image_id", row=1, value=image, count=1):
            asked.truth([7, image], [0, label], [1, 1])
    assert asked.of_raters([8, 2, 4], [0.5, 0.1, 0.9]).tolist() == [0.1, 0.5, 0.5]
    assert asked.of_raters([8, 2, 5], [0.4, 0.2, np.nan]).tolist() == pytest.approx([0.2, 0.3, 0.4])
    with refused(DataError, parameter="value", count=2):
        asked.of_raters([8, 2], [np.nan, np.nan])


@pytest.fixture(scope="module")
def real_round(real_store: Store) -> Round:
    with real_store.connect(["votes"]) as con:
        return read_round(con)


def test_on_the_real_votes(real_round: Round, real_store: Store) -> None:
    """The result of EM on the paper's votes, compared with the published labels."""
    votes = real_round.votes
    assert (len(votes.item), votes.items, votes.raters) == (924_810, 184_962, 85)
    assert votes.patterns.code.shape == (5, 99_219)
    with real_store.connect(["scores", "votes"]) as con:
        scores = con.execute("select score from scores order by image_id, label").fetchnumpy()
        golden = con.execute(
            "select image_id, label, count_if(answer = 'yes') >= 3 as is_valid from votes "
            "where round = 'expert' group by image_id, label"
        ).fetchnumpy()
    published = scores["score"] >= 0.8
    assert published.sum() == 32_442
    majority = majority_vote(votes)[:, 1] >= 0.8
    assert (majority.sum(), (majority & published).sum()) == (14_111, 14_111)

    fit = dawid_skene(votes)
    assert fit.converged
    assert (np.diff(fit.objective) > 0).all()
    assert fit.log_likelihood[-1] == pytest.approx(-463_886.900, abs=0.01)
    np.testing.assert_allclose(fit.prior, [0.79383, 0.20617], atol=1e-4)
    labels = fit.posterior[:, 1] >= 0.8
    assert labels.sum() == pytest.approx(33_353, abs=5)
    assert (labels == published).mean() == pytest.approx(0.98252, abs=1e-4)

    truth = real_round.truth(golden["image_id"], golden["label"], golden["is_valid"])
    assert np.bincount(truth[truth >= 0]).tolist() == [887, 248]
    clamped = dawid_skene(votes, truth=truth)
    assert clamped.log_likelihood[-1] == pytest.approx(-464_300.404, abs=0.01)
    assert (clamped.posterior[truth >= 0, 1] == truth[truth >= 0]).all()


# crowd-kit, where the models are the same.


def frame(votes: VoteArrays) -> pd.DataFrame:
    return needs("pandas").DataFrame(
        {"task": votes.item, "worker": votes.rater, "label": votes.answer}
    )


def compare(theirs: Any, mine: npt.NDArray[np.float64], votes: VoteArrays) -> None:
    """Compare (items, classes) with crowd-kit's frame of the items that have votes."""
    table = theirs.reindex(columns=range(mine.shape[1])).sort_index()
    assert table.index.tolist() == np.unique(votes.item).tolist()
    expected, found = table.to_numpy(), mine[table.index]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # The same labels, except for ties up to rounding.
    first, second = np.sort(expected, axis=1)[:, :-3:-1].T
    clear = first - second > 1e-6
    assert (found.argmax(axis=1) == expected.argmax(axis=1))[clear].all()
    assert clear.mean() > 0.9


def compact(votes: VoteArrays) -> VoteArrays:
    """Return the votes with the items that have votes, as crowd-kit has no other items."""
    asked, item = np.unique(votes.item, return_inverse=True)
    return VoteArrays(
        item=item,
        rater=votes.rater,
        answer=votes.answer,
        items=len(asked),
        raters=votes.raters,
        answers=votes.answers,
    )


@pytest.fixture
def crowdkit() -> Any:
    return needs("crowdkit.aggregation")


def cases() -> dict[str, VoteArrays]:
    return {
        "three answers as three classes": compact(drawn(1, items=400, classes=3)),
        "maybe is yes": compact(drawn(2, items=400).binary("yes")),
        "maybe is no": compact(drawn(3, items=400).binary("no")),
        "maybe is dropped": compact(drawn(4, items=400).binary("drop")),
        "anaesthetists": anaesthetists(),
    }


pandas_of_its_day = pytest.mark.filterwarnings("ignore")


@pytest.mark.cases(3)
@pandas_of_its_day
@pytest.mark.parametrize("case", cases())
def test_crowdkit_dawid_skene(crowdkit: Any, case: str) -> None:
    votes = cases()[case]
    model = crowdkit.DawidSkene(n_iter=30, tol=-np.inf).fit(frame(votes))
    fit = dawid_skene(votes, soft_label=np.eye(votes.answers), tolerance=-np.inf, max_iterations=30)
    compare(model.probas_, fit.posterior, votes)
    np.testing.assert_allclose(fit.prior, model.priors_.sort_index(), atol=1e-6)
    for (rater, answer), row in model.errors_.iterrows():
        np.testing.assert_allclose(fit.confusion[rater, :, answer], row.sort_index(), atol=1e-6)


@pandas_of_its_day
def test_crowdkit_dawid_skene_with_known_items(crowdkit: Any) -> None:
    pd = needs("pandas")
    votes = cases()["maybe is dropped"]
    truth = some_truth(votes)
    known = pd.Series(truth[truth >= 0], index=np.flatnonzero(truth >= 0))
    model = crowdkit.DawidSkene(n_iter=30, tol=-np.inf).fit(frame(votes), known)
    fit = dawid_skene(
        votes, soft_label=np.eye(2), truth=truth, tolerance=-np.inf, max_iterations=30
    )
    compare(model.probas_, fit.posterior, votes)


@pandas_of_its_day
@pytest.mark.parametrize("case", cases())
def test_crowdkit_one_coin(crowdkit: Any, case: str) -> None:
    votes = cases()[case]
    model = crowdkit.OneCoinDawidSkene(n_iter=20, tol=-np.inf).fit(frame(votes))
    fit = one_coin(votes, tolerance=-np.inf, max_iterations=20)
    compare(model.probas_, fit.posterior, votes)
    skills = model.skills_.sort_index()
    np.testing.assert_allclose(fit.confusion[skills.index, 0, 0], skills, atol=1e-6)


@pandas_of_its_day
@pytest.mark.parametrize("case", cases())
def test_crowdkit_majority(crowdkit: Any, case: str) -> None:
    votes = cases()[case]
    theirs = crowdkit.MajorityVote().fit_predict_proba(frame(votes))
    shares = majority_vote(votes, soft_label=np.eye(votes.answers))
    np.testing.assert_allclose(shares, theirs.sort_index().sort_index(axis=1), atol=1e-12)


@pandas_of_its_day
def test_crowdkit_weights_by_agreement_with_the_majority(crowdkit: Any) -> None:
    votes = cases()["three answers as three classes"]
    # crowd-kit counts a rater's equal answers to an item once: leave the repeated ones out.
    once = np.unique(votes.item * votes.raters + votes.rater, return_index=True)[1]
    rows = zip(votes.item[once], votes.rater[once], votes.answer[once], strict=True)
    votes = votes_of(list(rows), votes.items, votes.raters)
    soft = np.eye(3)
    # crowd-kit gives a tie to the first class.
    majority = crowdkit.MajorityVote().fit_predict(frame(votes)).sort_index()
    weight = agreement(votes, majority.to_numpy(), soft_label=soft)
    skills = crowdkit.Wawa().fit(frame(votes)).skills_.sort_index()
    np.testing.assert_allclose(weight[skills.index], skills, atol=1e-12)
    # What Wawa does with the skills; its own fit_predict_proba fails with newer scikit-learns.
    theirs = crowdkit.MajorityVote().fit_predict_proba(frame(votes), skills)
    weighted = weighted_vote(votes, np.nan_to_num(weight), soft_label=soft)
    np.testing.assert_allclose(weighted, theirs.sort_index().sort_index(axis=1), atol=1e-12)


@pandas_of_its_day
@pytest.mark.parametrize("maybe", [None, "yes"])
def test_crowdkit_on_the_real_votes(crowdkit: Any, real_round: Round, maybe: Any) -> None:
    votes = real_round.votes.binary(maybe) if maybe else real_round.votes
    model = crowdkit.DawidSkene(n_iter=5, tol=-np.inf).fit(frame(votes))
    fit = dawid_skene(votes, soft_label=np.eye(votes.answers), tolerance=-np.inf, max_iterations=5)
    compare(model.probas_, fit.posterior, votes)


@pandas_of_its_day
def test_crowdkit_stops_early_by_default(crowdkit: Any, real_round: Round) -> None:
    """Its loss falls on these votes, and it stops where the loss rises by less than `tol`."""
    votes = real_round.votes.binary("no")
    fit = dawid_skene(votes, soft_label=np.eye(2))
    assert fit.converged

    def kept(tol: float, n_iter: int) -> tuple[int, Any]:
        model = crowdkit.DawidSkene(n_iter=n_iter, tol=tol).fit(frame(votes))
        posterior = model.probas_.sort_index().sort_index(axis=1).to_numpy()
        return len(model.loss_history_), posterior

    for tol in (1e-5, 0):
        iterations, posterior = kept(tol, 100)
        assert iterations == 2
        is_other = (posterior[:, 1] >= 0.8) != (fit.posterior[:, 1] >= 0.8)
        assert is_other.sum() == 2_829
    iterations, posterior = kept(-1, 22)
    assert iterations == 22
    np.testing.assert_allclose(posterior, fit.posterior, atol=2e-10)
    assert ((posterior[:, 1] >= 0.8) == (fit.posterior[:, 1] >= 0.8)).all()
