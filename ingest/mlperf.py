"""Read MLPerf's mlperf_log_accuracy.json: the bytes that a model returned for each query.

`qsl_idx` is the number of the image in val_map.txt, from 0. `data` is the label in hexadecimal, a
little-endian float32, int32 or int64. Like MLPerf's own tool, realdb uses the first answer for an
image.
Source: mlcommons/inference, vision/classification_and_detection/tools/accuracy-imagenet.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..schema.tables import CLASSES, IMAGES
from .options import ReadOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KEYS = {"qsl_idx", "data"}


def is_log(record: Mapping[str, Any]) -> bool:
    """Return whether a record is an answer in MLPerf's log."""
    return record.keys() >= _KEYS


def read(rows: list[dict[str, Any]], where: str, options: ReadOptions) -> dict[str, list[Any]]:
    """Return the image and label of each answer; images are in `options.order`.

    Raises DataError if the log does not have all images, or its data are not labels.
    """
    answers: dict[int, str] = {}
    for row, record in enumerate(rows, 1):
        place, data = str(record.get("qsl_idx")), record.get("data")
        if not place.isdecimal() or not isinstance(data, str):
            raise DataError(
                f"{where}: row {row} of MLPerf's log has no valid qsl_idx or data",
                row=row,
                column="image",
                value=record.get("qsl_idx"),
            )
        answers.setdefault(int(place), data)
    if len(answers) != IMAGES or max(answers) >= IMAGES:
        raise DataError(
            f"{where} is MLPerf's accuracy log with answers for {len(answers):,} images (qsl_idx "
            f"{min(answers)} to {max(answers)}). qsl_idx is a line of val_map.txt, and realdb "
            f"knows these lines only if all {IMAGES:,} images are in the log",
            column="image",
            count=len(answers),
            remedy="Write a CSV with the columns image (the file name in line qsl_idx + 1 of "
            "val_map.txt) and label (the number in data)",
        )
    places = sorted(answers)
    images = options.images_of(len(places), where).tolist()
    labels = _labels([answers[place] for place in places], where)
    return {"image": images, "label": list(map(str, labels.tolist()))}


def _labels(data: list[str], where: str) -> NDArray[np.int64]:
    import numpy as np

    size = len(data[0]) // 2
    kinds = {4: ("<i4", "<f4"), 8: ("<i8",)}.get(size, ())
    try:
        content = bytes.fromhex("".join(data))
    except ValueError:
        content = b""
    if all(len(each) == 2 * size for each in data) and len(content) == size * len(data):
        for kind in kinds:
            values = np.frombuffer(content, kind).astype(np.float64)
            # A class id as float32 is a large int32; as int32 it is a float32 near 0.
            if ((values >= 0) & (values <= CLASSES) & (values == np.floor(values))).all():
                return values.astype(np.int64)
    raise DataError(
        f"{where}: the data of MLPerf's log are not labels, which are little-endian float32, int32 "
        "or int64 (4 or 8 bytes)",
        column="label",
        value=data[0][:40],
        count=len(data),
        remedy="Write a CSV with the columns image and label",
    )
