"""Find the parts of parsed JSON that may be the predictions, with a degree of certainty.

The first members decide what a part is. Each object and list is visited once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..schema.tables import CLASSES, IMAGES
from . import coco, columns, image_names, json_choices, mlperf

# How many members of a list or object decide what it is. Reading it checks all members.
LOOKED_AT = 8
_LEVELS = 8
# The certainty that a part is the predictions. 4: it has image names; 3: it has 50,000 elements;
# 2: it is one record; 1: it is another table; 0: a list that may belong to image names elsewhere.
_NAMED, _POSITIONAL, _RECORD, _TABLE, _LIST = 4, 3, 2, 1, 0


class Part(NamedTuple):
    """A part of a value that may be the predictions.

    kind: how to read its `value`
    members: the members of the value with the predictions, if not all have them
    """

    keys: tuple[str, ...]
    sureness: int
    kind: Literal["list", "map", "columns", "record", "split", "coco"]
    value: Any
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The path of keys to the part."""
        return ".".join((*self.keys, "+".join(self.members)) if self.members else self.keys)

    @property
    def rows(self) -> int:
        """The number of rows."""
        if self.kind == "split":
            return len(self.value["data"])
        return len(self.value[self.members[0]] if self.members else self.value)


def surest(value: Mapping[str, Any]) -> list[Part]:
    """Return the parts of an object that are most likely its predictions: one, several or none.

    A part with image names may be the ground truth of predictions without names. A part of the same
    length is therefore returned as well.
    """
    found = list(_find(value, ()))
    highest = max((part.sureness for part in found), default=_LIST)
    likely = [part for part in found if part.sureness == highest > _LIST]
    if highest == _NAMED:
        lengths = {part.rows for part in likely if part.rows >= LOOKED_AT}
        likely += [
            part
            for part in found
            if part.sureness < _NAMED and part.kind != "record" and part.rows in lengths
        ]
    return likely


def _find(value: Any, keys: tuple[str, ...]) -> Iterator[Part]:
    if isinstance(value, list):
        sureness = _of_list(value)
        if sureness is not None:
            yield Part(keys, sureness, "list", value)
        return
    if coco.is_coco(value):
        for name in coco.results(value):
            yield Part(keys, _NAMED, "coco", value, (name,))
        return
    if isinstance(value.get("schema"), dict) and isinstance(value.get("data"), list):
        yield from _find(value["data"], (*keys, "data"))  # pandas' orient="table"
        return
    if is_split(value):
        yield Part(keys, _NAMED, "split", value)
        return
    sureness = _of_map(value)
    if sureness is not None:
        yield Part(keys, sureness, "map", value)
        return
    taken: set[str] = set()
    for group in _groups(value):
        sureness = _of_columns(value, group)
        if sureness is not None:
            taken |= set(group)
            yield Part(keys, sureness, "columns", value, tuple(group))
    if _is_record(value):
        yield Part(keys, _RECORD, "record", value)
    if len(keys) < _LEVELS:
        for key, member in value.items():
            if key not in taken and isinstance(member, list | dict):
                yield from _find(member, (*keys, key))


def is_split(value: Mapping[str, Any]) -> bool:
    """Return whether an object has pandas' orient="split"."""
    members = value.get("columns"), value.get("data")
    return all(isinstance(each, list) for each in members)


def _is_record(value: Mapping[str, Any]) -> bool:
    if any(map(is_image, value.values())):
        return True
    is_flat = not any(
        isinstance(member, dict)
        or (isinstance(member, list) and isinstance(next(iter(member), None), dict))
        for member in value.values()
    )
    return is_flat and any(key.strip().lower() in columns.NAMES["image"] for key in value)


def _of_list(rows: list[Any]) -> int | None:
    """Return the certainty that a list is the predictions; None if it is not."""
    head = rows[:LOOKED_AT]
    as_long = _POSITIONAL if len(rows) == IMAGES else _LIST
    if head and all(isinstance(row, dict) for row in head):
        return _NAMED if any(map(names_image, head)) else max(as_long, _TABLE)
    if head and all(isinstance(row, list) for row in head):
        return _NAMED if is_image(next(iter(head[0]), None)) else as_long
    is_no_label = any(is_image(each) or json_choices.is_fraction(each) for each in head)
    return None if is_no_label or not head else as_long


def _of_map(value: Mapping[str, Any]) -> int | None:
    """Return the certainty that an object is keyed by image. The first few keys decide."""
    head = [key for key, _ in zip(value, range(LOOKED_AT), strict=False)]
    if any(map(is_image, head)):
        return _NAMED
    if not head or not all(image_names.number(key) is not None for key in head):
        return None
    first = value[head[0]]
    if isinstance(first, dict) and names_image(first):
        return _NAMED
    return _POSITIONAL if len(value) > CLASSES else _TABLE  # the keys may be class ids


def _groups(value: Mapping[str, Any]) -> list[list[str]]:
    """Return groups of keys whose lists have one length, or whose objects have the same keys."""
    found: dict[tuple[object, ...], list[str]] = {}
    for key, member in value.items():
        if (
            isinstance(member, list)
            and member
            and not (isinstance(member[0], dict) and names_image(member[0]))
        ):
            found.setdefault((len(member),), []).append(key)
        elif isinstance(member, dict) and member:
            first = next(iter(member))
            by = first if is_image(first) else "row"
            found.setdefault((len(member), by), []).append(key)
    return [group for group in found.values() if len(group) > 1]


def _of_columns(value: Mapping[str, Any], group: Sequence[str]) -> int | None:
    """Return the certainty that members of an object are the columns of one table."""
    members = [value[key] for key in group]
    firsts = [next(iter(each.values() if isinstance(each, dict) else each)) for each in members]
    if any(map(is_image, firsts)) or (
        isinstance(members[0], dict) and is_image(next(iter(members[0])))
    ):
        return _NAMED
    if len(members[0]) == IMAGES:
        return _POSITIONAL
    others = [each for each in value.values() if isinstance(each, list | dict)]
    return _TABLE if len(others) == len(group) else None


def is_image(value: object) -> bool:
    """Return whether a value is the file name of a validation image."""
    return (
        isinstance(value, str)
        and not json_choices.is_number(value)
        and image_names.number(value) is not None
    )


def names_image(record: Mapping[str, Any]) -> bool:
    """Return whether a record has an image name, or is keyed by images."""
    return (
        any(is_image(value) for value in record.values())
        or any(key.strip().lower() in columns.NAMES["image"] for key in record)
        or is_image(next(iter(record), None))
        or mlperf.is_log(record)
    )
