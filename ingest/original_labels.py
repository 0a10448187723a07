"""Read the original ILSVRC 2012 validation labels from any common file format.

The content of a file decides its format, never its name. A new format needs one function that reads
it and one entry in ORIGINAL_LABEL_FORMATS.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError, counted
from ..schema.tables import CLASSES, IMAGES
from . import image_names
from .classes import WORDNET_ID, first_few, read_object, read_text, split_lines
from .npz import HEADER_LOCK

_NPY = "\x93NUMPY"
_INTEGER = re.compile(r"0|[1-9][0-9]{0,8}")
_IMAGE_NAME = re.compile(image_names.PATTERN + r"\Z")
_ClassIds = tuple[NDArray[np.integer[Any]], tuple[str, ...] | None]


@dataclass(frozen=True, kw_only=True)
class OriginalLabels:
    """The original label of every validation image.

    `labels` is int16 (50000,): class ids 0-999, image 1 first. `wordnet_ids` are the 1,000 sorted
    WordNet ids, or None if the source (or map_clsloc.txt, if it was used) does not have them all.
    `format` is a key of ORIGINAL_LABEL_FORMATS.
    """

    labels: NDArray[np.int16]
    wordnet_ids: tuple[str, ...] | None
    format: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """The labels in the file `path`: WordNet ids or integers as text, or an array of integers.

    `names` are the images' file names; None if the labels are in file-name order. `place` returns
    the place of label i for messages. The first label is in row `first_row`.
    """

    path: Path
    labels: Sequence[str] | NDArray[np.integer[Any]]
    names: Sequence[str] | None = None
    place: Callable[[int], str] = lambda row: f"line {row + 1}: "
    first_row: int = 1

    def where(self, rows: Sequence[int], values: Any) -> str:
        """Return the places of the first few of `rows`, with their `values`."""
        found = (f"{self.place(row)}{str(values[row])!r:.60}" for row in rows)
        return first_few(found, len(rows))

    def refuse(self, rows: Sequence[int], what: str) -> None:
        """Raise DataError if there are any `rows`; `what` is the problem with their labels."""
        if rows:
            count = f"{len(rows):,} of {len(self.labels):,} labels"
            raise DataError(
                f"{self.path}: {count} {what} ({self.where(rows, self.labels)})",
                file=self.path,
                row=self.first_row + rows[0],
                column="label",
                value=self.labels[rows[0]],
                count=len(rows),
            )


class OriginalLabelReader(NamedTuple):
    """A format of the labels: its description, a test whether a text has it, and its reader.

    The text is the content of the file; for an .npy file only the magic, for a folder ''.
    """

    description: str
    fits: Callable[[str], object]
    read: Callable[[Path, str], Source]


def read_original_labels(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002
    wordnet_ids: tuple[str, ...] | None = None,
    devkit: dict[int, str] | None = None,
) -> OriginalLabels:
    """Read the original labels of the 50,000 validation images.

    `format` is a key of ORIGINAL_LABEL_FORMATS, or None to detect it from the content.
    `wordnet_ids` is labels.txt (read_wordnet_ids): a class id is the place of a WordNet id there,
    or else among the source's own 1,000 sorted ids. `devkit` is map_clsloc.txt (read_devkit_map).
    If it is set and no integer is 0, integers are devkit ids.

    Raises UsageError for an unknown `format`. Raises DataError if the content has another format or
    an unknown one, if the labels are ambiguous, or if an image does not have exactly one label.
    """
    if format is not None and format not in ORIGINAL_LABEL_FORMATS:
        raise UsageError(
            f"there is no format {format!r} of original labels",
            value=format,
            parameter="original_format",
            remedy=f"The formats are {', '.join(ORIGINAL_LABEL_FORMATS)}",
        )
    text = _text(path)
    found = next(
        (name for name, reader in ORIGINAL_LABEL_FORMATS.items() if reader.fits(text)), None
    )
    if found is None and format is not None:
        found = format  # not detected from the content: use the user's choice
    if found is None or format not in (None, found):
        raise DataError(
            f"{path}: {_mismatch(text, found, format)}",
            file=path,
            value=found,
            parameter="original_format" if format else "original",
        )
    source = ORIGINAL_LABEL_FORMATS[found].read(path, text)
    positions = _positions(source)
    class_ids, own_ids = _class_ids(source, wordnet_ids, devkit)
    if source.names is None and np.array_equal(class_ids, np.repeat(np.arange(CLASSES), 50)):
        raise DataError(
            f"{path}: the labels are in the order of class folders (50 labels of class 0, then 50 "
            "of class 1, and so on)",
            file=path,
            column="image",
            remedy="Write labels without file names in the order of the file names",
        )
    labels = np.empty(IMAGES, np.int16)
    labels[positions] = class_ids
    return OriginalLabels(labels=labels, wordnet_ids=own_ids, format=found)


def image_ids(names: Iterable[str]) -> NDArray[np.int32]:
    """Return the validation image of each file name, 1-50000, or 0 if it is none; int32 (names,).

    image_names defines the file names.
    """
    matches = map(_IMAGE_NAME.search, names)
    ids = np.array([int(match[1]) if match else 0 for match in matches], np.int32)
    ids[ids > IMAGES] = 0
    return ids


def _text(path: Path) -> str:
    if path.is_dir():
        return ""
    try:
        with path.open("rb") as file:
            is_npy = file.read(len(_NPY)) == _NPY.encode("latin-1")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", file=path) from error
    return _NPY if is_npy else read_text(path)


def _mismatch(text: str, found: str | None, wanted: str | None) -> str:
    start = (
        f"the format is not {wanted!r} ({ORIGINAL_LABEL_FORMATS[wanted].description}): "
        if wanted
        else ""
    )
    if found:
        return f"{start}the file looks like {found!r} ({ORIGINAL_LABEL_FORMATS[found].description})"
    forms = "; ".join(
        f"{name}: {reader.description}" for name, reader in ORIGINAL_LABEL_FORMATS.items()
    )
    return f"{start}the file begins with {text[:60]!r:.60}, which is no known format ({forms})"


def _positions(source: Source) -> NDArray[np.integer[Any]]:
    """Return the image of each label, from 0. Refuse labels if an image has not exactly one."""
    if source.names is None:
        if len(source.labels) != IMAGES:
            raise DataError(
                f"{source.path} has {len(source.labels):,} labels; {IMAGES:,} are needed, one for "
                "each validation image in the order of the file names",
                file=source.path,
                count=len(source.labels),
            )
        return np.arange(IMAGES)
    ids = image_ids(source.names)
    counts = np.bincount(ids, minlength=IMAGES + 1)[1:]
    is_repeated = np.zeros(len(ids), np.bool_)
    if counts.max() > 1:
        is_repeated = ids > 0
        is_repeated[np.unique(ids, return_index=True)[1]] = False
    faults = []
    first: int | None = None
    for what, bad in (("not those of a validation image", ids == 0), ("repeated", is_repeated)):
        if rows := np.flatnonzero(bad).tolist():
            where = source.where(rows, source.names)
            first = rows[0] if first is None else first
            faults.append(f"{len(rows):,} of {len(ids):,} names are {what} ({where})")
    missing = np.flatnonzero(counts == 0) + 1
    if len(missing):
        are = counted(len(missing), "image is", "images are")
        faults.append(f"{are} missing ({first_few(missing, len(missing))})")
    if faults:
        raise DataError(
            f"{source.path}: {'; '.join(faults)}. Each image from 1 to {IMAGES} is needed once",
            file=source.path,
            row=None if first is None else source.first_row + first,
            column="image",
            value=missing[0] if first is None else source.names[first],
            count=len(missing) if first is None else None,
        )
    return ids - 1


def _class_ids(
    source: Source, wordnet_ids: tuple[str, ...] | None, devkit: dict[int, str] | None
) -> _ClassIds:
    """Return the class id of each label, and the 1,000 WordNet ids if the source has them."""
    labels = source.labels
    if isinstance(labels, np.ndarray):
        return _from_integers(source, labels, wordnet_ids, devkit)
    is_wordnet = WORDNET_ID.fullmatch(labels[0])
    pattern, what = (WORDNET_ID, "WordNet ids") if is_wordnet else (_INTEGER, "class ids")
    bad = {label for label in {*labels} if not pattern.fullmatch(label)}
    source.refuse(_rows_of(bad, labels), f"are not {what}")
    if not is_wordnet:
        integers = np.array([int(label) for label in labels])
        return _from_integers(source, integers, wordnet_ids, devkit)
    own_ids = tuple(sorted(set(labels)))
    if wordnet_ids is None and len(own_ids) != CLASSES:
        raise DataError(
            f"{source.path} has {len(own_ids):,} different WordNet ids; all {CLASSES:,} are needed "
            "to determine the class ids",
            file=source.path,
            column="label",
            count=len(own_ids),
            remedy="Put labels.txt into the same folder",
        )
    class_of = {wordnet_id: label for label, wordnet_id in enumerate(wordnet_ids or own_ids)}
    bad = {*own_ids} - {*class_of}
    source.refuse(_rows_of(bad, labels), "have WordNet ids that are not in labels.txt")
    class_ids = np.array([class_of[label] for label in labels])
    return class_ids, own_ids if len(own_ids) == CLASSES else None


def _rows_of(bad: set[str], labels: Sequence[str]) -> list[int]:
    """Return the rows of the labels that are among `bad`."""
    return [row for row, label in enumerate(labels) if label in bad] if bad else []


def _from_integers(
    source: Source,
    integers: NDArray[np.integer[Any]],
    wordnet_ids: tuple[str, ...] | None,
    devkit: dict[int, str] | None,
) -> _ClassIds:
    # Each class has 50 validation images, so ids without a 0 count from 1.
    last = CLASSES if (integers != 0).all() else CLASSES - 1
    bad = np.flatnonzero((integers < 0) | (integers > last)).tolist()
    source.refuse(bad, f"are not class ids, 0 to {CLASSES - 1}")
    if last < CLASSES:
        return integers, None
    if devkit is None:
        raise DataError(
            f"{source.path}: the labels are {integers.min()} to {integers.max()}, without a 0",
            file=source.path,
            column="label",
            value=integers.max(),
            remedy="If they are ids of the ILSVRC devkit, which have another order, put its "
            "map_clsloc.txt into the same folder. If they are class ids that count from 1, "
            "subtract 1 from each",
        )
    own_ids = tuple(sorted(devkit.values()))
    if wordnet_ids not in (None, own_ids):
        raise DataError(
            f"{source.path}: the WordNet ids of map_clsloc.txt and labels.txt differ",
            file=source.path,
            value="map_clsloc.txt",
        )
    class_of = {wordnet_id: label for label, wordnet_id in enumerate(own_ids)}
    return np.array([class_of[devkit[number]] for number in integers.tolist()]), own_ids


def _read_lines(path: Path, text: str) -> Source:
    return Source(path=path, labels=[line.strip() for line in split_lines(text, path)])


def _read_named_lines(path: Path, text: str) -> Source:
    rows = [[*line.strip().rsplit(maxsplit=1), ""] for line in split_lines(text, path)]
    return Source(path=path, labels=[row[1] for row in rows], names=[row[0] for row in rows])


def _read_csv(path: Path, text: str) -> Source:
    reader = csv.reader(split_lines(text, path), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            rows.append((reader.line_num, cells))
    except csv.Error as error:  # the row's first line: an open quote may continue for many lines
        line = rows[-1][0] + 1
        raise DataError(
            f"{path}: line {line} is not valid CSV: {error}", file=path, row=line - 1
        ) from error
    del rows[0]
    bad = [f"line {line}: {len(cells)}" for line, cells in rows if len(cells) != 2]
    if bad:
        where = first_few(bad, len(bad))
        first = next(row for row, (_, cells) in enumerate(rows, 1) if len(cells) != 2)
        raise DataError(
            f"{path}: {counted(len(bad), 'row does', 'rows do')} not have 2 cells ({where})",
            file=path,
            row=first,
            value=len(rows[first - 1][1]),
            count=len(bad),
        )
    names, labels = [cells[0] for _, cells in rows], [cells[1] for _, cells in rows]
    return Source(path=path, labels=labels, names=names, place=lambda row: f"line {rows[row][0]}: ")


def _read_json(path: Path, text: str) -> Source:
    members = read_object(text, path)
    names, labels = [name for name, _ in members], [str(value) for _, value in members]
    return Source(path=path, labels=labels, names=names, place=lambda row: f"member {row + 1}: ")


def _read_npy(path: Path, _text: str) -> Source:
    try:
        # Memory-mapped: only the header is read before dtype and shape are checked.
        with HEADER_LOCK:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy raises errors of many kinds for a damaged header
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} cannot be read as an .npy array of integers: {reason}", file=path
        ) from error
    if array.dtype.kind not in "iu" or array.shape != (IMAGES,):
        raise DataError(
            f"{path} is {array.dtype} with shape {array.shape}; integers with shape ({IMAGES},) "
            "are needed, in the order of the file names",
            file=path,
            value=f"{array.dtype} {array.shape}",
        )
    return Source(
        path=path, labels=np.array(array), place=lambda row: f"index {row}: ", first_row=0
    )


def _read_folders(path: Path, _text: str) -> Source:
    names = []
    try:
        with os.scandir(path) as entries:
            folders = [e.name for e in entries if WORDNET_ID.fullmatch(e.name) and e.is_dir()]
        for folder in sorted(folders):
            with os.scandir(path / folder) as entries:
                # Hidden files belong to file managers, not to the data set.
                names += sorted(
                    f"{folder}/{entry.name}" for entry in entries if not entry.name.startswith(".")
                )
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be read: {error.strerror}", file=error.filename
        ) from error
    if not names:
        raise DataError(
            f"{path} has no class folders with images, such as n01440764",
            file=path,
            count=0,
        )
    return Source(path=path, labels=[name[:9] for name in names], names=names, place=lambda _: "")


def _first_line(pattern: str) -> Callable[[str], object]:
    return re.compile(rf"[ \t]*{pattern}[ \t]*$", re.MULTILINE).match


_has_integers = _first_line("[0-9]+")
_find_zero = re.compile(r"^[ \t]*0[ \t]*$", re.MULTILINE).search

ORIGINAL_LABEL_FORMATS: dict[str, OriginalLabelReader] = {
    "tfds": OriginalLabelReader(
        "a WordNet id a line, in file-name order", _first_line("n[0-9]{8}"), _read_lines
    ),
    "imagenet-x": OriginalLabelReader(
        "CSV with the header file_name,label", _first_line("file_name,label"), _read_csv
    ),
    "imagenet-classes": OriginalLabelReader(
        "a JSON object, file name to label", re.compile(r"\s*\{").match, _read_json
    ),
    "val-txt": OriginalLabelReader(
        "a file name and a label a line",
        _first_line(r"\S.*[ \t](?:n[0-9]{8}|[0-9]+)"),
        _read_named_lines,
    ),
    "folders": OriginalLabelReader(
        "a folder of class folders, as n01440764/ILSVRC2012_val_00000293.JPEG",
        lambda text: not text,
        _read_folders,
    ),
    "npy": OriginalLabelReader(
        "an .npy array of integers, in file-name order", lambda text: text == _NPY, _read_npy
    ),
    "plain": OriginalLabelReader(
        "a class id (0-999) a line, in file-name order",
        lambda text: _has_integers(text) and _find_zero(text),
        _read_lines,
    ),
    "devkit": OriginalLabelReader(
        "a devkit id (1-1000) a line, in file-name order",
        lambda text: _has_integers(text) and not _find_zero(text),
        _read_lines,
    ),
}
