"""imagenet-x: factors of images, prototypes, and metaclasses. It does not judge labels.

Each line of the two files of factors is an object: `file_name`, `class` (the original label) and 16
factors, 0 or 1. Their images have the flag `annotated`. Two of these images have no factor. The
grouping `factor` has all factors of an image, `top_factor` only the main one. The images in
prototypical_paths.csv have the flag `prototype`. The grouping `metaclass` has the 16 metaclasses
that imagenet_x uses, and `other`. The class id is the row number in the file, from 0, because the
WordNet ids in the file are wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...schema.tables import CLASSES
from ..known import SourceFile
from .content import Content, Known, Offenders, class_id, image_id
from .files import read_csv, read_json_lines, refusing

FACTORS = (
    *("pose", "background", "pattern", "color", "smaller", "shape", "partial_view", "subcategory"),
    *("texture", "larger", "darker", "object_blocking", "person_blocking", "style", "brighter"),
    "multiple_objects",
)
# The metaclasses in imagenet_x/utils.py. The others have few classes.
METACLASSES = {
    *("device", "dog", "commodity", "bird", "structure", "covering", "wheeled_vehicle", "food"),
    *("equipment", "insect", "vehicle", "furniture", "primate", "vessel", "snake"),
    "natural_object",
}
_GROUPINGS = {
    "factor": "imagenet_x_val_multi_factor.jsonl",
    "top_factor": "imagenet_x_val_top_factor.jsonl",
}


def read(files: Mapping[str, SourceFile], known: Known) -> list[Content]:
    """Return the label set."""
    content = Content()
    annotated = {
        grouping: _read_factors(content, grouping, files[name], known)
        for grouping, name in _GROUPINGS.items()
    }
    if annotated["factor"] != annotated["top_factor"]:
        differing = sorted(annotated["factor"] ^ annotated["top_factor"])
        raise refusing(files[_GROUPINGS["top_factor"]])(
            f"its images differ from those in {_GROUPINGS['factor']}",
            column="image",
            value=differing[0],
            count=len(differing),
        )
    content.flags += [(number, "annotated", None) for number in sorted(annotated["factor"])]
    _read_prototypes(content, files["prototypical_paths.csv"])
    _read_metaclasses(content, files["imagenet_1k_classes_to_100_metaclasses.csv"])
    return [content]


def _read_factors(content: Content, grouping: str, file: SourceFile, known: Known) -> set[int]:
    refuse = refusing(file)
    original = known.original_labels()
    wrong, seen = Offenders(), set()
    for row, found in read_json_lines(file):
        number = image_id(found.get("file_name"))
        values = [found.get(factor) for factor in FACTORS]
        if number is None:
            wrong.add("names are not names of validation images", found.get("file_name"))
        elif number in seen:
            wrong.add("images are repeated", found.get("file_name"))
        elif not all(type(value) is int and value in (0, 1) for value in values):
            wrong.add("lines do not have 0 or 1 for each of the 16 factors", f"line {row}")
        elif original[number] not in (-1, class_id(found.get("class"))):
            wrong.add("images have a class that differs from their original label", number)
        else:
            seen.add(number)
            content.image_groups += [
                (grouping, number, factor)
                for factor, value in zip(FACTORS, values, strict=True)
                if value
            ]
    wrong.refuse(refuse)
    if not seen:
        raise refuse("it has no lines", count=0)
    return seen


def _read_prototypes(content: Content, file: SourceFile) -> None:
    wrong, seen = Offenders(), set()
    for row, cells in read_csv(file, ["file_name"]):
        number = image_id(cells["file_name"])
        if number is None or number in seen:
            wrong.add("rows have no name of a validation image, or repeat one", f"row {row}")
        else:
            seen.add(number)
            content.flags.append((number, "prototype", None))
    wrong.refuse(refusing(file))


def _read_metaclasses(content: Content, file: SourceFile) -> None:
    names = [cells["name"] for _, cells in read_csv(file, ["name"])]
    if len(names) != CLASSES or not {*names} >= METACLASSES:
        raise refusing(file)(
            f"it has {len(names):,} rows, or lacks a metaclass. It must have a row for each of the "
            f"{CLASSES:,} classes",
            count=len(names),
        )
    content.class_groups += [
        ("metaclass", label, name if name in METACLASSES else "other")
        for label, name in enumerate(names)
    ]
