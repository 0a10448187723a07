"""Read COCO's results: records with the ids of images and categories in other lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DataError
from .json_choices import Columns


def is_coco(value: Mapping[str, Any]) -> bool:
    """Return whether an object is COCO's: images with id and file name, and lists of results."""
    images = value.get("images")
    return (
        isinstance(images, list)
        and bool(images)
        and isinstance(images[0], dict)
        and images[0].keys() >= {"id", "file_name"}
        and bool(results(value))
    )


def results(value: Mapping[str, Any]) -> list[str]:
    """Return the members that are lists of records with an image_id."""
    return [
        key
        for key, member in value.items()
        if isinstance(member, list)
        and member
        and isinstance(member[0], dict)
        and "image_id" in member[0]
    ]


def read(value: Mapping[str, Any], key: str, where: str) -> Columns:
    """Return COCO's results: file names by image_id, and labels by category_id.

    If the file has categories, their names are the labels, because a file defines its own ids.
    """
    rows = value[key]
    found: Columns = {
        "image": _looked_up(rows, "image_id", value["images"], "file_name", "image", where)
    }
    categories = value.get("categories")
    if isinstance(categories, list) and categories:
        found["label"] = _looked_up(rows, "category_id", categories, "name", "label", where)
    else:
        found["label"] = [row.get("category_id") for row in rows]
    scores = [row.get("score") for row in rows]
    if any(score is not None for score in scores):
        found["confidence"] = scores
    return found


def _looked_up(
    rows: list[Any], key: str, entries: list[Any], name: str, role: str, where: str
) -> list[Any]:
    names = {str(entry.get("id")): entry.get(name) for entry in entries if isinstance(entry, dict)}
    ids = [str(row.get(key)) if isinstance(row, dict) else "" for row in rows]
    wrong = [row for row, each in enumerate(ids, 1) if each not in names]
    if wrong:
        raise DataError(
            f"{where}: {len(wrong):,} results have a {key} that the file does not define (first: "
            f"{ids[wrong[0] - 1]} in row {wrong[0]})",
            row=wrong[0],
            column=role,
            value=ids[wrong[0] - 1],
            count=len(wrong),
        )
    return [names[each] for each in ids]
