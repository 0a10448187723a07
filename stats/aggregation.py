"""Other ways to make labels of the same votes: shares, weights, Dawid & Skene, one coin.

What raters are asked about is an item, what it truly is a class. Items, raters, answers and classes
are numbers from 0. With the votes of the database an item is a question, (image, label); the
answers are no, maybe, yes; the classes are invalid and valid; and a question's score is what a
method gives for class 1: `posterior[:, 1]`.

    main = read_round(con, "main")
    fit = dawid_skene(main.votes)
    main.image_id, main.label, fit.posterior[:, 1]

Nothing here draws random numbers: the same votes give the same result.

Two items whose raters and answers are the same get the same posterior, whatever the model. The
924,810 real votes on 184,962 questions make 99,219 such patterns, and EM runs on those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ..errors import DataError, UsageError

if TYPE_CHECKING:
    import duckdb

_Ints = npt.NDArray[np.intp]
_Floats = npt.NDArray[np.float64]

ANSWERS = ("no", "maybe", "yes")
# The soft label of each answer, (answers, classes): a 'maybe' is half a yes and half a no.
VALIDITY: _Floats = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
VALIDITY.flags.writeable = False
# A count below this is raised to it, so that no vote is impossible; crowd-kit does the same.
_LEAST = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class VoteArrays:
    """VoteArrays, one a place in `item`, `rater` and `answer`, int (votes,) each, in any order.

    There are `items` items, `raters` raters and `answers` answers; a rater may have answered an
    item not at all, once, or several times, and an item may have no vote.
    Raises DataError where the three arrays are no lists of such numbers.
    """

    item: _Ints
    rater: _Ints
    answer: _Ints
    items: int
    raters: int
    answers: int

    def __post_init__(self) -> None:
        for name, count in (("item", self.items), ("rater", self.raters), ("answer", self.answers)):
            values = np.asarray(getattr(self, name))
            if values.ndim != 1 or values.dtype.kind not in "iu" or len(values) != len(self.item):
                raise DataError(
                    f"`{name}` is {values.dtype} of shape {values.shape}; item, rater and answer "
                    "must be lists of integers, equally long",
                    parameter=name,
                    value=values.shape,
                )
            outside = np.flatnonzero((values < 0) | (values >= count))
            if len(outside):
                raise DataError(
                    f"`{name}` is {values[outside[0]]} in vote {outside[0]}, counted from 0; there "
                    f"are {count:,}, from 0 to {count - 1:,} ({len(outside):,} such votes)",
                    row=int(outside[0]),
                    value=values[outside[0]],
                    count=len(outside),
                    parameter=name,
                )
            object.__setattr__(self, name, values.astype(np.intp, copy=False))

    @cached_property
    def patterns(self) -> Patterns:
        """The distinct sets of (rater, answer) that items have; found once, then kept."""
        return _patterns(self)

    def binary(self, maybe: Literal["drop", "no", "yes"]) -> VoteArrays:
        """Return votes of the two answers no and yes, made of no, maybe and yes.

        A 'maybe' is left out, or counts as a no, or as a yes. Items and raters keep their numbers.
        """
        if self.answers != len(ANSWERS):
            raise UsageError(
                f"these votes have {self.answers} answers, and binary() takes no, maybe and yes",
                count=self.answers,
                parameter="votes",
            )
        if maybe not in ("drop", "no", "yes"):
            raise UsageError(
                f"`maybe` is {maybe!r}",
                value=maybe,
                parameter="maybe",
                remedy="It is one of drop, no, yes",
            )
        kept = self.answer != 1 if maybe == "drop" else np.ones(len(self.answer), np.bool_)
        yes = self.answer >= (1 if maybe == "yes" else 2)
        return VoteArrays(
            item=self.item[kept],
            rater=self.rater[kept],
            answer=yes[kept].astype(np.intp),
            items=self.items,
            raters=self.raters,
            answers=2,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Patterns:
    """The distinct votes on an item, and which items have them.

    A code is rater * answers + answer. `code`, int (most votes on an item, patterns), holds a
    pattern's codes in a column, ascending, filled up with raters * answers, which means no vote;
    `of_item`, int (items,), is the pattern of each item.
    `by_code`, int (codes in all patterns,), lists the patterns once more, code by code: those that
    hold `used[i]` begin at `start[i]`.
    """

    code: _Ints
    of_item: _Ints
    by_code: _Ints
    used: _Ints
    start: _Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """The votes of one round, and what its items and raters are in the database.

    `image_id` and `label`, int (items,), ascend; so does `rater_id`, int (raters,).
    """

    votes: VoteArrays
    image_id: _Ints
    label: _Ints
    rater_id: _Ints

    def truth(self, image_id: npt.ArrayLike, label: npt.ArrayLike, valid: npt.ArrayLike) -> _Ints:
        """Return the known class of each item, int (items,): 1 valid, 0 invalid, -1 not known.

        The arguments are the known questions, (n,) each. Raises DataError where one of them is no
        item.
        """
        image, asked = np.asarray(image_id), np.asarray(label)
        items = _key(self.image_id, self.label)
        place = np.minimum(np.searchsorted(items, _key(image, asked)), len(items) - 1)
        absent = np.flatnonzero((self.image_id[place] != image) | (self.label[place] != asked))
        if len(absent):
            raise DataError(
                f"image {image[absent[0]]}, label {asked[absent[0]]} has no votes in this round "
                f"({len(absent):,} such questions)",
                row=int(absent[0]),
                column="image_id",
                value=image[absent[0]],
                count=len(absent),
            )
        truth = np.full(self.votes.items, -1, np.intp)
        truth[place] = np.asarray(valid, np.intp)
        return truth

    def of_raters(self, rater_id: npt.ArrayLike, value: npt.ArrayLike) -> _Floats:
        """Return the value of each rater here, (raters,), out of values of raters by id.

        A rater who has none, or NaN, gets the mean of these values: the rule that the published
        scores follow with the seven raters who answered no golden question.
        Raises DataError where there is no value.
        """
        values = np.asarray(value, np.float64)
        if np.isnan(values).all():
            raise DataError(
                f"none of {values.size:,} raters has a value to weigh their votes by",
                count=values.size,
                parameter="value",
            )
        known = dict(zip(np.asarray(rater_id).tolist(), values.tolist(), strict=True))
        found = np.array([known.get(rater, np.nan) for rater in self.rater_id.tolist()])
        return np.where(np.isnan(found), np.nanmean(values), found)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What EM found.

    posterior: (items, classes), P(class | the item's votes); rows sum to 1
    prior: (classes,), P(class)
    confusion: (raters, classes, answers), P(answer | rater, class); a rater without votes has
        equal probabilities
    log_likelihood: (iterations,), nats: ln P(all votes, and the known truths) under the
        probabilities that the posterior of that iteration was computed with
    objective: (iterations,), what EM raises: the log-likelihood, and with smoothing the log
        density, but for a constant, of the prior that the smoothing stands for. It never falls,
        but for rounding
    converged: the objective's last gain was at most `tolerance` nats a vote

    `prior` and `confusion` are estimated from `posterior`, once more after the last iteration.
    """

    posterior: _Floats
    prior: _Floats
    confusion: _Floats
    log_likelihood: _Floats
    objective: _Floats
    converged: bool
    tolerance: float

    @property
    def iterations(self) -> int:
        """How many times the posterior was computed."""
        return len(self.objective)


