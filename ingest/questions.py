"""Read the questions of an .npz: the image and label of each row of its tensor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from . import npz
from .known import refusal

_PREFIX = np.frombuffer("ILSVRC2012_val_".encode("utf-32-le"), np.uint32)
_SUFFIX = np.frombuffer(".JPEG".encode("utf-32-le"), np.uint32)
_NAME_LENGTH = 28
_TENS = 10 ** np.arange(7, -1, -1, dtype=np.int32)
_BLOCK = 8192


@dataclass(frozen=True, kw_only=True)
class Questions:
    """The (image, label) pairs of a file, in its order.

    `image_id` is int32 (n,), `label` is int16 (n,), and `path` is the file.
    """

    path: Path
    image_id: npt.NDArray[np.int32]
    label: npt.NDArray[np.int16]

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.image_id)

    @property
    def keys(self) -> npt.NDArray[np.int64]:
        """One number for each question, int64 (n,), which sorts by image and label."""
        return self.image_id.astype(np.int64) * 1000 + self.label

    def has(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return for each of `keys` whether it is one of these questions."""
        known = np.sort(self.keys)
        places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return known[places] == keys if len(known) else np.zeros(len(keys), np.bool_)


def read_questions(path: Path) -> Questions:
    """Read `info` of the .npz at `path`: `<U28` (n, 2), file name and class id.

    Raises DataError if a name is not that of a validation image, a label is not 0-999, or a
    question occurs twice.
    """
    with npz.member(path, "info", dtype="<U28", axes=2) as info:
        if info.shape[1] != 2:
            raise refusal(
                path,
                f"info has shape {info.shape}; (n, 2) is expected",
                column="info",
                value=info.shape,
            )
        parts = [
            _parse(_characters(block), path, start * _BLOCK)
            for start, block in enumerate(info.blocks(_BLOCK))
        ]
    questions = Questions(
        path=path,
        image_id=np.concatenate([np.empty(0, np.int32), *(image_id for image_id, _ in parts)]),
        label=np.concatenate([np.empty(0, np.int16), *(label for _, label in parts)]),
    )
    keys = questions.keys
    order = np.argsort(keys, kind="stable")
    twice = np.flatnonzero(np.diff(keys[order]) == 0)
    if twice.size:
        first, second = order[twice[0]], order[twice[0] + 1]
        raise refusal(
            path,
            f"{twice.size:,} questions occur twice in info, such as image "
            f"{questions.image_id[first]}, label {questions.label[first]} in rows {first} and "
            f"{second}",
            row=int(first),
            column="info",
            count=twice.size,
        )
    return questions


def require_same(one: Questions, other: Questions) -> None:
    """Raise DataError unless both files ask the same questions in the same order."""
    if len(one) != len(other):
        raise DataError(
            f"{one.path.name} has {len(one):,} questions and {other.path.name} has "
            f"{len(other):,}; both must have the same questions",
            file=one.path.name,
            count=len(one),
            remedy="Check that no two of the .npz files are swapped",
        )
    differs = np.flatnonzero((one.image_id != other.image_id) | (one.label != other.label))
    if differs.size:
        raise DataError(
            f"{one.path.name} and {other.path.name} differ in {differs.size:,} of {len(one):,} "
            f"questions (first: row {differs[0]} of info); both must have the same questions",
            file=one.path.name,
            row=int(differs[0]),
            column="info",
            count=differs.size,
            remedy="Download both files again",
        )


def _characters(info: npt.NDArray[np.str_]) -> npt.NDArray[np.uint32]:
    """Return the code points of text (n, 2) as (n, 2, 28), with 0 after the end of a text."""
    wide = info.astype(f"<U{_NAME_LENGTH}", copy=False)
    return wide.view(np.uint32).reshape(len(info), 2, _NAME_LENGTH)


def _parse(
    info: npt.NDArray[np.uint32], path: Path, start: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]:
    """Convert characters, uint32 (n, 2, 28), to image ids and labels."""
    # uint32 wraps around below "0", so that one comparison finds all non-digits.
    digits = info[:, 0, 15:23] - np.uint32(ord("0"))
    good = (info[:, 0, :15] == _PREFIX).all(axis=1) & (info[:, 0, 23:] == _SUFFIX).all(axis=1)
    good &= (digits <= 9).all(axis=1)
    image_id = np.where(digits <= 9, digits, 0).astype(np.int32) @ _TENS
    good &= (image_id >= 1) & (image_id <= 50_000)
    if not good.all():
        expected = "a name ILSVRC2012_val_00000001.JPEG to …_00050000.JPEG"
        _refuse(info, good, 0, path, start, expected)
    text = info[:, 1, :3]
    used = text != 0
    length = used.sum(axis=1)
    digits = text - np.uint32(ord("0"))
    good = ((digits <= 9) | ~used).all(axis=1) & (info[:, 1, 3:] == 0).all(axis=1)
    good &= (length >= 1) & used[:, 0] & (used[:, 1] | ~used[:, 2])
    good &= (length == 1) | (digits[:, 0] != 0)
    if not good.all():
        _refuse(info, good, 1, path, start, "a class id 0 to 999")
    value = np.where(used, digits, 0).astype(np.int16)
    label = value[:, 0].copy()
    for place in (1, 2):
        label = np.where(used[:, place], label * np.int16(10) + value[:, place], label)
    return image_id, label.astype(np.int16)


def _refuse(
    info: npt.NDArray[np.uint32],
    good: npt.NDArray[np.bool_],
    column: int,
    path: Path,
    start: int,
    expected: str,
) -> NoReturn:
    bad = np.flatnonzero(~good)
    offender = info[bad[0], column].tobytes().decode("utf-32-le", "replace").rstrip("\0")
    if column == 0 and offender.startswith("image_"):
        raise DataError(
            f"{path.name} has image names such as {offender!r}, which do not identify the images. "
            "It is from before commit bcd006f of the public repository",
            file=path.name,
            row=start + int(bad[0]),
            column="image",
            value=offender,
            remedy="Download the file from that commit or a later one",
        )
    raise refusal(
        path,
        f"info[{start + bad[0]}, {column}] is {offender!r}; {expected} is expected "
        f"({bad.size:,} such among rows {start}-{start + len(info) - 1})",
        row=start + int(bad[0]),
        column=("image", "label")[column],
        value=offender,
        count=bad.size,
    )
