"""Bootstrap intervals of the raters' agreement, over images.

The views `agreement` and `agreement_by_class` have the estimates. This module computes the same
coefficients in NumPy for many samples of the images. It draws images and not questions, because the
questions about one image are not independent.
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
    """The votes of n questions. Each question belongs to one image and one group.

    image, group: the index of the image and of the group, from 0, (n,)
    answers: the number of votes for each answer, in the order of the answers, (n, answers)
    """

    image: _Ints
    group: _Ints
    answers: _Ints


def votes(con: duckdb.DuckDBPyConnection, by: str | None) -> QuestionVotes:
    """Read the view `vote_coincidences` of `con`.

    The groups are the rows of `realdb.agreement`, in the order of their keys. `by` is None (one
    group), 'animal' (animals, then objects) or 'class'.
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

    The entry for two different answers c and k is n(c) n(k) / (m - 1), and on the diagonal
    n(c) (n(c) - 1) / (m - 1). m >= 2 is the number of votes on the question. These are the ordered
    pairs of votes, with weights that make each row of the matrix sum to n(c). See K. Krippendorff
    (2011), Computing Krippendorff's Alpha-Reliability.
    """
    pairs = answers[:, :, None] * answers[:, None, :]
    pairs[:, np.arange(answers.shape[1]), np.arange(answers.shape[1])] -= answers
    result: _Floats = pairs / (answers.sum(axis=1)[:, None, None] - 1)
    return result


def coefficients(matrices: _Floats) -> _Floats:
    """Return the COEFFICIENTS, (4, ...), of summed coincidence matrices, (..., answers, answers).

    These are the observed agreement, Krippendorff's nominal and ordinal alpha, and Fleiss' kappa.
    Fleiss' kappa is meaningful only if all questions have the same number of votes. An undefined
    coefficient is NaN, for example if all votes are the same answer.
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

    A replicate draws as many images as there are, with replacement. All groups use the same images.
    The weight of an image is the number of times that it is drawn; the weights of a replicate are
    multinomial. The same seed draws the same samples for all groupings. A group without votes in a
    replicate has NaN.
    """
    images, groups = questions.image.max() + 1, questions.group.max() + 1
    # There are few patterns of answers (21 with five votes), so count the patterns of a replicate.
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

    These are the quantiles (1 - level) / 2 and (1 + level) / 2 of the replicates in which the
    coefficient is defined (B. Efron and R. J. Tibshirani (1993), An Introduction to the Bootstrap,
    chapter 13). A group with questions about only one image has NaN, because a single image has no
    variation.
    """
    samples = resample(questions, replicates=replicates, seed=seed)
    pairs = np.unique(np.stack([questions.group, questions.image]), axis=1)
    samples[:, np.bincount(pairs[0]) < 2] = np.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=2)
    return low, high