def read_round(con: duckdb.DuckDBPyConnection, name: str = "main") -> Round:
    """Read one round of the table votes: main, golden or expert; answers are no, maybe, yes."""
    rows = con.execute(
        "select image_id, label, rater_id, cast(case answer when 'no' then 0 when 'maybe' then 1 "
        "else 2 end as tinyint) as answer from votes where round = $round",
        {"round": name},
    ).fetchnumpy()
    if not len(rows["answer"]):
        raise DataError(
            f"the store has no votes of the round {name!r}",
            column="round",
            value=name,
            count=0,
            parameter="name",
            remedy="The rounds are main (raters.npz), golden (raters_golden.npz) and expert "
            "(golden.npz)",
        )
    asked = _key(rows["image_id"], rows["label"])
    _, first, item = np.unique(asked, return_index=True, return_inverse=True)
    rater_id, rater = np.unique(rows["rater_id"], return_inverse=True)
    votes = VoteArrays(
        item=item,
        rater=rater,
        answer=rows["answer"],
        items=len(first),
        raters=len(rater_id),
        answers=len(ANSWERS),
    )
    return Round(
        votes=votes,
        image_id=rows["image_id"][first].astype(np.intp),
        label=rows["label"][first].astype(np.intp),
        rater_id=rater_id.astype(np.intp),
    )


