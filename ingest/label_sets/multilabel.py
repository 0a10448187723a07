"""multilabel-v3: human_accuracy_v3.0.0.json, with its subset imagenet-m.

The file is an object. `initial_annots` maps a file name to an object with the lists `correct`,
`unclear` and `wrong` of WordNet ids. Each list may be missing. `problematic_images` is an object
whose keys are file names. `imagenet_m` is a list of file names. Images outside the validation set
are left out. The other keys have most of the 200 MB, and are skipped.

In the published file, 442 labels are in two lists of an image, and one label is twice in a list.
Both verdicts are kept, as in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...errors import DataError
from ..known import SourceFile
from .content import VERDICTS, Content, Known, Offenders, image_id
from .files import decoded, refusing
from .large_json import members, pairs

SUBSET = "imagenet-m"
_TITLE = "ImageNet-M: 68 images on which most mistakes of good models are major"
_VALIDATION = "ILSVRC2012_val_"
# The keys that are read, and the first character of each value.
_KEYS = {"initial_annots": b"{", "problematic_images": b"{", "imagenet_m": b"["}


def read(files: Mapping[str, SourceFile], known: Known) -> list[Content]:
    """Return the label set and its subset."""
    (file,) = files.values()
    refuse = refusing(file)
    annotations, problematic, subset = _lists(file, refuse)
    classes = known.classes()
    content, major = Content(), Content(name=SUBSET, title=_TITLE)
    wrong = Offenders()
    for name, verdicts in annotations:
        if not name.startswith(_VALIDATION):
            continue
        number = image_id(name)
        if number is None:
            wrong.add("names are not names of validation images", name)
        elif not isinstance(verdicts, dict):
            wrong.add("images have no object of verdicts", name)
        else:
            _add(content, number, name, verdicts, classes, wrong)
    flags = [(name, "problematic") for name in problematic if name.startswith(_VALIDATION)]
    flags += [(name, SUBSET) for name in subset]
    chosen = set()
    for name, flag in flags:
        number = image_id(name)
        if number is None:
            wrong.add(f"names in {flag} are not names of validation images", name)
        else:
            content.flags.append((number, flag, None))
            if flag == SUBSET:
                chosen.add(number)
    wrong.refuse(refuse)
    if not content.image_id:
        raise refuse("initial_annots has no verdict on a label of a validation image", count=0)
    columns = (content.image_id, content.label, content.verdict)
    for number, label, verdict in zip(*columns, strict=True):
        if number in chosen:
            major.add(number, label, VERDICTS[verdict])
    return [content, major]


def _add(
    content: Content,
    number: int,
    name: str,
    verdicts: dict[str, Any],
    classes: dict[str, int],
    wrong: Offenders,
) -> None:
    for verdict, labels in verdicts.items():
        if verdict not in VERDICTS:
            wrong.add("verdicts are unknown", f"{verdict} of {name}")
        elif not isinstance(labels, list):
            wrong.add("verdicts have no list of labels", f"{verdict} of {name}")
        else:
            for label in dict.fromkeys(map(str, labels)):
                if label in classes:
                    content.add(number, classes[label], verdict)
                else:
                    wrong.add("labels are not WordNet ids of the 1,000 classes", label)


def _lists(
    file: SourceFile, refuse: Callable[..., DataError]
) -> tuple[Iterator[tuple[str, Any]], list[str], list[str]]:
    """Return the members of initial_annots, the names in problematic_images and in imagenet_m."""
    texts = members(file.path, _KEYS, refuse)
    for key, sign in _KEYS.items():
        if not texts.get(key, b"").strip().startswith(sign):
            word = "object" if sign == b"{" else "list"
            raise refuse(f"it has no {word} {key}", column=key, count=0)
    annotations, problematic, subset = (texts[key] for key in _KEYS)
    images = [*map(str, decoded(subset, refuse))]
    repeated = [name for name, times in Counter(images).items() if times > 1]
    if repeated or not images:
        raise refuse(
            f"imagenet_m repeats {len(repeated):,} names (first: {repeated[0]!r})"
            if repeated
            else "imagenet_m is empty",
            column="imagenet_m",
            value=repeated[0] if repeated else None,
            count=len(repeated),
        )
    return pairs(annotations, refuse), [name for name, _ in pairs(problematic, refuse)], images
