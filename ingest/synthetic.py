"""A small made-up data set in exactly the upstream formats, for tests and for a demonstration.

What it is like is what the real data is like: a rated image has 4 to 12 questions, its original
label among them; five raters vote on each; experts settle the golden questions; the scores follow
from the votes by the closed form that gives the published scores, and real.json from the scores.
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
    """Answers, one an element of three integer arrays of the same length.

    `Answers(*np.nonzero(tensor))` makes one of the tensor of raters.npz, raters_golden.npz or
    golden.npz: the rater's place in `ids`, the question's in `info`, and 0 no, 1 maybe, 2 yes.
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

    With the published votes these are the published scores (scores.npz) to within 1e-12.

    labels, original_labels: the class asked about, and the image's original one, (questions,)
    golden: the golden questions' places among the questions, (golden questions,)
    votes, golden_votes, expert_votes: those of raters.npz, raters_golden.npz and golden.npz; the
        last two number the golden questions only, but golden_votes' raters as raters.npz does

    Raises DataError if the experts find all golden questions valid, or none.
    """
    # 1. A golden question is valid if most of the experts say yes to it.
    yes = np.bincount(expert_votes.question[expert_votes.answer == _YES], minlength=len(golden))
    valid = yes > len(np.unique(expert_votes.rater)) / 2
    if valid.all() or not valid.any():
        raise DataError(
            f"{np.count_nonzero(valid)} of the {len(golden)} golden questions are valid; scores "
            "need valid and invalid ones",
            count=int(np.count_nonzero(valid)),
            parameter="golden_images",
            remedy="Take more `golden_images`, or another `seed`",
        )
    prior = np.log(np.count_nonzero(valid) / np.count_nonzero(~valid))

    # 2. Each rater's answers on invalid and on valid golden questions, 1 added to each count.
    raters = 1 + max(votes.rater.max(), golden_votes.rater.max())
    counts = np.zeros((raters, 2, 3))
    is_valid = valid.astype(np.int64)[golden_votes.question]
    np.add.at(counts, (golden_votes.rater, is_valid, golden_votes.answer), 1)
    answered = counts.any(axis=(1, 2))
    chances = (counts + 1) / (counts + 1).sum(axis=-1, keepdims=True)

    # 3. A rater without golden answers is taken for the average of those who have them.
    chances[~answered] = chances[answered].mean(axis=0)

    # 4. The evidence of an answer: ln P(answer | valid) - ln P(answer | invalid).
    evidence = np.log(chances[:, 1]) - np.log(chances[:, 0])

    # 5. The original label is one more rater, on animals only. Its answers are counted on
    # all golden questions, with another rule of validity: two experts who say yes are enough.
    original_answer = np.where(labels == original_labels, _YES, _NO)
    counts = np.ones((2, 3))
    np.add.at(counts, ((yes >= 2).astype(np.int64), original_answer[golden]), 1)
    chances = counts / counts.sum(axis=-1, keepdims=True)
    original_evidence = np.log(chances[1]) - np.log(chances[0])

    # 6. Prior and evidence add up to the log-odds of the score.
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
    """Write a made-up data set into `folder`, which is made if absent.

    It has the names and formats of the upstream files: real.json, scores.npz, raters.npz,
    golden.npz, raters_golden.npz, validation_labels.txt, labels.txt, imagenet_synset_to_lemma.txt
    and imagenet_synset_to_definition.txt; and predictions/model_a.csv and predictions/model_b.csv
    in ImageNet-X's format, whose ReaL accuracies are about 0.83 and 0.75. Files of these names
    that stand there are replaced. There are always 50,000 images. The same arguments give the same
    bytes (under the same Python and NumPy), another seed gives other data.

    rated_images: how many images have questions and votes
    raters, golden_raters: how many vote, and how many of them answered the golden questions too
    experts: how many settled the golden questions
    golden_images: how many of the rated images have golden questions (all of theirs are)

    Raises UsageError if the numbers do not fit together, DataError if the golden questions
    come out all valid or all invalid (with very few of them), or where `folder` cannot be written.
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
            remedy=f"`seed` is 0 or more, `raters` {_VOTES} or more, `golden_raters` 1 to "
            "`raters`, `experts` 1 or more, and `golden_images` 1 to `rated_images`, which is "
            f"at most {IMAGES}",
        )
    rng = np.random.default_rng(seed)
    original = rng.permutation(np.arange(IMAGES) % CLASSES)  # each class as often, as upstream
    rated = rng.choice(IMAGES, rated_images, replace=False)  # images count from 0 in here
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

    The questions of an image stand together, by ascending label; the images come as in `rated`.
    """
    # Column 0 is the original label; the others are classes near it, all different.
    near = np.tile(np.setdiff1d(np.arange(-30, 31), [0]), (len(rated), 1))
    shifts = rng.permuted(near, axis=1)[:, :_MOST_QUESTIONS]
    shifts[:, 0] = 0
    truth = rng.random(shifts.shape) < 0.08
    truth[:, 0] = rng.random(len(rated)) >= 0.1
    truth[:, 1] |= ~truth[:, 0] & (rng.random(len(rated)) < 0.7)  # else often no label is right
    asked = np.arange(_MOST_QUESTIONS) < rng.integers(4, _MOST_QUESTIONS + 1, (len(rated), 1))
    row, _ = np.nonzero(asked)
    labels = ((original[:, np.newaxis] + shifts) % CLASSES)[asked]
    order = np.lexsort((labels, row))
    return rated[row[order]], labels[order], truth[asked][order]


def _answers(
    rng: _Rng, who: _Ints, truth: _Bools, reliability: _Floats, *, says_maybe: bool = True
) -> Answers:
    """Draw the answers of `who` (questions, n), the n raters of each question.

    They are right with the rater's reliability, else 'maybe' or wrong, as often each.
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
    """Return the votes as upstream has them: (raters, questions, 3), 1 where it is the answer."""
    tensor = np.zeros((raters, int(votes.question.max()) + 1, 3))
    tensor[votes.rater, votes.question, votes.answer] = 1
    return tensor


def _npz(**members: npt.NDArray[Any]) -> bytes:
    """Return an npz file. NumPy stamps its members 1980-01-01, so equal arrays are equal bytes."""
    arrays: dict[str, Any] = members  # the stubs take a name among them for `allow_pickle`
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _predictions(
    rng: _Rng, names: npt.NDArray[Any], original: _Ints, real: list[list[int]], accuracy: float
) -> bytes:
    """Return a model's predictions in ImageNet-X's format: by original label, as there."""
    hit = rng.random(IMAGES) < accuracy
    right = [labels[0] if labels else label for labels, label in zip(real, original, strict=True)]
    # The labels of an image are within 30 of the original one, so that these are all wrong.
    wrong = (original + rng.integers(100, CLASSES - 100, IMAGES)) % CLASSES
    label = np.where(hit, right, wrong)
    probability = 0.05 + 0.95 * np.where(hit, rng.beta(5, 1, IMAGES), rng.beta(2, 2, IMAGES))
    order = np.argsort(original, kind="stable")
    columns = (names[order], label[order], probability[order])
    rows = map("{},{},{:.4f}".format, *(column.tolist() for column in columns))
    return _lines(["file_name,predicted_class,predicted_probability", *rows])


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write each file beside its place first, then move it there: none is ever half-written."""
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
            remedy="Name a folder that can be written to",
        ) from error
