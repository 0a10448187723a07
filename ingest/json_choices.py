"""Read the JSON value of an image: a class, ranked classes, or classes with scores.

Classes with scores, in one object or pair, are ranked by score. Equal scores keep the order of the
file. A list of classes without scores is in the order of the ranks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import DataError
from ..schema.tables import CLASSES
from .logits import TOP
from .options import ReadOptions

Columns = dict[str, list[Any]]

# The keys of a choice, in order of preference.
LABEL_KEYS = (
    "label",
    "class_id",
    "category_id",
    "class_index",
    "label_id",
    "class",
    "predicted_class",
    "prediction",
    "pred_label",
    "wnid",
    "synset",
    "class_name",
    "category",
    "name",
)
SCORE_KEYS = (
    "score",
    "confidence",
    "probability",
    "prob",
    "predicted_probability",
    "pred_score",
    "conf",
    "logit",
)
_RANK_KEYS = ("rank",)
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*|NaN|-?Infinity")
_WHOLE = re.compile(r"\s*\d+\s*")
_NUMBERED = re.compile(r".*\D\d+")
_WORDNET_ID = re.compile(r"n\d{8}")
_LEVELS = 3


def of(values: Sequence[Any], where: str, options: ReadOptions) -> Columns | None:
    """Return the labels and confidences of `values`, one value for each image; None if unclear.

    The columns are label and confidence, or only confidence if there are 1,000 of them. Raises
    DataError, with the row, if a value has another type than the first.
    """
    return _of(values, where, options, _LEVELS)


def are_scores_by_class(values: Iterable[Any]) -> bool:
    """Return whether `values` are objects with numbers by class: {"281": 0.9, "282": 0.1}."""
    objects = [value for value in values if value]
    if not objects or not all(isinstance(value, dict) for value in objects[:TOP]):
        return False
    first = objects[0]
    if not all(map(is_number, first.values())) or set(map(str.lower, first)) & _KNOWN:
        return False
    if all(is_class(key) for key in first):
        return True
    if len(first) >= CLASSES:  # logit_0, logit_1, … are columns
        return not all(_NUMBERED.fullmatch(key) for key in first)
    return any(isinstance(value, dict) and value.keys() != first.keys() for value in objects)


_KNOWN = {*LABEL_KEYS, *SCORE_KEYS, *_RANK_KEYS}


def is_number(value: object) -> bool:
    """Return whether a JSON value, or the text in it, is a number."""
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


def is_fraction(value: object) -> bool:
    """Return whether a value is a number that is not whole."""
    return isinstance(value, str) and is_number(value) and not is_whole(value)


def are_pairs(values: list[Any]) -> bool:
    """Return whether all lists of two elements are a label and its score."""
    return _places(values) is not None


def key_of(keys: Mapping[str, Any], known: Sequence[str]) -> str | None:
    """Return the first key of `known` that is in `keys`, in upper or lower case."""
    lower = {key.lower(): key for key in reversed(keys)} if isinstance(keys, dict) else {}
    return next((lower[name] for name in known if name in lower), None)


def _of(values: Sequence[Any], where: str, options: ReadOptions, levels: int) -> Columns | None:
    first = next((value for value in values if value not in (None, [], {})), None)
    if not isinstance(first, list | dict):
        return {"label": list(values)}
    for row, value in enumerate(values, 1):
        if value is not None and type(value) is not type(first):
            raise _refusal(
                f"{where}: row {row} is {_kind(value)}, not {_kind(first)} like the first value",
                row,
                value,
            )
    if isinstance(first, dict):
        if are_scores_by_class(values):
            pairs = [list((value or {}).items()) for value in values]
            return _ranked(pairs, where, options, has_order=False)
        return _of_fields(values, where, options, levels)
    return _of_lists(values, where, options, levels)


def _of_fields(
    values: Sequence[Any], where: str, options: ReadOptions, levels: int
) -> Columns | None:
    """Return the label and score of objects, or of their one member that holds the labels."""
    objects = [value or {} for value in values]
    first = next(value for value in objects if value)
    label, score = key_of(first, LABEL_KEYS), key_of(first, SCORE_KEYS)
    if label is not None and not isinstance(first[label], dict):
        found: Columns = {"label": [value.get(label) for value in objects]}
        if score is not None:
            scores = [value.get(score) for value in objects]
            if any(each is not None for each in scores):
                found["confidence"] = scores
        return found
    several = [key for key, value in first.items() if value and isinstance(value, list | dict)]
    if len(several) != 1 or not levels:
        return None
    return _of([value.get(several[0]) for value in objects], where, options, levels - 1)


def _of_lists(
    values: Sequence[Any], where: str, options: ReadOptions, levels: int
) -> Columns | None:
    lists = [value or [] for value in values]
    first = next(value for value in lists if value)[0]
    if isinstance(first, dict):
        return _of_objects(lists, where, options)
    if not isinstance(first, list):
        return _of_scalars(lists, where)
    if levels and isinstance(next(iter(first), None), list | dict):  # a batch of one image
        if all(len(value) <= 1 for value in lists):
            return _of([value[0] if value else [] for value in lists], where, options, levels - 1)
        return None
    places = _places([choice for value in lists for choice in value])
    if places is None:
        return None
    label, score = places
    pairs = [[(choice[label], choice[score]) for choice in value] for value in lists]
    return _ranked(pairs, where, options, has_order=True)


def _of_objects(lists: list[Any], where: str, options: ReadOptions) -> Columns | None:
    """Return the choices of lists of objects: {"label": …, "score": …}, or {class: score}."""
    first = next(value for value in lists if value)[0]
    for row, value in enumerate(lists, 1):
        wrong = [choice for choice in value if not isinstance(choice, dict)]
        if wrong:
            raise _refusal(
                f"{where}: a choice in row {row} is {_kind(wrong[0])}, not an object", row, wrong[0]
            )
    label, score = key_of(first, LABEL_KEYS), key_of(first, SCORE_KEYS)
    rank = key_of(first, _RANK_KEYS)
    if label is None:
        if all(len(choice) == 1 and all(map(is_number, choice.values())) for choice in lists[0]):
            pairs = [[pair for choice in value for pair in choice.items()] for value in lists]
            return _ranked(pairs, where, options, has_order=True)
        return None
    if isinstance(first[label], list | dict):
        return None
    if rank is not None:
        lists = [_by_rank(value, rank, row, where) for row, value in enumerate(lists, 1)]
    pairs = [[(choice.get(label), choice.get(score)) for choice in value] for value in lists]
    if rank is not None or all(pair[1] is None for value in pairs for pair in value):
        return _columns(pairs)
    return _ranked(pairs, where, options, has_order=True, is_named=True)


def _by_rank(choices: list[Any], rank: str, row: int, where: str) -> list[Any]:
    ranks = [choice.get(rank) for choice in choices]
    places = {str(each): place for place, each in enumerate(ranks)}
    for start in (0, 1):
        if set(places) == {str(start + place) for place in range(len(choices))}:
            return [choices[places[str(start + place)]] for place in range(len(choices))]
    raise _refusal(
        f"{where}: the ranks of the choices in row {row} are not 1 to {len(choices)}, each once",
        row,
        ranks,
        column="rank",
    )


def _of_scalars(lists: list[Any], where: str) -> Columns | None:
    """Return a label and its score, 1,000 confidences, or ranked labels."""
    for row, value in enumerate(lists, 1):
        if any(isinstance(each, list | dict) for each in value):
            raise _refusal(
                f"{where}: row {row} has a list or an object among plain values", row, value
            )
    filled = [value for value in lists if value]
    if all(len(value) == 2 for value in filled):
        places = _places(filled)
        if places is not None:
            label, score = places
            return {
                "label": [value[label] if value else None for value in lists],
                "confidence": [value[score] if value else None for value in lists],
            }
    length = len(filled[0])
    if length == CLASSES and _ranks_all(filled[0]):
        for row, value in enumerate(lists, 1):
            if not _ranks_all(value):
                raise _refusal(f"{where}: row {row} does not have each class 0-999 once", row, "")
        return {"label": [value[:TOP] for value in lists]}
    if length >= CLASSES or _are_confidences(filled):
        return {"confidence": lists}
    return {"label": lists}


def _ranks_all(value: list[Any]) -> bool:
    return len(value) == CLASSES and set(map(str, value)) == set(map(str, range(CLASSES)))


def _are_confidences(lists: Iterable[list[Any]]) -> bool:
    """Return whether lists have only numbers, and some are fractions, which are not class ids."""
    has_fraction = False
    for value in lists:
        for each in value:
            if not is_number(each):
                return False
            has_fraction = has_fraction or not (is_whole(each))
    return has_fraction


def _places(choices: list[Any]) -> tuple[int, int] | None:
    """Return the places of label and score in [label, score] or [WordNet id, name, score]."""
    if not all(isinstance(choice, list) for choice in choices):
        return None
    lengths = set(map(len, choices))
    if lengths == {3}:
        if all(map(is_number, (choice[2] for choice in choices))) and all(
            is_class(choice[0]) and not is_number(choice[1]) for choice in choices
        ):
            return 0, 2
        return None
    if lengths != {2}:
        return None
    for label, score in ((0, 1), (1, 0)):
        numbers = [choice[score] for choice in choices]
        if not all(map(is_number, numbers)):
            continue
        labels = [choice[label] for choice in choices]
        is_word = not any(map(is_number, labels))
        are_ids = all(isinstance(each, str) and _WHOLE.fullmatch(each) for each in labels)
        if is_word or (are_ids and any("." in each or "e" in each.lower() for each in numbers)):
            return label, score
    return None


def _ranked(
    lists: list[list[tuple[Any, Any]]],
    where: str,
    options: ReadOptions,
    *,
    has_order: bool,
    is_named: bool = False,
) -> Columns:
    """Return labels with their scores, highest first. Equal scores keep the order of the file.

    has_order: the file orders the choices, and the user may choose to keep this order
    is_named: the scores have a key with the name of a score; others may also be ranks
    """
    values = [[_score(pair, row, where) for pair in each] for row, each in enumerate(lists, 1)]
    if not is_named and any(len(each) > 1 for each in values) and all(map(_counts, values)):
        row, each = next((row, each) for row, each in enumerate(values, 1) if len(each) > 1)
        raise _refusal(
            f"{where}: the numbers beside the labels may be ranks or scores. In row {row}, for "
            f"example, they count the {len(each)} choices",
            row,
            lists[row - 1][0][1],
            column="confidence",
            remedy="Write the choices of an image as a list of labels, the first choice first",
        )
    if has_order and options.ranks in ("as-written", "reversed"):
        return _columns(lists)
    ordered = []
    for pairs, numbers in zip(lists, values, strict=True):
        places = sorted(range(len(pairs)), key=numbers.__getitem__)
        if len(pairs) >= CLASSES:
            places = places[:TOP]
        ordered.append([pairs[place] for place in places])
    return _columns(ordered)


def _score(pair: tuple[Any, Any], row: int, where: str) -> float:
    """Return the sort key for the score of a choice: highest score first, NaN last."""
    text = pair[1]
    if not is_number(text):  # a percentage, or blanks around the number
        text = text.strip().removesuffix("%") if isinstance(text, str) else ""
    if not is_number(text):
        raise _refusal(
            f"{where}: the score of {pair[0]!r} in row {row} is not a number",
            row,
            pair[1],
            column="confidence",
        )
    number = float(text)
    return -number if number == number else float("inf")


def _counts(numbers: list[float]) -> bool:
    """Return whether the scores of an image, as `_score` returns them, count from 0 or 1."""
    held = sorted(-number for number in numbers)
    return held in (
        [float(place) for place in range(len(held))],
        [float(place + 1) for place in range(len(held))],
    )


def _columns(lists: list[list[tuple[Any, Any]]]) -> Columns:
    found: Columns = {"label": [[label for label, _ in pairs] for pairs in lists]}
    if any(score is not None for pairs in lists for _, score in pairs):
        found["confidence"] = [[score for _, score in pairs] for pairs in lists]
    return found


def is_whole(text: str) -> bool:
    """Return whether a text is a whole number, also if it ends with .0."""
    return _WHOLE.fullmatch(text.replace(".0", "", 1) if text.endswith(".0") else text) is not None


def is_class(value: object) -> bool:
    """Return whether a text is a class id or a WordNet id."""
    if not isinstance(value, str):
        return False
    if _WORDNET_ID.fullmatch(value):
        return True
    return _WHOLE.fullmatch(value) is not None and len(value.strip()) <= len("0999")


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "one value"


def _refusal(
    message: str,
    row: int,
    value: object,
    *,
    column: str | None = None,
    remedy: str = "Write the choices of every image in the same way",
) -> DataError:
    return DataError(message, row=row, column=column, value=str(value)[:80], remedy=remedy)
