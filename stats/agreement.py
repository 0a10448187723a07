"""How sure the agreement of the raters is: bootstrap intervals over images.

The estimates are the views `agreement` and `agreement_by_class`. Here the same coefficients are
computed in NumPy for many samples of the images at once. The questions about an image stand or
fall together, because they come from one picture; so images are drawn, not questions.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import duckdb

_Ints = npt.NDArray[np.integer[Any]]
_Floats = npt.NDArray[np.float64]

# The coefficients, by the names of their columns in the views.
COEFFICIENTS = ("observed_agreement", "nominal_alpha", "ordinal_alpha", "fleiss_kappa")


class QuestionVotes(NamedTuple):
    """The votes of n questions, each of which belongs to one image and to one group.

    image, group: their places, from 0, among all images and all groups, (n,)
    answers: how many votes each answer has, in the order of the answers, (n, answers)
    """

    image: _Ints
    group: _Ints
    answers: _Ints


def votes(con: duckdb.DuckDBPyConnection, by: str | None) -> QuestionVotes:
    """Read the view `vote_coincidences` of `con`.

    The groups are those of the answers to `realdb.agreement`, in the order of their keys: all
    questions in one if `by` is None, 'animal' (animals, then objects) or 'class'.
    """
    rows = con.execute(
        """
        select
            image_id,
            case $by
                when 'class' then label
                when 'animal' then case when label < 398 then 0 else 1 end
                else 0
            end as "group",
            no_votes,
            maybe_votes,
            yes_votes
        from vote_coincidences
        order by label, image_id
        """,
        {"by": by},
    ).fetchnumpy()
    counts = [rows[f"{answer}_votes"] for answer in ("no", "maybe", "yes")]
    return QuestionVotes(
        image=np.unique(rows["image_id"], return_inverse=True)[1],
        group=np.unique(rows["group"], return_inverse=True)[1],
        answers=np.stack(counts, axis=1),
    )


def coincidences(answers: _Ints) -> _Floats:
    """Return the coincidence matrix of each question, (n, answers, answers), from (n, answers).

    Of two answers c and k they are n(c) n(k) / (m - 1) where c and k differ and
    n(c) (n(c) - 1) / (m - 1) where they do not, m >= 2 being the question's votes: its ordered
    pairs of votes, so weighted that each row of the matrix sums to n(c). See K. Krippendorff
    (2011), Computing Krippendorff's Alpha-Reliability.
    """
    pairs = answers[:, :, None] * answers[:, None, :]
    pairs[:, np.arange(answers.shape[1]), np.arange(answers.shape[1])] -= answers
    result: _Floats = pairs / (answers.sum(axis=1)[:, None, None] - 1)
    return result


def coefficients(matrices: _Floats) -> _Floats:
    """Return the COEFFICIENTS, (4, ...), of summed coincidence matrices, (..., answers, answers).

    The observed agreement, Krippendorff's nominal and ordinal alpha, and Fleiss' kappa; this last
    only means anything where the questions have the same number of votes. What is not defined, as
    where all votes are the same answer, is NaN.
    """
    counts = matrices.sum(axis=-1)
    total = counts.sum(axis=-1)
    ranks = counts.cumsum(axis=-1) - counts / 2
    by_chance = counts[..., :, None] * counts[..., None, :]
    differs = 1 - np.eye(matrices.shape[-1])
    distance = (ranks[..., :, None] - ranks[..., None, :]) ** 2

    def ratio(weight: _Floats) -> _Floats:
        observed = (matrices * weight).sum(axis=(-2, -1))
        expected = (by_chance * weight).sum(axis=(-2, -1))
        found: _Floats = observed / np.where(expected > 0, expected, np.nan)
        return found

    nominal = ratio(differs)
    return np.stack(
        [
            1 - (matrices * differs).sum(axis=(-2, -1)) / np.where(total > 0, total, np.nan),
            1 - (total - 1) * nominal,
            1 - (total - 1) * ratio(distance),
            1 - total * nominal,
        ]
    )


def resample(questions: QuestionVotes, *, replicates: int, seed: int) -> _Floats:
    """Return the COEFFICIENTS of bootstrap samples, (4, groups, replicates).

    A replicate draws as many images as there are, with replacement; all groups are computed on the
    same images. An image that is drawn twice counts twice (its weight; the weights of a replicate
    are multinomial), one that is not drawn does not. The same seed gives the same samples, whatever
    the groups are. A group without votes in a replicate has NaN there.
    """
    images, groups = questions.image.max() + 1, questions.group.max() + 1
    # Few ways to answer exist (21 with five votes), so a replicate is counted, not added up.
    patterns, pattern = np.unique(questions.answers, axis=0, return_inverse=True)
    cell = questions.group * len(patterns) + pattern.reshape(-1)
    answers = patterns.shape[1]
    matrices = coincidences(patterns).reshape(len(patterns), answers * answers)
    random = np.random.default_rng(seed)
    found = np.empty((len(COEFFICIENTS), groups, replicates))
    for replicate in range(replicates):
        weight = np.bincount(random.integers(images, size=images), minlength=images)
        counts = np.bincount(cell, weight[questions.image], minlength=groups * len(patterns))
        summed = counts.reshape(groups, len(patterns)) @ matrices
        found[:, :, replicate] = coefficients(summed.reshape(groups, answers, answers))
    return found


def intervals(
    questions: QuestionVotes, *, replicates: int, seed: int, level: float
) -> tuple[_Floats, _Floats]:
    """Return the lower and upper ends of the percentile intervals, (4, groups) each.

    They are the quantiles (1 - level) / 2 and (1 + level) / 2 of the replicates in which the
    coefficient is defined (B. Efron and R. J. Tibshirani (1993), An Introduction to the Bootstrap,
    chapter 13); NaN for a group whose questions are about one image, which tells nothing of others.
    """
    samples = resample(questions, replicates=replicates, seed=seed)
    pairs = np.unique(np.stack([questions.group, questions.image]), axis=1)
    samples[:, np.bincount(pairs[0]) < 2] = np.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=2)
    return low, high
