"""Read the votes of raters.npz, raters_golden.npz and golden.npz, one element an answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import npz
from .known import refusal
from .progress import Progress, silent
from .questions import Questions, read_questions

# The last axis of the tensors, in the order of the upstream README.
ANSWERS = ("no", "maybe", "yes")
_ONE = np.float64(1).view(np.uint64)


@dataclass(frozen=True, kw_only=True)
class RaterVotes:
    """The answers of one file in its order: by rater, then by question.

    `rater_ids` is int64 (raters,), in the order of `ids`. `rater` (int16), `question` (int32) and
    `answer` (int8) are (answers,): indices into `rater_ids`, `questions` and ANSWERS.
    """

    path: Path
    rater_ids: npt.NDArray[np.int64]
    questions: Questions
    rater: npt.NDArray[np.int16]
    question: npt.NDArray[np.int32]
    answer: npt.NDArray[np.int8]


def read_votes(path: Path, progress: Progress = silent) -> RaterVotes:
    """Read an .npz of tensor float64 (raters, questions, 3), info and ids.

    Raises DataError unless every cell is 0 or 1, a rater has at most one answer to a question, and
    ids are unique.
    """
    rater_ids = _read_ids(path)
    questions = read_questions(path)
    rater, question, answer = [], [], []
    with npz.member(path, "tensor", dtype="<f8", axes=3) as tensor:
        expected = (len(rater_ids), len(questions), len(ANSWERS))
        if tensor.shape != expected:
            raise refusal(
                path,
                f"tensor has shape {tensor.shape}, but ids and info require {expected} (raters; "
                "questions; the answers no, maybe and yes)",
                column="tensor",
                value=tensor.shape,
            )
        for place, block in enumerate(tensor.blocks(1)):
            # Comparing bits refuses NaN and -0.0 as well.
            cells = block.reshape(-1).view(np.uint64)
            set_cells = np.flatnonzero(cells)
            wrong = np.flatnonzero(cells[set_cells] != _ONE)
            if wrong.size:
                cell = int(set_cells[wrong[0]])
                raise refusal(
                    path,
                    f"tensor[{place}, {cell // 3}, {cell % 3}] is {block.reshape(-1)[cell]}, but a "
                    f"vote must be 0 or 1 ({wrong.size:,} such cells of rater {rater_ids[place]})",
                    row=place,
                    column="tensor",
                    value=block.reshape(-1)[cell],
                    count=wrong.size,
                )
            asked, answers = np.divmod(set_cells.astype(np.int32), np.int32(3))
            twice = np.unique(asked[1:][np.diff(asked) == 0])
            if twice.size:
                row = twice[0]
                raise refusal(
                    path,
                    f"rater {rater_ids[place]} has more than one answer to question {row} (image "
                    f"{questions.image_id[row]}, label {questions.label[row]}; {twice.size:,} such "
                    "questions of this rater)",
                    row=place,
                    column="tensor",
                    value=row,
                    count=twice.size,
                )
            rater.append(np.full(len(asked), place, np.int16))
            question.append(asked)
            answer.append(answers.astype(np.int8))
            progress(f"reading {path.name}", place + 1, len(rater_ids))
    return RaterVotes(
        path=path,
        rater_ids=rater_ids,
        questions=questions,
        rater=np.concatenate([np.empty(0, np.int16), *rater]),
        question=np.concatenate([np.empty(0, np.int32), *question]),
        answer=np.concatenate([np.empty(0, np.int8), *answer]),
    )


def _read_ids(path: Path) -> npt.NDArray[np.int64]:
    with npz.member(path, "ids", dtype="<i8", axes=1) as ids:
        rater_ids: npt.NDArray[np.int64] = ids.whole()
    values, counts = np.unique(rater_ids, return_counts=True)
    if (counts > 1).any():
        first = values[counts > 1][0]
        raise refusal(
            path,
            f"ids has {first} more than once",
            column="ids",
            value=first,
            count=int((counts > 1).sum()),
        )
    # The table's column is a SMALLINT.
    if values.size and not 0 <= values[0] <= values[-1] <= np.iinfo(np.int16).max:
        raise refusal(
            path,
            f"ids has values from {values[0]} to {values[-1]}; 0-32767 is expected",
            column="ids",
            value=values[0] if values[0] < 0 else values[-1],
        )
    return rater_ids
