"""cleanlab-mturk: five workers' votes on the original label and on a model's guess.

The file is a list of objects: `id` is the image's number, `given_original_label` and
`our_guessed_label` are class ids, and `mturk` counts the workers who chose `given`, `guessed`,
`both` or `neither`. A label is correct if at least 3 of the 5 workers chose it or both labels. Its
score is the share of these workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..known import SourceFile
from .content import Content, Known, Offenders, class_id, image_id
from .files import read_json, refusing

_WORKERS = 5
_MAJORITY = 3
_CHOICES = ("given", "guessed", "both", "neither")


def read(files: Mapping[str, SourceFile], known: Known) -> list[Content]:
    """Return the label set."""
    (file,) = files.values()
    refuse = refusing(file)
    rows = read_json(file)
    if not isinstance(rows, list) or not rows:
        raise refuse("it is not a list of images", value=type(rows).__name__)
    original = known.original_labels()
    content, wrong = Content(), Offenders()
    for row, found in enumerate(rows, 1):
        if not isinstance(found, dict):
            wrong.add("entries are not objects", f"entry {row}")
            continue
        number = image_id(found.get("id")) if isinstance(found.get("id"), int) else None
        labels = [class_id(found.get(key)) for key in ("given_original_label", "our_guessed_label")]
        votes = _votes(found.get("mturk"))
        if number is None:
            wrong.add("ids are not image numbers from 1 to 50,000", found.get("id"))
        elif None in labels:
            wrong.add("images have a label that is not a class id from 0 to 999", number)
        elif votes is None:
            wrong.add(f"images do not have {_WORKERS} votes for {', '.join(_CHOICES)}", number)
        elif original[number] not in (-1, labels[0]):
            wrong.add("images have a given_original_label that differs from the store's", number)
        else:
            for label, choice in zip(labels, _CHOICES, strict=False):
                chosen = votes[choice] + votes["both"]
                verdict = "correct" if chosen >= _MAJORITY else "wrong"
                content.add(number, int(label or 0), verdict, chosen / _WORKERS)
    wrong.refuse(refuse)
    content.check(refuse)
    return [content]


def _votes(found: Any) -> dict[str, int] | None:
    if not isinstance(found, dict) or {*found} != {*_CHOICES}:
        return None
    are_counts = all(isinstance(count, int) and count >= 0 for count in found.values())
    return found if are_counts and sum(found.values()) == _WORKERS else None