def majority_vote(votes: VoteArrays, *, soft_label: npt.ArrayLike = VALIDITY) -> _Floats:
    """Return the share of its votes that each class has on each item, (items, classes).

    `soft_label`, (answers, classes) with rows that sum to 1, says how far an answer speaks for each
    class; by default a 'maybe' is half a yes. A share over one half is the majority's; one half is
    a tie. Where an item has no vote the classes share equally.
    """
    weight = np.ones(votes.raters)
    return _of_items(votes, _shares(votes, weight, _soft_label(votes, soft_label)))


def weighted_vote(
    votes: VoteArrays, weight: npt.ArrayLike, *, soft_label: npt.ArrayLike = VALIDITY
) -> _Floats:
    """Return what majority_vote does, each vote counted by its rater's weight, (raters,).

    Weights are finite and not negative. With each rater's `agreement` with the majority's labels
    this is crowd-kit's Wawa. Where an item's weights sum to 0 the classes share equally.
    """
    values = np.asarray(weight, np.float64)
    if values.shape != (votes.raters,) or not (np.isfinite(values) & (values >= 0)).all():
        raise UsageError(
            f"`weight` must be {votes.raters} numbers, finite and not negative",
            count=votes.raters,
            parameter="weight",
        )
    return _of_items(votes, _shares(votes, values, _soft_label(votes, soft_label)))


def agreement(
    votes: VoteArrays, truth: npt.ArrayLike, *, soft_label: npt.ArrayLike = VALIDITY
) -> _Floats:
    """Return the share of each rater's votes that agree with the truth, (raters,).

    `truth`, int (items,), is each item's class, -1 where it is not known: votes on such an item do
    not count. A vote agrees as far as its soft label says: a 'maybe' by half, whatever the class.
    NaN for a rater who has no vote that counts.
    """
    soft = _soft_label(votes, soft_label)
    of_vote = _truth(votes, truth, soft.shape[1])[votes.item]
    counts = of_vote >= 0
    rater = votes.rater[counts]
    agreed = np.bincount(rater, soft[votes.answer[counts], of_vote[counts]], votes.raters)
    number = np.bincount(rater, minlength=votes.raters)
    shares: _Floats = np.full(votes.raters, np.nan)
    return np.divide(agreed, number, out=shares, where=number > 0)


def dawid_skene(
    votes: VoteArrays,
    *,
    soft_label: npt.ArrayLike = VALIDITY,
    truth: npt.ArrayLike | None = None,
    smoothing: float = 0.0,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
) -> Fit:
    """Estimate the classes and each rater's P(answer | class) together, by EM.

    The model: an item's class is drawn from the prior; by its class, the answers are
    independent, each drawn with its rater's probabilities. EM begins with the shares of
    majority_vote, so `soft_label`, (answers, classes), also says how many classes there are and
    which is which: VALIDITY for two classes and three answers, np.eye(n) where the answers are the
    classes.

    `truth`, int (items,), clamps the posterior of items whose class is known; -1: not known.
    `smoothing` is added to every count of (rater, class, answer) before it is divided; the prior is
    not smoothed. With 0 it is maximum likelihood; a count below 1e-10 of an answer that the rater
    gives at all is raised to that, as in crowd-kit.
    It ends when the objective gains at most `tolerance` nats a vote, or after `max_iterations`;
    with a tolerance of -inf always after those.

    Source: Dawid & Skene, Maximum likelihood estimation of observer error-rates using the EM
    algorithm, Applied Statistics 28 (1979), 20-28: equations 2.3 to 2.5, begun with 3.1.
    """
    values = np.zeros((votes.raters, 1, votes.answers), np.bool_)
    values[votes.rater, 0, votes.answer] = True
    values |= ~values.any(axis=2, keepdims=True)
    least = np.where(values, _LEAST, 0.0)

    def update(counts: _Floats) -> tuple[_Floats, float]:
        raised = np.maximum(counts + smoothing, least)
        confusion = raised / raised.sum(axis=2, keepdims=True)
        return confusion, smoothing * float(np.log(confusion).sum()) if smoothing else 0.0

    soft = _soft_label(votes, soft_label)
    return _em(votes, update, soft, truth, smoothing, tolerance, max_iterations)


