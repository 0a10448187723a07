"""biodiversity: experts' verdicts on the original labels of images of wild animals.

The file has a row for each image. `Correct ID` is the mean of the experts' verdicts, which are 1
for correct and -1 for wrong. The original label is correct if the mean is above 0, unclear at 0,
and wrong below 0. Its score is the mean, mapped to 0-1. Each other mean is a flag if it is above 0.
`Label` is the name of the class. It is cut short in 50 rows, so the name of the original label must
only begin with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..known import SourceFile
from .content import Content, Known, Offenders, image_id
from .files import read_csv, refusing

GROUPING = "animal_group"
_FLAGS = {
    "Blurry image": "blurry",
    "Humans present": "humans",
    "Other animals present": "other_animals",
    "Not real animal": "not_real",
    "Image collage": "collage",
}
_COLUMNS = ("Image Number", "Category", "Label", "Correct ID", *_FLAGS)


def read(files: Mapping[str, SourceFile], known: Known) -> list[Content]:
    """Return the label set; QueryError if the store lacks original labels."""
    (file,) = files.values()
    refuse = refusing(file)
    original, names = known.require_original_labels(), known.names()
    content, wrong, groups = Content(), Offenders(), set()
    for row, cells in read_csv(file, _COLUMNS):
        number = image_id(cells["Image Number"])
        means = {column: _mean(cells[column]) for column in ("Correct ID", *_FLAGS)}
        unread = [column for column, mean in means.items() if mean is None]
        if number is None:
            wrong.add("image numbers are not from 1 to 50,000", cells["Image Number"])
        elif unread:
            wrong.add("means are not between -1 and 1", f"{cells[unread[0]]} in row {row}")
        elif not names.get(label := int(original[number]), cells["Label"]).startswith(
            cells["Label"].strip()
        ):
            wrong.add("labels differ from the original label", f"{cells['Label']} in row {row}")
        else:
            mean = means["Correct ID"] or 0.0
            verdict = "correct" if mean > 0 else "wrong" if mean < 0 else "unclear"
            content.add(number, label, verdict, (mean + 1) / 2)
            groups.add((GROUPING, label, cells["Category"]))
            content.flags += [
                (number, flag, None) for column, flag in _FLAGS.items() if (means[column] or 0) > 0
            ]
    wrong.refuse(refuse)
    if not content.image_id:
        raise refuse("it has no rows", count=0)
    content.check(refuse)
    content.class_groups = sorted(groups)
    return [content]


def _mean(text: str) -> float | None:
    try:
        mean = float(text)
    except ValueError:
        return None
    return mean if not math.isnan(mean) and -1 <= mean <= 1 else None
