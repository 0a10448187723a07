"""Find series of columns: one for each rank (`pred_1` to `pred_5`), or one for each class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..errors import DataError
from ..schema.tables import CLASSES
from . import roles

# A series with more columns has one for each class, not for each rank.
_MOST_RANKS = 100
# If so many columns are named after classes, they are a series by class.
_MANY = CLASSES // 2
# Compiled only if a name has a digit, which is rare.
_NAME = r"(?P<stem>.*?)[\s_\-.]*(?P<number>\d+)[\s_\-.]*(?P<suffix>[a-z][a-z\s_\-.]*)?"
_WORDNET_ID = r"(?:[a-z]+[_\-. ])?(n\d{8})"
# Stems with a suffix that is the role of the column: top1_class, rank_2_prob, pred_3_score.
_BEFORE_SUFFIX = ("top", "rank", "choice", "guess", "pred", "prediction", "class", "label", "cls")
_LABEL_STEMS = ("top", "rank", "choice", "guess")
_LABEL_SUFFIXES = ("id", "idx", "name", "wnid", "synset", "word", "words", "description")
# Stems for columns by class, in addition to the names of labels and confidences.
_CLASS_STEMS = ("", "c", "p", "y", "v", "out", "col", "column")
# The name of a series by class for the option `columns`.
_BY_CLASS = "classes"
_SHOWN = 3


class Found(NamedTuple):
    """A column that may have a role, or the columns of a series.

    name: its name for the option `columns`
    columns: its columns, in the order of the ranks or of the classes
    is_by_class: it has a confidence for each class
    """

    name: str
    columns: tuple[str, ...]
    is_by_class: bool = False

    def __str__(self) -> str:
        first, last = self.columns[0], self.columns[-1]
        return first if len(self.columns) == 1 else f"{first} to {last}"


def find(names: Sequence[str], words: Mapping[str, int], where: str) -> dict[str, list[Found]]:
    """Return the series among the columns by role, `label` or `confidence`.

    A series of confidences by class has the role label, because the classes are the predictions.
    `words` maps names of classes to ids. Raises DataError if a series is incomplete.
    """
    found: dict[str, list[Found]] = {"label": [], "confidence": []}
    named = _by_class_name(names, words, where) if len(names) > _MANY else None
    if named:
        found["label"].append(named)
        names = [name for name in names if name not in set(named.columns)]
    for (stem, suffix), numbered in _numbered(names).items():
        role = _role(stem, suffix, len(numbered))
        holds = "confidence" if len(numbered) > _MOST_RANKS else role
        if role and holds and (columns := _complete(numbered, holds, where)):
            series = _series(columns, where)
            found["label" if series.is_by_class else role].append(series)
    return found


def chosen(
    names: Sequence[str], choice: str, role: str, words: Mapping[str, int], where: str
) -> Found | None:
    """Return the series called `choice`, with or without its number; None if there is none.

    `classes` is the name of the columns named by class.
    """
    named = _by_class_name(names, words, where) if len(names) > _MANY else None
    if named and choice == named.name:
        return named
    for (stem, suffix), numbered in _numbered(names).items():
        if stem + suffix == roles.normal(choice) or (not stem and choice == _BY_CLASS):
            columns = _complete(numbered, role, where)
            return _series(columns, where) if columns else None
    return None


def _numbered(names: Iterable[str]) -> dict[tuple[str, str], dict[int, list[str]]]:
    """Return the columns by number, grouped by the rest of their names."""
    found: dict[tuple[str, str], dict[int, list[str]]] = {}
    for name in names:
        if not any(map(str.isdecimal, name)):
            continue
        parts = re.fullmatch(_NAME, name.strip().lower())
        if parts and len(parts["number"]) <= 6:
            key = roles.normal(parts["stem"]), roles.normal(parts["suffix"] or "")
            found.setdefault(key, {}).setdefault(int(parts["number"]), []).append(name)
    return found


def _role(stem: str, suffix: str, columns: int) -> str | None:
    """Return the role of a series with such names; None if they are not a series."""
    if suffix:
        if stem not in _BEFORE_SUFFIX:
            return None
        role = "label" if suffix in _LABEL_SUFFIXES else roles.of(suffix)
    elif columns > _MOST_RANKS and stem in _CLASS_STEMS:
        role = "confidence"
    elif stem in _LABEL_STEMS:
        role = "label"
    else:
        role = roles.of(stem) or roles.of(re.sub("(top|rank)$", "", stem))
    return role if role in ("label", "confidence") else None


def _complete(numbered: Mapping[int, Sequence[str]], role: str, where: str) -> list[str] | None:
    """Return the columns in the order of their numbers, which count from 0 or 1 without a gap.

    None if they are not a series: prob_1 alone may be anything, and top1 with top5 are accuracies,
    or the first choice and all five.
    """
    first, last = min(numbered), max(numbered)
    if first > 1 or len(numbered) == 1 or set(numbered) == {1, 5}:
        return None
    columns = [name for number in sorted(numbered) for name in numbered[number]]
    if len(columns) > len(numbered):
        twice = next(names for names in numbered.values() if len(names) > 1)
        raise DataError(
            f"{where} has several columns with the same number: {', '.join(twice)}",
            column=role,
            value=twice[0],
            count=len(twice),
            remedy="Rename or remove all but one",
        )
    missing = [number for number in range(first, last + 1) if number not in numbered]
    if first == 0 and last == CLASSES - 2:
        missing.append(CLASSES - 1)
    if missing:
        absent = [_renumbered(columns[0], number) for number in missing]
        raise DataError(
            f"{where} has columns {columns[0]} to {columns[-1]}, but {len(missing):,} are missing: "
            f"{_some(absent)}",
            column=role,
            value=absent[0],
            count=len(missing),
            remedy="Number the columns of a series from 0 or from 1, without gaps",
        )
    return columns


def _series(columns: Sequence[str], where: str) -> Found:
    is_by_class = len(columns) > _MOST_RANKS
    if is_by_class:
        _require_classes(len(columns), where, f"remove the column {columns[0]!r}")
    base = _renumbered(columns[0], None) or _BY_CLASS
    return Found(base, tuple(columns), is_by_class)


def _require_classes(columns: int, where: str, remedy: str) -> None:
    from . import logits

    logits.require_classes(columns, where, remedy)


def _renumbered(name: str, number: int | None) -> str:
    """Return the name with another number, or without number and separators."""
    head, digits, tail = re.split(r"(\d+)(?=\D*$)", name.strip())
    if number is not None:
        return f"{head}{number:0{len(digits) if digits[0] == '0' else 1}}{tail}"
    return re.sub(r"[\s_\-.]+$", "", head) + tail


def _by_class_name(names: Sequence[str], words: Mapping[str, int], where: str) -> Found | None:
    """Return the columns named after the 1,000 classes, in the order of the classes."""
    wordnet_ids = {name: m[1] for name in names if (m := re.fullmatch(_WORDNET_ID, name.strip()))}
    if len(wordnet_ids) > _MANY and not words:
        raise DataError(
            f"{where} has {len(wordnet_ids):,} columns named by WordNet id, but the store does "
            "not have the classes",
            count=len(wordnet_ids),
            column="label",
            remedy="Ingest a folder with the files of the classes: realdb ingest FOLDER",
        )
    plain = {_plain(text): label for text, label in words.items()}
    classes = {}
    for name in names:
        text = wordnet_ids.get(name, name.strip())
        label = words.get(text, plain.get(_plain(text)))
        if label is not None:
            classes[name] = label
    if len(classes) <= _MANY:
        if len(wordnet_ids) > _MANY:
            _require_classes(len(wordnet_ids), where, "remove the first column")
        return None
    columns: dict[int, list[str]] = {}
    for name, label in classes.items():
        columns.setdefault(label, []).append(name)
    unclear = columns.pop(-1, []) + [n for c in columns.values() if len(c) > 1 for n in c]
    if unclear:
        raise DataError(
            f"{where} has {len(unclear)} columns whose names fit more than one class, or whose "
            f"class has another column: {_some(unclear)}",
            column="label",
            value=unclear[0],
            count=len(unclear),
            remedy="Name the columns by class id or WordNet id",
        )
    if len(wordnet_ids) > CLASSES:
        _require_classes(len(wordnet_ids), where, "remove the first column")
    if missing := sorted(set(range(CLASSES)) - set(columns)):
        texts = {label: text for text, label in reversed(list(words.items()))}
        absent = [f"{texts.get(label, '')} (class {label})" for label in missing]
        raise DataError(
            f"{where} has columns for {len(columns):,} classes, but {len(missing):,} are missing: "
            f"{_some(absent)}",
            column="label",
            value=missing[0],
            count=len(missing),
            remedy=f"Write a column for each of the {CLASSES:,} classes",
        )
    return Found(_BY_CLASS, tuple(columns[label][0] for label in range(CLASSES)), True)


def _plain(text: str) -> str:
    return text.lower().replace("_", " ")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