def one_coin(
    votes: VoteArrays,
    *,
    truth: npt.ArrayLike | None = None,
    smoothing: float = 0.0,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
) -> Fit:
    """Estimate the classes and one accuracy a rater together, by EM.

    A rater gives the item's class with a probability of their own, and each other class with an
    equal part of the rest: `fit.confusion[:, 0, 0]` is the accuracy. The answers are the classes,
    so a 'maybe' has to mean something first: `votes.binary(maybe="drop")` leaves it out, as if not
    said. An item without votes gets the prior.

    `smoothing` is added to each rater's right and to their wrong votes; the rest as in dawid_skene.

    Source: the one-coin model of Zhang, Chen, Zhou & Jordan, Spectral methods meet EM: a provably
    optimal algorithm for crowdsourcing, JMLR 17 (2016), 1-44.
    """
    classes = votes.answers

    def update(counts: _Floats) -> tuple[_Floats, float]:
        right = np.einsum("rkk->r", counts) + smoothing
        wrong = counts.sum(axis=(1, 2)) + 2 * smoothing - right
        total = right + wrong
        accuracy = np.divide(right, total, out=np.full(votes.raters, 1 / classes), where=total > 0)
        accuracy = np.clip(accuracy, _LEAST, 1 - _LEAST)
        others = (1 - accuracy) / (classes - 1)
        confusion = np.where(
            np.eye(classes, dtype=np.bool_), accuracy[:, None, None], others[:, None, None]
        )
        density = np.log(accuracy) + np.log1p(-accuracy)
        return confusion, smoothing * float(density.sum())

    return _em(votes, update, np.eye(classes), truth, smoothing, tolerance, max_iterations)


