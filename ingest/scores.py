"""Read the scores, scores.npz."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import npz
from .known import refusal
from .questions import Questions, read_questions


@dataclass(frozen=True, kw_only=True)
class Scores:
    """A score for each question: `score` is float64 (questions,), between 0 and 1."""

    questions: Questions
    score: npt.NDArray[np.float64]


def read_scores(path: Path) -> Scores:
    """Read an .npz of tensor float64 (questions,) and info.

    Raises DataError unless every score is between 0 and 1 and belongs to a question.
    """
    questions = read_questions(path)
    with npz.member(path, "tensor", dtype="<f8", axes=1) as tensor:
        score: npt.NDArray[np.float64] = tensor.whole()
    if len(score) != len(questions):
        raise refusal(
            path,
            f"the file has {len(score):,} scores for {len(questions):,} questions; one score for "
            "each is expected",
            count=len(score),
        )
    wrong = np.flatnonzero(~((score >= 0) & (score <= 1)))
    if wrong.size:
        raise refusal(
            path,
            f"tensor[{wrong[0]}] is {score[wrong[0]]}, but a score must be between 0 and 1 "
            f"({wrong.size:,} such scores)",
            row=int(wrong[0]),
            column="tensor",
            value=score[wrong[0]],
            count=wrong.size,
        )
    return Scores(questions=questions, score=score)
