"""Other methods to aggregate the votes: shares, weights, Dawid & Skene, one coin.

Raters answer questions about items, and an item has a true class. Items, raters, answers and
classes are numbers from 0. In the database an item is a question, (image, label). The answers are
no, maybe, yes, and the classes are invalid and valid. A question's score is the probability of
class 1: `posterior[:, 1]`.

    main = read_round(con, "main")
    fit = dawid_skene(main.votes)
    main.image_id, main.label, fit.posterior[:, 1]

The methods use no random numbers: the same votes give the same result.

Two items with the same raters and answers have the same posterior in every model. The 924,810 real
votes on 184,962 questions have 99,219 such patterns. EM runs on the patterns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ..errors import DataError, UsageError, counted

if TYPE_CHECKING:
    import duckdb

_Ints = npt.NDArray[np.intp]
_Floats = npt.NDArray[np.float64]

ANSWERS = ("no", "maybe", "yes")
# The soft label of each answer, (answers, classes): a 'maybe' is half a yes and half a no.
VALIDITY: _Floats = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
VALIDITY.flags.writeable = False
# The minimum of a count. It keeps every vote possible, as in crowd-kit.
_LEAST = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class VoteArrays:
    """Votes as three arrays `item`, `rater` and `answer`, int (votes,) each, in any order.

    `items`, `raters` and `answers` are the numbers of items, raters and answers. A rater may have
    any number of votes on an item, and an item may have no vote. Raises DataError if the arrays
    have another shape or type, or a number is out of range.
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
                    f"`{name}` has type {values.dtype} and shape {values.shape}. item, rater and "
                    "answer must be lists of integers of the same length",
                    parameter=name,
                    value=values.shape,
                )
            outside = np.flatnonzero((values < 0) | (values >= count))
            if len(outside):
                raise DataError(
                    f"`{name}` has {counted(len(outside), 'value')} outside 0 to {count - 1:,} "
                    f"(first: {values[outside[0]]} in vote {outside[0]}; votes count from 0)",
                    row=int(outside[0]),
                    value=values[outside[0]],
                    count=len(outside),
                    parameter=name,
                )
            object.__setattr__(self, name, values.astype(np.intp, copy=False))

    @cached_property
    def patterns(self) -> Patterns:
        """The distinct sets of (rater, answer) of items. Computed once and cached."""
        return _patterns(self)

    def binary(self, maybe: Literal["drop", "no", "yes"]) -> VoteArrays:
        """Return the votes with only two answers, no and yes.

        `maybe` is drop (leave these votes out), no or yes. Items and raters keep their numbers.
        """
        if self.answers != len(ANSWERS):
            raise UsageError(
                f"binary() needs votes with the answers no, maybe and yes, but these have "
                f"{counted(self.answers, 'answer')}",
                count=self.answers,
                parameter="votes",
            )
        if maybe not in ("drop", "no", "yes"):
            raise UsageError(
                f"`maybe` is {maybe!r}. It must be one of drop, no, yes",
                value=maybe,
                parameter="maybe",
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
    """The distinct sets of votes on an item, called patterns, and the pattern of each item.

    A code is rater * answers + answer. A column of `code`, int (most votes on an item, patterns),
    has the codes of a pattern in ascending order, padded with raters * answers, which means no
    vote. `of_item`, int (items,), is the pattern of each item. `by_code`, int (codes in all
    patterns,), lists patterns by code: the patterns with the code `used[i]` begin at `start[i]`.
    """

    code: _Ints
    of_item: _Ints
    by_code: _Ints
    used: _Ints
    start: _Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """The votes of one round, with the ids of its items and raters in the database.

    `image_id` and `label`, int (items,), are in ascending order, and so is `rater_id`, int
    (raters,).
    """

    votes: VoteArrays
    image_id: _Ints
    label: _Ints
    rater_id: _Ints

    def truth(self, image_id: npt.ArrayLike, label: npt.ArrayLike, valid: npt.ArrayLike) -> _Ints:
        """Return the known class of each item, int (items,): 1 valid, 0 invalid, -1 unknown.

        The arguments are the known questions, (n,) each. Raises DataError if one of them is not an
        item.
        """
        image, asked = np.asarray(image_id), np.asarray(label)
        items = _key(self.image_id, self.label)
        place = np.minimum(np.searchsorted(items, _key(image, asked)), len(items) - 1)
        absent = np.flatnonzero((self.image_id[place] != image) | (self.label[place] != asked))
        if len(absent):
            raise DataError(
                f"{counted(len(absent), 'question')} without votes in this round (first: image "
                f"{image[absent[0]]}, label {asked[absent[0]]})",
                row=int(absent[0]),
                column="image_id",
                value=image[absent[0]],
                count=len(absent),
            )
        truth = np.full(self.votes.items, -1, np.intp)
        truth[place] = np.asarray(valid, np.intp)
        return truth

    def of_raters(self, rater_id: npt.ArrayLike, value: npt.ArrayLike) -> _Floats:
        """Return the value of each rater of the round, (raters,), from values by rater id.

        A rater without a value, or with NaN, gets the mean of the values. The published scores use
        this rule for the seven raters who answered no golden question. Raises DataError if there
        is no value.
        """
        values = np.asarray(value, np.float64)
        if np.isnan(values).all():
            raise DataError(
                f"none of {counted(values.size, 'rater')} has a value for the weight of the votes",
                count=values.size,
                parameter="value",
            )
        known = dict(zip(np.asarray(rater_id).tolist(), values.tolist(), strict=True))
        found = np.array([known.get(rater, np.nan) for rater in self.rater_id.tolist()])
        return np.where(np.isnan(found), np.nanmean(values), found)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """The result of EM.

    posterior: (items, classes), P(class | the item's votes); rows sum to 1
    prior: (classes,), P(class)
    confusion: (raters, classes, answers), P(answer | rater, class); equal probabilities for a rater
        without votes
    log_likelihood: (iterations,), nats: ln P(all votes and known classes) with the probabilities
        that the posterior of the iteration was computed from
    objective: (iterations,), the function that EM maximizes: the log-likelihood, plus the log
        density (up to a constant) of the prior that the smoothing implies. It never decreases,
        except by rounding
    converged: the last gain of the objective was at most `tolerance` nats per vote

    `prior` and `confusion` are estimated from the final `posterior`.
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
        """The number of times that the posterior was computed."""
        return len(self.objective)


def read_round(con: duckdb.DuckDBPyConnection, name: str = "main") -> Round:
    """Read one round of the table votes: main, golden or expert. Answers are no, maybe, yes."""
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
    """Return each class's share of the votes on each item, (items, classes).

    `soft_label`, (answers, classes), has the shares of each answer in the classes; rows sum to 1.
    By default a 'maybe' is half a yes. A share over one half is a majority; one half is a tie. The
    shares of an item without votes are equal.
    """
    weight = np.ones(votes.raters)
    return _of_items(votes, _shares(votes, weight, _soft_label(votes, soft_label)))


def weighted_vote(
    votes: VoteArrays, weight: npt.ArrayLike, *, soft_label: npt.ArrayLike = VALIDITY
) -> _Floats:
    """Return majority_vote with the votes of each rater weighted by `weight`, (raters,).

    Weights are finite and not negative. With each rater's `agreement` with the majority's labels
    this is crowd-kit's Wawa. If the weights of an item sum to 0, its shares are equal.
    """
    values = np.asarray(weight, np.float64)
    if values.shape != (votes.raters,) or not (np.isfinite(values) & (values >= 0)).all():
        raise UsageError(
            f"`weight` must have {counted(votes.raters, 'finite number')}, one for each rater, and "
            "no negative one",
            count=votes.raters,
            parameter="weight",
        )
    return _of_items(votes, _shares(votes, values, _soft_label(votes, soft_label)))


def agreement(
    votes: VoteArrays, truth: npt.ArrayLike, *, soft_label: npt.ArrayLike = VALIDITY
) -> _Floats:
    """Return the share of each rater's votes that agree with the truth, (raters,).

    `truth`, int (items,), is each item's class, or -1 if unknown. Votes on unknown items do not
    count. The agreement of a vote is its soft label for the true class: one half for a 'maybe'. A
    rater without a counted vote has NaN.
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

    The model: an item's class is drawn from the prior. For a known class the answers are
    independent, and drawn with the rater's probabilities. EM begins with the shares of
    majority_vote. So `soft_label`, (answers, classes), also determines the number and the order of
    the classes: VALIDITY for two classes and three answers, np.eye(n) if answers are classes.

    `truth`, int (items,), fixes the posterior of items with a known class; -1 means unknown.
    `smoothing` is added to every count of (rater, class, answer) before normalization. The prior is
    not smoothed. A smoothing of 0 is maximum likelihood. Then counts below 1e-10 are raised to
    1e-10 for answers that the rater uses, as in crowd-kit. EM ends when the objective gains at most
    `tolerance` nats per vote, or after `max_iterations`. A tolerance of -inf runs all iterations.

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
    """Estimate the classes and one accuracy for each rater together, by EM.

    The accuracy of a rater, `fit.confusion[:, 0, 0]`, is the probability of answering with the
    item's class. All other classes have equal probabilities. The answers are the classes, so a
    'maybe' must be replaced first: `votes.binary(maybe="drop")` leaves it out. The posterior of an
    item without votes is the prior.

    `smoothing` is added to the right and to the wrong votes of each rater. The other arguments are
    as in dawid_skene.

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

    `update` computes P(answer | rater, class), (raters, classes, answers), from counts of this
    shape. It also returns the log density of the prior that its smoothing implies.
    """
    if not (np.isfinite(smoothing) and smoothing >= 0):
        raise UsageError(
            f"`smoothing` is {smoothing}. It must be finite and not negative",
            parameter="smoothing",
            value=smoothing,
        )
    if max_iterations < 1:
        raise UsageError(
            f"`max_iterations` is {max_iterations}. It must be at least 1",
            parameter="max_iterations",
            value=max_iterations,
        )
    if not votes.items or not len(votes.item):
        raise DataError("there are no votes to aggregate", count=0, parameter="votes")
    classes, codes = soft_label.shape[1], votes.raters * votes.answers
    known = _truth(votes, -np.ones(votes.items, np.intp) if truth is None else truth, classes)
    patterns = votes.patterns
    # Begin with all items of unknown class in class 0, and then move weight to the other classes.
    # So no sum over class 0 is needed.
    number = np.bincount(patterns.of_item[known < 0], minlength=patterns.code.shape[1])
    free = number.astype(np.float64)
    assumed = np.maximum(known, 0)
    base_items = np.bincount(assumed, minlength=classes).astype(np.float64)
    code = assumed[votes.item] * codes + votes.rater * votes.answers + votes.answer
    base = np.bincount(code, minlength=classes * codes).reshape(classes, codes).astype(np.float64)
    # Allocate the large intermediate array once: new memory at each step costs more than the sums.
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
        # An answer with probability 0 has no votes, so its logarithm is not needed.
        log_p = np.log(confusion, out=np.zeros(confusion.shape), where=confusion > 0)
        log_p = log_p.swapaxes(0, 1).reshape(classes, codes)
        posterior, log_ratio = _posterior(patterns, np.log(prior), log_p, room)
        likelihoods.append(
            # Do not use a dot product: the threads of BLAS take longer than the sum.
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

    The latter has shape (patterns,). `log_p`, (classes, codes), is ln P(answer | rater, class).
    `room`, with the shape of the patterns' codes, is overwritten.
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
    """Write the sums of `table`, (codes,), over each pattern's codes to `out`, (patterns,)."""
    # The default mode of take would first copy `room`.
    np.append(table, 0.0).take(patterns.code, out=room, mode="clip")
    room.sum(axis=0, out=out)


def _sum_by_code(patterns: Patterns, weight: _Floats, codes: int, room: _Floats) -> _Floats:
    """Return for each code the sum of the weights, (patterns,), of the patterns with this code."""
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
    """Return values of patterns, (classes, patterns), as values of items, (items, classes)."""
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
    # Number the patterns row by row. Two items have the same number if their codes are equal up to
    # this row. The numbers are below items * (none + 1).
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
    """Return `values` as (answers, classes); UsageError for another shape or invalid shares."""
    soft = np.asarray(values, np.float64)
    if soft.ndim != 2 or len(soft) != votes.answers or soft.shape[1] < 2:
        raise UsageError(
            f"`soft_label` has shape {soft.shape}, but these votes have "
            f"{counted(votes.answers, 'answer')}. It must have a row for each answer, and at least "
            "two columns, one for each class",
            parameter="soft_label",
            value=soft.shape,
            remedy=f"Use np.eye({votes.answers}) if the answers are the classes",
        )
    is_share = (soft >= 0).all(axis=1) & np.isclose(soft.sum(axis=1), 1)
    if not is_share.all():
        wrong = np.flatnonzero(~is_share)
        row = int(wrong[0])
        raise UsageError(
            f"`soft_label` has {counted(len(wrong), 'row')} with negative shares or a sum other "
            f"than 1 (first: row {row}, with the sum {soft[row].sum():g}; rows count from 0)",
            row=row,
            value=soft[row].tolist(),
            count=len(wrong),
            parameter="soft_label",
        )
    return soft


def _truth(votes: VoteArrays, values: npt.ArrayLike, classes: int) -> _Ints:
    """Return `values` as int (items,), -1 to classes - 1; UsageError for other values."""
    truth = np.asarray(values)
    if truth.shape != (votes.items,) or truth.dtype.kind not in "iu":
        raise UsageError(
            f"`truth` has type {truth.dtype} and shape {truth.shape}. It must have one integer for "
            f"each of {counted(votes.items, 'item')}, with -1 for an unknown class",
            parameter="truth",
            value=truth.shape,
        )
    outside = np.flatnonzero((truth < -1) | (truth >= classes))
    if len(outside):
        raise UsageError(
            f"`truth` has values from {truth.min()} to {truth.max()}. Use 0 to {classes - 1}, or "
            "-1 for an unknown class",
            row=int(outside[0]),
            value=truth[outside[0]],
            count=len(outside),
            parameter="truth",
        )
    return truth.astype(np.intp, copy=False)


def _key(image_id: npt.NDArray[np.integer], label: npt.NDArray[np.integer]) -> _Ints:
    """Return one number for each question, in the order of (image_id, label)."""
    return image_id.astype(np.intp) * 1000 + label