def _em(
    votes: VoteArrays,
    update: Callable[[_Floats], tuple[_Floats, float]],
    soft_label: _Floats,
    truth: npt.ArrayLike | None,
    smoothing: float,
    tolerance: float,
    max_iterations: int,
) -> Fit:
    """Run EM on the patterns of `votes`.

    `update` makes P(answer | rater, class), (raters, classes, answers), of counts of that shape,
    and gives the log density of the prior that its smoothing stands for.
    """
    if not (np.isfinite(smoothing) and smoothing >= 0):
        raise UsageError(
            f"`smoothing` is {smoothing}; it must be finite and not negative",
            parameter="smoothing",
            value=smoothing,
        )
    if max_iterations < 1:
        raise UsageError(
            f"`max_iterations` is {max_iterations}; it must be at least 1",
            parameter="max_iterations",
            value=max_iterations,
        )
    if not votes.items or not len(votes.item):
        raise DataError("there are no votes to aggregate", count=0, parameter="votes")
    classes, codes = soft_label.shape[1], votes.raters * votes.answers
    known = _truth(votes, -np.ones(votes.items, np.intp) if truth is None else truth, classes)
    patterns = votes.patterns
    # The counts if every item whose class is not known were of class 0; its patterns' weight then
    # moves from there to the other classes, so that nothing needs to be summed for class 0.
    number = np.bincount(patterns.of_item[known < 0], minlength=patterns.code.shape[1])
    free = number.astype(np.float64)
    assumed = np.maximum(known, 0)
    base_items = np.bincount(assumed, minlength=classes).astype(np.float64)
    code = assumed[votes.item] * codes + votes.rater * votes.answers + votes.answer
    base = np.bincount(code, minlength=classes * codes).reshape(classes, codes).astype(np.float64)
    # The large arrays in between, made once: new memory at every step costs more than the sums.
    room = np.empty(patterns.code.shape)

    def estimate(posterior: _Floats) -> tuple[_Floats, _Floats, float]:
        of_items, counts = base_items.copy(), base.copy()
        for k in range(1, classes):
            weight = posterior[k] * free
            moved = _sum_by_code(patterns, weight, codes, room)
            counts[k] += moved
            counts[0] -= moved
            of_items[k] += weight.sum()
            of_items[0] -= weight.sum()
        prior = np.maximum(of_items / votes.items, _LEAST)
        by_rater = counts.reshape(classes, votes.raters, votes.answers).swapaxes(0, 1)
        return prior, *update(by_rater)

    posterior = _shares(votes, np.ones(votes.raters), soft_label)
    likelihoods: list[float] = []
    objectives: list[float] = []
    converged = False
    while not converged and len(objectives) < max_iterations:
        prior, confusion, log_density = estimate(posterior)
        # A probability of 0 is that of an answer that no vote is: its logarithm is not asked for.
        log_p = np.log(confusion, out=np.zeros(confusion.shape), where=confusion > 0)
        log_p = log_p.swapaxes(0, 1).reshape(classes, codes)
        posterior, log_ratio = _posterior(patterns, np.log(prior), log_p, room)
        likelihoods.append(
            # Not a dot product: BLAS would share it among threads, and wait longer than it sums.
            float((free * log_ratio).sum())
            + float((base * log_p).sum())
            + float((base_items * np.log(prior)).sum())
        )
        objectives.append(likelihoods[-1] + log_density)
        if len(objectives) > 1:
            converged = objectives[-1] - objectives[-2] <= tolerance * len(votes.item)
    prior, confusion, _ = estimate(posterior)
    of_items = _of_items(votes, posterior)
    of_items[known >= 0] = np.eye(classes)[known[known >= 0]]
    return Fit(
        posterior=of_items,
        prior=prior,
        confusion=confusion,
        log_likelihood=np.array(likelihoods),
        objective=np.array(objectives),
        converged=converged,
        tolerance=tolerance,
    )


def _posterior(
    patterns: Patterns, log_prior: _Floats, log_p: _Floats, room: _Floats
) -> tuple[_Floats, _Floats]:
    """Return P(class | votes), (classes, patterns), and ln P(votes) - ln P(votes, class 0).

    The latter is (patterns,). `log_p`, (classes, codes), is ln P(answer | rater, class); `room`, of
    the shape of the patterns' codes, is written over.
    """
    joint = np.zeros((len(log_prior), patterns.code.shape[1]))
    for k in range(1, len(log_prior)):
        _add_up(patterns, log_p[k] - log_p[0], out=joint[k], room=room)
        joint[k] += log_prior[k] - log_prior[0]
    highest = joint.max(axis=0)
    joint -= highest
    np.exp(joint, out=joint)
    total = joint.sum(axis=0)
    joint /= total
    np.log(total, out=total)
    total += highest
    return joint, total


def _add_up(patterns: Patterns, table: _Floats, *, out: _Floats, room: _Floats) -> None:
    """Write into `out`, (patterns,), the sum over a pattern's codes of the table, (codes,)."""
    # With its default mode, take would make a copy of `room` first.
    np.append(table, 0.0).take(patterns.code, out=room, mode="clip")
    room.sum(axis=0, out=out)


def _sum_by_code(patterns: Patterns, weight: _Floats, codes: int, room: _Floats) -> _Floats:
    """Return, for each code, the sum of the weights, (patterns,), of the patterns that hold it."""
    sums = np.zeros(codes)
    if len(patterns.used):
        held = room.ravel()[: len(patterns.by_code)]
        weight.take(patterns.by_code, out=held, mode="clip")
        sums[patterns.used] = np.add.reduceat(held, patterns.start)
    return sums


def _shares(votes: VoteArrays, weight: _Floats, soft_label: _Floats) -> _Floats:
    """Return each class's share of a pattern's weighted votes, (classes, patterns)."""
    classes = soft_label.shape[1]
    sums = np.empty((classes, votes.patterns.code.shape[1]))
    room = np.empty(votes.patterns.code.shape)
    for k in range(classes):
        table = weight[:, None] * soft_label[:, k]
        _add_up(votes.patterns, table.ravel(), out=sums[k], room=room)
    total = sums.sum(axis=0)
    shares: _Floats = np.full(sums.shape, 1 / classes)
    np.divide(sums, total, out=shares, where=total > 0)
    return shares


