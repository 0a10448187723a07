"""Write a small synthetic data set in the upstream formats, for tests and for a demonstration.

It resembles the real data. A rated image has 4 to 12 questions, one of them about its original
label. Five raters vote on each question, and experts answer the golden questions. The scores follow
from the votes by the closed form of the published scores, and real.json follows from the scores.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import DataError, UsageError
from ..schema.tables import CLASSES, IMAGES

_Ints = npt.NDArray[np.integer[Any]]
_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]
_Rng = np.random.Generator

_FIRST_OBJECT = 398  # the classes before it are animals
_VOTES = 5  # on each question
_MOST_QUESTIONS = 12  # on an image
_FIRST_RATER_ID = 101
_NO, _MAYBE, _YES = range(3)


class Answers(NamedTuple):
    """Answers as three integer arrays of the same length, one element an answer.

    `Answers(*np.nonzero(tensor))` converts the tensor of raters.npz, raters_golden.npz or
    golden.npz: the rater's index in `ids`, the question's index in `info`; 0 no, 1 maybe, 2 yes.
    """

    rater: _Ints
    question: _Ints
    answer: _Ints


def closed_form_scores(
    *,
    labels: _Ints,
    original_labels: _Ints,
    golden: _Ints,
    votes: Answers,
    golden_votes: Answers,
    expert_votes: Answers,
) -> _Floats:
    """Return the score of each question, float64 (questions,), between 0 and 1.

    For the published votes the result equals the published scores (scores.npz) to within 1e-12.

    labels, original_labels: the class asked about, and the image's original label, (questions,)
    golden: the indices of the golden questions, (golden questions,)
    votes, golden_votes, expert_votes: the answers of raters.npz, raters_golden.npz and golden.npz;
        the last two index the golden questions only, and golden_votes has the raters of raters.npz

    Raises DataError if all golden questions are valid according to the experts, or none is.
    """
    # 1. A golden question is valid if most of the experts say yes to it.
    yes = np.bincount(expert_votes.question[expert_votes.answer == _YES], minlength=len(golden))
    valid = yes > len(np.unique(expert_votes.rater)) / 2
    if valid.all() or not valid.any():
        raise DataError(
            f"{np.count_nonzero(valid)} of the {len(golden)} golden questions are valid, but "
            "scores need both valid and invalid questions",
            count=int(np.count_nonzero(valid)),
            parameter="golden_images",
            remedy="Use more `golden_images`, or another `seed`",
        )
    prior = np.log(np.count_nonzero(valid) / np.count_nonzero(~valid))

    # 2. Count each rater's answers on invalid and on valid golden questions; add 1 to each count.
    raters = 1 + max(votes.rater.max(), golden_votes.rater.max())
    counts = np.zeros((raters, 2, 3))
    is_valid = valid.astype(np.int64)[golden_votes.question]
    np.add.at(counts, (golden_votes.rater, is_valid, golden_votes.answer), 1)
    answered = counts.any(axis=(1, 2))
    chances = (counts + 1) / (counts + 1).sum(axis=-1, keepdims=True)

    # 3. A rater without golden answers has the average probabilities of the others.
    chances[~answered] = chances[answered].mean(axis=0)

    # 4. The evidence of an answer: ln P(answer | valid) - ln P(answer | invalid).
    evidence = np.log(chances[:, 1]) - np.log(chances[:, 0])

    # 5. The original label counts as an additional rater, for animals only. Its answers are counted
    # on all golden questions, with another rule: a question is valid if two experts say yes.
    original_answer = np.where(labels == original_labels, _YES, _NO)
    counts = np.ones((2, 3))
    np.add.at(counts, ((yes >= 2).astype(np.int64), original_answer[golden]), 1)
    chances = counts / counts.sum(axis=-1, keepdims=True)
    original_evidence = np.log(chances[1]) - np.log(chances[0])

    # 6. The sum of prior and evidence is the log-odds of the score.
    log_odds = prior + np.bincount(
        votes.question, weights=evidence[votes.rater, votes.answer], minlength=len(labels)
    )
    log_odds += np.where(labels < _FIRST_OBJECT, original_evidence[original_answer], 0)
    scores: _Floats = 1 / (1 + np.exp(-log_odds))
    return scores


def write_synthetic(
    folder: Path,
    *,
    seed: int = 0,
    rated_images: int = 400,
    raters: int = 12,
    golden_raters: int = 10,
    experts: int = 5,
    golden_images: int = 20,
) -> None:
    """Write a synthetic data set into `folder`, which is created if it does not exist.

    The files have the names and formats of the upstream files: real.json, scores.npz, raters.npz,
    golden.npz, raters_golden.npz, validation_labels.txt, labels.txt, imagenet_synset_to_lemma.txt
    and imagenet_synset_to_definition.txt. In addition there are predictions/model_a.csv and
    predictions/model_b.csv in ImageNet-X's format, with ReaL accuracies of about 0.83 and 0.75.
    Existing files with these names are replaced. There are always 50,000 images. The same arguments
    produce the same bytes with the same versions of Python and NumPy.

    rated_images: the number of images with questions and votes
    raters, golden_raters: the number of raters, and of those who answered the golden questions too
    experts: the number of experts who answered the golden questions
    golden_images: the number of rated images whose questions are all golden

    Raises UsageError if the numbers do not fit together. Raises DataError if the golden questions
    are all valid or all invalid, which can happen with few of them, or if `folder` is not writable.
    """
    arguments = {
        "seed": seed,
        "rated_images": rated_images,
        "raters": raters,
        "golden_raters": golden_raters,
        "experts": experts,
        "golden_images": golden_images,
    }
    fits = {
        "seed": seed >= 0,
        "rated_images": rated_images <= IMAGES,
        "raters": raters >= _VOTES,
        "golden_raters": 1 <= golden_raters <= raters,
        "experts": experts >= 1,
        "golden_images": 1 <= golden_images <= rated_images,
    }
    if not all(fits.values()):
        wrong = next(name for name, is_fit in fits.items() if not is_fit)
        raise UsageError(
            f"{seed=}, {rated_images=}, {raters=}, {golden_raters=}, {experts=} and "
            f"{golden_images=} do not fit together",
            parameter=wrong,
            value=arguments[wrong],
            remedy=f"Set `seed` to at least 0, `raters` to at least {_VOTES}, `golden_raters` to 1 "
            "to `raters`, `experts` to at least 1, `rated_images` to at most "
            f"{IMAGES}, and `golden_images` to 1 to `rated_images`",
        )
    rng = np.random.default_rng(seed)
    original = rng.permutation(np.arange(IMAGES) % CLASSES)  # 50 images a class, as upstream
    rated = rng.choice(IMAGES, rated_images, replace=False)  # images count from 0 here
    images, labels, truth = _questions(rng, rated, original[rated])
    golden_of = rng.choice(rated, golden_images, replace=False)
    golden = np.flatnonzero(np.isin(images, golden_of))

    ids = _FIRST_RATER_ID + rng.permutation(np.arange(raters + experts, dtype=np.int64))
    reliability = rng.uniform(0.75, 0.97, raters)
    five = np.argsort(rng.random((len(images), raters)), axis=1)[:, :_VOTES]
    votes = _answers(rng, five, truth, reliability)
    who = np.sort(rng.choice(raters, golden_raters, replace=False))
    golden_votes = _answers(rng, np.tile(who, (len(golden), 1)), truth[golden], reliability)
    everyone = np.tile(np.arange(experts), (len(golden), 1))
    expert_votes = _answers(rng, everyone, truth[golden], np.full(experts, 0.95), says_maybe=False)
    scores = closed_form_scores(
        labels=labels,
        original_labels=original[images],
        golden=golden,
        votes=votes,
        golden_votes=golden_votes,
        expert_votes=expert_votes,
    )

    real = [[label] for label in original.tolist()]
    for image in rated.tolist():
        real[image] = []
    for question in rng.permutation(np.flatnonzero(scores >= 0.8)):  # the lists are not sorted
        real[images[question]].append(int(labels[question]))

    names = np.array([f"ILSVRC2012_val_{image:08d}.JPEG" for image in range(1, IMAGES + 1)])
    info = np.stack([names[images], labels.astype("<U28")], axis=1)
    asked = info[golden]
    wordnet_ids = [f"n{90_000_000 + label}" for label in range(CLASSES)]
    class_names = [f"class {label} (synthetic)" for label in range(CLASSES)]
    class_names[134] = class_names[517] = "crane (synthetic)"  # names are not unique upstream
    files = {
        "real.json": json.dumps(real).encode(),
        "scores.npz": _npz(tensor=scores, info=info),
        "raters.npz": _npz(tensor=_tensor(votes, raters), info=info, ids=ids[:raters]),
        "golden.npz": _npz(tensor=_tensor(expert_votes, experts), info=asked, ids=ids[raters:]),
        "raters_golden.npz": _npz(
            tensor=_tensor(golden_votes, raters)[who], info=asked, ids=ids[who]
        ),
        "validation_labels.txt": _lines(wordnet_ids[label] for label in original.tolist()),
        "labels.txt": _lines(wordnet_ids),
        "imagenet_synset_to_lemma.txt": _lines(map("{}\t{}".format, wordnet_ids, class_names)),
        "imagenet_synset_to_definition.txt": _lines(
            f"{wordnet_ids[label]}\ta made-up class, number {label}" for label in range(CLASSES)
        ),
        "predictions/model_a.csv": _predictions(rng, names, original, real, 0.83),
        "predictions/model_b.csv": _predictions(rng, names, original, real, 0.75),
    }
    _write(folder, files)


def _questions(rng: _Rng, rated: _Ints, original: _Ints) -> tuple[_Ints, _Ints, _Bools]:
    """Return each question's image and label, and whether the label is right (the hidden truth).

    The questions are grouped by image, in the order of `rated`, and sorted by label.
    """
    # Column 0 is the original label; the others are classes near it, all different.
    near = np.tile(np.setdiff1d(np.arange(-30, 31), [0]), (len(rated), 1))
    shifts = rng.permuted(near, axis=1)[:, :_MOST_QUESTIONS]
    shifts[:, 0] = 0
    truth = rng.random(shifts.shape) < 0.08
    truth[:, 0] = rng.random(len(rated)) >= 0.1
    truth[:, 1] |= ~truth[:, 0] & (rng.random(len(rated)) < 0.7)  # else too often none is right
    asked = np.arange(_MOST_QUESTIONS) < rng.integers(4, _MOST_QUESTIONS + 1, (len(rated), 1))
    row, _ = np.nonzero(asked)
    labels = ((original[:, np.newaxis] + shifts) % CLASSES)[asked]
    order = np.lexsort((labels, row))
    return rated[row[order]], labels[order], truth[asked][order]


def _answers(
    rng: _Rng, who: _Ints, truth: _Bools, reliability: _Floats, *, says_maybe: bool = True
) -> Answers:
    """Draw the answers of `who` (questions, n), the n raters of each question.

    An answer is right with the rater's reliability, else 'maybe' or wrong with equal probability.
    """
    rater = who.ravel()
    question = np.repeat(np.arange(len(who)), who.shape[1])
    right = np.where(truth[question], _YES, _NO)
    chance = reliability[rater]
    draw = rng.random(len(rater))
    unsure = says_maybe & (draw < (1 + chance) / 2)
    answer = np.where(draw < chance, right, np.where(unsure, _MAYBE, _YES - right))
    return Answers(rater, question, answer)


def _tensor(votes: Answers, raters: int) -> _Floats:
    """Return the votes in the upstream format: (raters, questions, 3), with 1 for the answer."""
    tensor = np.zeros((raters, int(votes.question.max()) + 1, 3))
    tensor[votes.rater, votes.question, votes.answer] = 1
    return tensor


def _npz(**members: npt.NDArray[Any]) -> bytes:
    """Return an npz file. NumPy dates members 1980-01-01, so equal arrays have equal bytes."""
    arrays: dict[str, Any] = members  # for mypy: a member could be named `allow_pickle`
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _predictions(
    rng: _Rng, names: npt.NDArray[Any], original: _Ints, real: list[list[int]], accuracy: float
) -> bytes:
    """Return a model's predictions in ImageNet-X's format, which is sorted by original label."""
    hit = rng.random(IMAGES) < accuracy
    right = [labels[0] if labels else label for labels, label in zip(real, original, strict=True)]
    # The labels of an image are within 30 of the original one, so all of these are wrong.
    wrong = (original + rng.integers(100, CLASSES - 100, IMAGES)) % CLASSES
    label = np.where(hit, right, wrong)
    probability = 0.05 + 0.95 * np.where(hit, rng.beta(5, 1, IMAGES), rng.beta(2, 2, IMAGES))
    order = np.argsort(original, kind="stable")
    columns = (names[order], label[order], probability[order])
    rows = map("{},{},{:.4f}".format, *(column.tolist() for column in columns))
    return _lines(["file_name,predicted_class,predicted_probability", *rows])


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write each file to a temporary name and rename it, so that no file is incomplete."""
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f"{path.name}.part")
            aside.write_bytes(content)
            aside.replace(path)
    except OSError as error:
        raise DataError(
            f"the synthetic data set cannot be written to {folder} ({error})",
            file=folder,
            remedy="Pass a folder that is writable",
        ) from error
