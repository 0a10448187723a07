"""Read columns of JSON that hold objects or lists of objects: the predictions of a record.

A record may have several such columns: predictions, ground truth, metadata.
"""

from __future__ import annotations

import json
from typing import Any

from ..errors import DataError
from . import columns, image_names, json_choices
from .json_choices import Columns
from .options import ReadOptions

# Additional names of single tools (PaddleClas, COCO, mmpretrain), and of lists.
_OTHER_NAMES = {
    "image": ("filepath", "file", "img_path", "image_path"),
    "label": ("class_ids", "category_id", "predictions", "preds", "pred_labels"),
    "confidence": ("scores", "pred_score", "pred_scores", "probs", "probabilities", "confidences"),
}
# Names of the label if it is a list and there is a list of scores; else maybe the ground truth.
_LABEL_LISTS = ("labels", "classes")
# Parts of the names of ground truth.
_TRUTH = ("truth", "gt", "target", "annotation", "true", "reference")
_SHOWN = 8


def text(value: Any) -> str | None:
    """Return a JSON value as text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def flattened(found: Columns, where: str, options: ReadOptions) -> Columns:
    """Return the columns with objects replaced by their predictions: label and confidence.

    Raises DataError, with the choices, if several columns hold predictions. Objects without a label
    are left out.
    """
    flat: Columns = {}
    parts: dict[str, Columns] = {}
    for name, values in found.items():
        if not _is_nested(values):
            flat[name] = values
        elif any(value not in (None, [], {}) for value in values):
            held = json_choices.of(values, f"{where}: {name!r}", options)
            if held is not None:
                parts[name] = held
    if parts:
        flat |= _chosen(parts, flat, where, options)
    return _renamed(flat, options)


def _is_nested(values: list[Any]) -> bool:
    """Return whether a column holds objects, lists of these, pairs, or nothing."""
    for value in values:
        if isinstance(value, dict):
            return True
        if isinstance(value, list) and value:
            if isinstance(value[0], list | dict):
                return True
            break
        if value is not None and not isinstance(value, list):
            return False
    filled = [value for value in values if value]
    is_pair = all(isinstance(value, list) and len(value) == 2 for value in filled)
    return not filled or (is_pair and json_choices.are_pairs(filled))


def _chosen(parts: dict[str, Columns], flat: Columns, where: str, options: ReadOptions) -> Columns:
    """Return the columns of the one part that holds the predictions."""
    wanted = options.columns.get("label")
    if wanted is not None and wanted in flat:
        return {}
    for name, part in parts.items():
        if wanted in (name, f"{name}.label"):
            return {str(wanted) if role == "label" else role: part[role] for role in part}
    others = _known(flat, "label")
    likely = {
        name: part
        for name, part in parts.items()
        if "confidence" in part or not any(word in name.lower() for word in _TRUTH)
    }
    if not any("confidence" in part for part in likely.values()):
        others += _unnamed_labels(flat, others)
    if len(likely) == 1 and not others:
        return next(iter(likely.values()))
    names = [*others, *(f"{name}.label" for name in parts)]
    raise DataError(
        f"{where} has {len(names)} fields that could be the label: {', '.join(names[:_SHOWN])}",
        column="label",
        value=names[0],
        count=len(names),
        parameter="columns",
        remedy='Choose the one that the model predicted: `columns={"label": "NAME"}`',
    )


def _unnamed_labels(flat: Columns, others: list[str]) -> list[str]:
    """Return the columns with unknown names that hold classes."""
    known = {
        name for role in ("image", "rank", "confidence", "model") for name in columns.NAMES[role]
    }
    return [
        name
        for name, values in flat.items()
        if name not in others
        and name.strip().lower() not in known
        and json_choices.is_class(values[0])
    ]


def _renamed(found: Columns, options: ReadOptions) -> Columns:
    """Return the columns; if a role has no known name, rename the column with a tool's name."""
    named = dict(found)
    for role, others in _OTHER_NAMES.items():
        if role in options.columns or _known(named, role):
            continue
        names = [name for name in named if name.strip().lower() in others]
        if role == "label" and not names and _has_score_lists(named):
            names = [name for name in named if name.strip().lower() in _LABEL_LISTS]
            names = [name for name in names if _holds_lists(named[name])]
        if role == "confidence":  # as many as there are labels
            labels = _known(named, "label")
            is_several = not labels or _holds_lists(named[labels[0]])
            names = [name for name in names if _holds_lists(named[name]) == is_several]
        other = names[0] if len(names) == 1 else None
        if role == "image" and other is None:
            other = _image_column(named)
        if other is not None:
            named = {role if name == other else name: named[name] for name in named}
    return named


def _known(found: Columns, role: str) -> list[str]:
    return [name for name in found if name.strip().lower() in columns.NAMES[role]]


def _has_score_lists(found: Columns) -> bool:
    known = {*_OTHER_NAMES["confidence"], *columns.NAMES["confidence"]}
    return any(
        name.strip().lower() in known and _holds_lists(values) for name, values in found.items()
    )


def _holds_lists(values: list[Any]) -> bool:
    return isinstance(next((value for value in values if value is not None), None), list)


def _image_column(found: Columns) -> str | None:
    """Return the one column that holds the names of images."""
    named = [
        name
        for name, values in found.items()
        if isinstance(values[0], str)
        and not json_choices.is_number(values[0])
        and image_names.number(values[0]) is not None
    ]
    return named[0] if len(named) == 1 else None