def _of_items(votes: VoteArrays, of_patterns: _Floats) -> _Floats:
    """Return what patterns have, (classes, patterns), for the items, (items, classes)."""
    return np.ascontiguousarray(of_patterns.T[votes.patterns.of_item])


def _patterns(votes: VoteArrays) -> Patterns:
    code = votes.rater * votes.answers + votes.answer
    none = votes.raters * votes.answers
    order = np.lexsort((code, votes.item))
    number = np.bincount(votes.item, minlength=votes.items)
    begin = np.cumsum(number) - number
    item = votes.item[order]
    table = np.full((number.max(initial=0), votes.items), none, np.intp)
    table[np.arange(len(item)) - begin[item], item] = code[order]
    # Number the columns row by row: two items are in one pattern if they were so far, and have
    # this code too. The numbers stay below items * (none + 1).
    of_item = np.zeros(votes.items, np.intp)
    for row in table:
        of_item = np.unique(of_item * (none + 1) + row, return_inverse=True)[1]
    an_item = np.empty(of_item.max(initial=-1) + 1, np.intp)
    an_item[of_item] = np.arange(votes.items)
    distinct = np.ascontiguousarray(table[:, an_item])
    flat = distinct.ravel()
    by_code = np.argsort(flat, kind="stable")
    by_code = by_code[: np.count_nonzero(flat < none)]
    used, start = np.unique(flat[by_code], return_index=True)
    return Patterns(
        code=distinct,
        of_item=of_item,
        by_code=by_code % max(distinct.shape[1], 1),
        used=used,
        start=start,
    )


def _soft_label(votes: VoteArrays, values: npt.ArrayLike) -> _Floats:
    """Return `values` as (answers, classes); UsageError where it is not of such a shape."""
    soft = np.asarray(values, np.float64)
    if soft.ndim != 2 or len(soft) != votes.answers or soft.shape[1] < 2:
        raise UsageError(
            f"`soft_label` has the shape {soft.shape}, and these votes have {votes.answers} "
            f"answers: it takes {votes.answers} rows, with a column for each class",
            parameter="soft_label",
            value=soft.shape,
            remedy=f"Use np.eye({votes.answers}) where the answers are the classes",
        )
    is_share = (soft >= 0).all(axis=1) & np.isclose(soft.sum(axis=1), 1)
    if not is_share.all():
        wrong = np.flatnonzero(~is_share)
        row = int(wrong[0])
        raise UsageError(
            f"row {row} of `soft_label`, counted from 0, sums to {soft[row].sum():g}: an answer's "
            "shares of the classes are not negative and sum to 1",
            row=row,
            value=soft[row].tolist(),
            count=len(wrong),
            parameter="soft_label",
        )
    return soft


def _truth(votes: VoteArrays, values: npt.ArrayLike, classes: int) -> _Ints:
    """Return `values` as int (items,), -1 to classes - 1; UsageError where it is not."""
    truth = np.asarray(values)
    if truth.shape != (votes.items,) or truth.dtype.kind not in "iu":
        raise UsageError(
            f"`truth` is {truth.dtype} of shape {truth.shape}: it takes an integer for each of the "
            f"{votes.items:,} items, -1 where its class is not known",
            parameter="truth",
            value=truth.shape,
        )
    outside = np.flatnonzero((truth < -1) | (truth >= classes))
    if len(outside):
        raise UsageError(
            f"`truth` goes from {truth.min()} to {truth.max()}: a class is 0 to {classes - 1}, "
            "or -1 where it is not known",
            row=int(outside[0]),
            value=truth[outside[0]],
            count=len(outside),
            parameter="truth",
        )
    return truth.astype(np.intp, copy=False)


def _key(image_id: npt.NDArray[np.integer], label: npt.NDArray[np.integer]) -> _Ints:
    """Return one number for each question, which sorts as (image_id, label) does."""
    return image_id.astype(np.intp) * 1000 + label
