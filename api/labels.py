"""The ReaL labels as arrays."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, overload

from ..errors import UsageError
from ..schema.tables import CLASSES, IMAGES
from .rules import PUBLISHED_THRESHOLD, Rules, require_choice
from .session import Session

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMS = ("arrays", "matrix", "packed", "torch")


@overload
def real_labels(
    form: Literal["arrays"] = "arrays",
    *,
    threshold: float = ...,
    store: str | PathLike[str] | None = ...,
    offline: bool | None = ...,
) -> list[NDArray[Any]]: ...


@overload
def real_labels(
    form: Literal["matrix", "packed"],
    *,
    threshold: float = ...,
    store: str | PathLike[str] | None = ...,
    offline: bool | None = ...,
) -> NDArray[Any]: ...


@overload
def real_labels(
    form: Literal["torch"],
    *,
    threshold: float = ...,
    store: str | PathLike[str] | None = ...,
    offline: bool | None = ...,
) -> Any: ...


def real_labels(
    form: str = "arrays",
    *,
    threshold: float = PUBLISHED_THRESHOLD,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
) -> Any:
    """Return the ReaL labels of the 50,000 images. Row 0 is image 1.

    `form` is the type of the result:

    - `arrays`: a list of 50,000 arrays of class ids, int16, each in the order of real.json. An
      image without labels has an empty array.
    - `matrix`: bool (50000, 1000), 50 MB. True means that the class is a label of the image.
    - `packed`: the matrix as bits, uint8 (50000, 125): `numpy.packbits(matrix, axis=1)`. Class c is
      bit 7 - c % 8 of byte c // 8. `numpy.unpackbits(packed, axis=1)` returns the matrix.
    - `torch`: the matrix as a torch.bool tensor on the CPU.

    `threshold` selects the labels of another operating point (view `labels_at`), in its order.
    Raises UsageError for another form, or for `torch` if torch is not installed; QueryError if
    another operating point needs the scores and the store has none. Source: real.json, and Section
    3 of the paper for the operating point.

    >>> realdb.real_labels()[25]  # doctest: +SKIP
    array([526, 846, 619], dtype=int16)
    """
    import numpy as np

    require_choice("form", form, FORMS)
    if form == "torch":
        _require_torch()
    image_ids, labels = rows(threshold=threshold, store=store, offline=offline)
    if form == "arrays":
        ends = np.cumsum(np.bincount(image_ids - 1, minlength=IMAGES))
        return np.split(labels, ends[:-1])
    matrix = np.zeros((IMAGES, CLASSES), np.bool_)
    matrix[image_ids - 1, labels] = True
    if form == "packed":
        return np.packbits(matrix, axis=1)
    if form == "torch":
        import torch  # type: ignore[import-not-found, unused-ignore]

        return torch.from_numpy(matrix)
    return matrix


def rows(
    *, threshold: float, store: str | PathLike[str] | None, offline: bool | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the image ids, int32 (n,), and labels, int16 (n,), ordered by image and position."""
    rules = Rules(threshold=threshold)
    with Session(store, tables=["labels"], rules=rules, offline=offline) as session:
        found = session.prepare().view("labels").order("image_id, position").fetchnumpy()
    return found["image_id"], found["label"]


def padded(image_ids: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Return the labels as an array for lookups, int16 (50000, most), padded with -1.

    `most` is the largest number of labels of an image, at least 1.
    """
    import numpy as np

    counts = np.bincount(image_ids - 1, minlength=IMAGES)
    begins = np.cumsum(counts) - counts
    table = np.full((IMAGES, max(1, counts.max())), -1, np.int16)
    table[image_ids - 1, np.arange(len(labels)) - begins[image_ids - 1]] = labels
    return table


def hits_of(choices: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Return which choices are among their image's labels, bool (n, k).

    `choices` have shape (n, k). `labels` are rows of `padded`, (n, most). -1 means none in both.
    """
    found: NDArray[Any] = (choices[:, :, None] == labels[:, None, :]).any(axis=2)
    return found & (choices >= 0)


def original_labels(store: str | PathLike[str] | None) -> NDArray[Any]:
    """Return the original label of each image, int16 (50000,); -1 if the store has none."""
    import numpy as np

    with Session(store) as session:
        found = session.view("images").order("image_id").select("original_label").fetchnumpy()
    return np.ma.filled(found["original_label"], -1).astype(np.int16)


def _require_torch() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise UsageError(
            'the package torch, which `form="torch"` needs, is not installed',
            parameter="form",
            value="torch",
            remedy='Install torch, or use `form="matrix"` for the same NumPy array',
        )
