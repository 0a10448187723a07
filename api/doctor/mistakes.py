"""The usual mistakes in predictions, as hypotheses, and the accuracy under each of them.

A hypothesis maps the stated image numbers to images, and the stated labels to classes. Both maps
are lookup tables: trying a hypothesis is a gather over 50,000 rows. This module reads no file.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import counted
from ...schema.tables import CLASSES, IMAGES
from ...stats.intervals import wilson

if TYPE_CHECKING:
    import duckdb

# Stated image numbers and labels beyond these have no meaning under any hypothesis. The loop in the
# README of ReaL's repository, (i + i), gives the last image the number 99,998.
MOST_IMAGE = 2 * IMAGES
LEAST_LABEL, MOST_LABEL = -CLASSES, 2 * CLASSES
_LABELS = MOST_LABEL - LEAST_LABEL + 1
# The largest shift of image numbers to try.
_IMAGE_SHIFTS = 5
# A shift of the class ids is tried if it explains this share of the predictions.
_SHIFTED = 0.05
# The entries of the tables for no image and for no class.
NO_IMAGE, NO_CLASS = 0, -1
# A hypothesis repairs predictions if it raises the accuracy by this factor and by these points.
_TIMES = 2.0
_POINTS = 0.1
# The hypothesis that learns the order of the classes from the predictions.
CLASS_ORDER = "class-order"
# The number of pairs of classes in a note.
_SHOWN = 8

# Repairs that make a file readable, or change its ranks.
REPAIRS = {
    "padding": "rows repeat earlier rows, like the padding of a distributed sampler",
    "ranks-by-confidence": "the ranks are not in the order of the confidences",
    "ranks-reversed": "the ranks are reversed: the last choice comes first",
}

_Ints = npt.NDArray[np.integer[Any]]
_Bools = npt.NDArray[np.bool_]


class Truth(NamedTuple):
    """The labels as lookup tables. Row 0 means no image, and the last column no class.

    is_real: bool (50001, 1001), the class is one of the image's ReaL labels
    has_real: bool (50001,), the image has ReaL labels
    original: int16 (50001,), the original label, -1 if the store has none
    is_rated: bool (50001,), raters were asked about the image; None if the store does not know
    """

    is_real: _Bools
    has_real: _Bools
    original: _Ints
    is_rated: _Bools | None


class Hypothesis(NamedTuple):
    """A possible mistake, and its repair.

    image_of: (MOST_IMAGE + 2,), the image of each stated number, 0 for none; the last entry is for
        larger numbers
    class_of: (3002,), the class of each stated label, from LEAST_LABEL on, -1 for none; the last
        entry is for other labels
    ranks: the option `ranks` to apply first (see ingest/options.py); empty keeps the ranks
    """

    name: str
    meaning: str
    image_of: _Ints
    class_of: _Ints
    note: str = ""
    ranks: str = ""

    @property
    def is_fitted(self) -> bool:
        """Whether the repair is fitted to the labels. Its accuracy is then too high."""
        return self.name.endswith(CLASS_ORDER)


class Share(NamedTuple):
    """A share: `hits` of `total`."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share, from 0 to 1; 0 if the total is 0."""
        return self.hits / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval at 95 %; 0 to 1 if the total is 0."""
        return wilson(self.hits, self.total) if self.total else (0.0, 1.0)


class Trial(NamedTuple):
    """A hypothesis, the accuracy of the predictions under it, and whether it repairs them."""

    hypothesis: Hypothesis
    after: Share
    repairs: bool


def truth(con: duckdb.DuckDBPyConnection) -> Truth:
    """Read the tables images and labels of `con`."""
    is_real = np.zeros((IMAGES + 1, CLASSES + 1), np.bool_)
    labels = con.execute("select image_id, label from labels").fetchnumpy()
    is_real[labels["image_id"], labels["label"]] = True
    has_real = np.zeros(IMAGES + 1, np.bool_)
    has_real[labels["image_id"]] = True
    original = np.full(IMAGES + 1, NO_CLASS, np.int16)
    images = con.execute(
        "select image_id, original_label from images where original_label is not null"
    ).fetchnumpy()
    original[images["image_id"]] = images["original_label"]
    rated = con.execute(
        "select image_id, is_rated from images where is_rated is not null"
    ).fetchnumpy()
    is_rated = None
    if len(rated["image_id"]):
        is_rated = np.zeros(IMAGES + 1, np.bool_)
        is_rated[rated["image_id"]] = rated["is_rated"]
    return Truth(is_real, has_real, original, is_rated)


def means(hypothesis: Hypothesis, image: _Ints, label: _Ints) -> tuple[_Ints, _Ints]:
    """Return the images and classes of stated numbers and labels under `hypothesis`."""
    places = np.where((image >= 0) & (image <= MOST_IMAGE), image, MOST_IMAGE + 1)
    classes = np.where((label >= LEAST_LABEL) & (label <= MOST_LABEL), label - LEAST_LABEL, _LABELS)
    return hypothesis.image_of[places], hypothesis.class_of[classes]


def real_hits(truth: Truth, image: _Ints, label: _Ints) -> Share:
    """Return how often the classes are right, of the images with ReaL labels."""
    # One index takes a fifth of the time of two. NO_CLASS, -1, becomes the last column of the row
    # before, which is False like the last column of its own row.
    places = image * np.int64(CLASSES + 1) + label
    return Share(
        int(np.count_nonzero(truth.is_real.ravel().take(places))),
        int(np.count_nonzero(truth.has_real.take(image))),
    )


def original_hits(truth: Truth, image: _Ints, label: _Ints) -> Share:
    """Return how often the classes are the original label, of the images that have one."""
    known = truth.original[image]
    return Share(
        int(np.count_nonzero((known >= 0) & (known == label))), int(np.count_nonzero(known >= 0))
    )


def as_stated() -> Hypothesis:
    """Return the hypothesis that there is no mistake."""
    return Hypothesis("", "as stated", _images_as_stated(), _classes_as_stated())


def as_stated_hits(truth: Truth, choices: Mapping[str, _Ints]) -> Share:
    """Return how often the stated choices are right: the columns image and label."""
    return real_hits(truth, *means(as_stated(), choices["image"], choices["label"]))


def trials(truth: Truth, image: _Ints, label: _Ints) -> list[Trial]:
    """Try the usual mistakes on predictions: the stated image numbers and labels, (n,) each.

    Each mistake is tried by itself. If the predictions are right on fewer than half of the images,
    mistakes in the images are also combined with mistakes in the class ids. If none repairs them,
    the last trial learns an order of the classes from the predictions.
    """
    before = real_hits(truth, *means(as_stated(), image, label))

    def attempt(hypothesis: Hypothesis) -> Trial:
        after = real_hits(truth, *means(hypothesis, image, label))
        return Trial(hypothesis, after, repairs(before, after))

    images = list(_image_hypotheses(truth, image))
    classes = list(_class_hypotheses(label))
    shifts = _shifts(truth, means(as_stated(), image, label)[0], label)
    tried = [attempt(hypothesis) for hypothesis in (*images, *classes, *shifts)]
    if before.value * _TIMES > 1:
        return tried  # the accuracy cannot be doubled
    tried += [
        attempt(
            Hypothesis(
                f"{one.name},{other.name}",
                f"{one.meaning}; and {other.meaning}",
                one.image_of,
                other.class_of,
            )
        )
        for one in images
        for other in (*classes, *_shifts(truth, means(one, image, label)[0], label))
    ]
    if any(trial.repairs for trial in tried):
        return tried
    return [*tried, _learned_order(truth, image, label, before)]


def reversed_ranks(truth: Truth, first: Mapping[str, _Ints], last: Mapping[str, _Ints]) -> Trial:
    """Try the last choices of the images in place of the first."""
    hypothesis = as_stated()._replace(
        name="ranks-reversed", meaning=REPAIRS["ranks-reversed"], ranks="reversed"
    )
    before, after = as_stated_hits(truth, first), as_stated_hits(truth, last)
    return Trial(hypothesis, after, repairs(before, after))


def together(one: Trial, other: Trial) -> Trial:
    """Return two repairs as one. `other` was tried on predictions repaired by `one`."""
    first, second = one.hypothesis, other.hypothesis
    return other._replace(
        hypothesis=second._replace(
            name=f"{first.name},{second.name}",
            meaning=f"{first.meaning}; and {second.meaning}",
            ranks=first.ranks,
        )
    )


def repairs(before: Share, after: Share) -> bool:
    """Return whether a change from `before` to `after` repairs predictions.

    The accuracy must double and rise by 10 points, and the intervals must not overlap.
    """
    return (
        after.value >= _TIMES * before.value
        and after.value >= before.value + _POINTS
        and after.interval[0] > before.interval[1]
    )


def likeliest(tried: list[Trial]) -> list[Trial]:
    """Return the best trial that repairs, and those within its interval, best first.

    A combination of two mistakes is returned only if it explains more than a single mistake.
    """
    found = sorted(
        (trial for trial in tried if trial.repairs), key=lambda trial: -trial.after.value
    )
    close = [trial for trial in found if trial.after.interval[1] >= found[0].after.interval[0]]
    single = max((t.after.value for t in close if "," not in t.hypothesis.name), default=0.0)
    return [t for t in close if "," not in t.hypothesis.name or t.after.value > single]


def _images_as_stated() -> _Ints:
    image_of = np.zeros(MOST_IMAGE + 2, np.int32)
    image_of[1 : IMAGES + 1] = np.arange(1, IMAGES + 1)
    return image_of


def _classes_as_stated() -> _Ints:
    return _class_table(0, np.arange(CLASSES))


def _class_table(first: int, classes: _Ints) -> _Ints:
    """Return the `class_of` that maps the stated labels from `first` on to `classes`."""
    class_of = np.full(_LABELS + 1, NO_CLASS, np.int16)
    class_of[first - LEAST_LABEL : first - LEAST_LABEL + len(classes)] = classes
    return class_of


def _image_hypotheses(truth: Truth, image: _Ints) -> Iterator[Hypothesis]:
    classes = _classes_as_stated()
    # Positions in a list count from 0 if a 0 is among them.
    base = 0 if (image == 0).any() and not (image == IMAGES).any() else 1

    def made(name: str, meaning: str, order: _Ints) -> Hypothesis:
        """Return a hypothesis. `order` is (50000,): the image of each position, from 1."""
        image_of = np.zeros(MOST_IMAGE + 2, np.int32)
        image_of[base : IMAGES + base] = order
        return Hypothesis(name, meaning, image_of, classes)

    # The shifts wrap around, like numpy.roll.
    for places in range(1, _IMAGE_SHIFTS + 1):
        shifted = np.zeros(MOST_IMAGE + 2, np.int32)
        shifted[: IMAGES + 1] = (np.arange(IMAGES + 1) + places - 1) % IMAGES + 1
        meaning = (
            "each prediction belongs to the next image: the images may have been counted from 0"
            if places == 1
            else f"each prediction belongs to the image {places} places later"
        )
        yield Hypothesis(f"image+{places}", meaning, shifted, classes)
        shifted = np.zeros(MOST_IMAGE + 2, np.int32)
        numbers = np.arange(1, IMAGES + places + 1)
        shifted[numbers] = (numbers - places - 1) % IMAGES + 1
        meaning = (
            "each prediction belongs to the image before it"
            if places == 1
            else f"each prediction belongs to the image {places} places earlier"
        )
        yield Hypothesis(f"image-{places}", meaning, shifted, classes)
    halved = np.zeros(MOST_IMAGE + 2, np.int32)
    halved[0:MOST_IMAGE:2] = np.arange(1, IMAGES + 1)
    yield Hypothesis(
        "image-doubled",
        "the image numbers are i + i, as in the README of ReaL's repository, instead of i + 1",
        halved,
        classes,
    )
    yield made("reversed", "the images are in reverse order", np.arange(IMAGES, 0, -1))
    for name, meaning, order in _orders(truth):
        yield made(name, f"the images are in the order of {meaning}", order)
        yield made(
            f"{name}-back",
            f"the images are in file-name order, but were numbered in the order of {meaning}",
            np.argsort(order, kind="stable") + 1,
        )


def _orders(truth: Truth) -> Iterator[tuple[str, str, _Ints]]:
    """Yield possible orders of the images, each (50000,): image numbers from 1."""
    yield "text-order", "the numbers 1-50000 sorted as text", _sorted_as_text(1, IMAGES)
    original = truth.original[1:]
    if (original < 0).any():
        return  # the folders are unknown without the original labels
    yield (
        "folder-order",
        "the class folders (by WordNet id)",
        np.argsort(original, kind="stable") + 1,
    )
    place = np.argsort(_sorted_as_text(0, CLASSES - 1))
    yield (
        "numbered-folder-order",
        "class folders named 0-999, sorted as text",
        np.argsort(place[original], kind="stable") + 1,
    )


def _class_hypotheses(label: _Ints) -> Iterator[Hypothesis]:
    images = _images_as_stated()

    def made(name: str, meaning: str, first: int, classes: _Ints) -> Hypothesis:
        """Return a hypothesis. `classes` are the classes of the stated labels from `first` on."""
        return Hypothesis(name, meaning, images, _class_table(first, classes))

    # If there is a 1000, then 0 is the background. Otherwise 0 is class 999, wrapped by % 1000.
    zero = NO_CLASS if (label == CLASSES).any() else CLASSES - 1
    yield made(
        "label-1",
        "the class ids count from 1, or class 0 is a background class",
        0,
        np.array([zero, *range(CLASSES)]),
    )
    beyond = NO_CLASS if (label == -1).any() else 0
    yield made(
        "label+1",
        "the class ids are 1 too low",
        -1,
        np.array([*range(CLASSES), beyond]),
    )
    order = _sorted_as_text(0, CLASSES - 1)
    what = "class folders named 0-999, sorted as text (0, 1, 10, 100, …)"
    yield made("label-text-order", f"the class ids are positions in {what}", 0, order)
    yield made(
        "label-text-order-back",
        f"the class ids were converted as positions in {what}, but are not",
        0,
        np.argsort(order),
    )


def _shifts(truth: Truth, image: _Ints, label: _Ints) -> list[Hypothesis]:
    """Return the most frequent constant shift of the class ids, if it is frequent enough.

    `image` are the images of the predictions, 0 for none. `_class_hypotheses` handles shifts by 1.
    """
    known = _known_labels(truth)[image]
    is_known = (known >= 0) & (label > LEAST_LABEL) & (label < MOST_LABEL)
    differences = label[is_known].astype(np.int64) - known[is_known]
    differences = differences[np.abs(differences) < CLASSES]
    if not len(differences):
        return []
    counts = np.bincount(differences + CLASSES, minlength=2 * CLASSES)
    shift = int(counts.argmax()) - CLASSES
    if abs(shift) < 2 or counts.max() < _SHIFTED * len(label):
        return []
    # Labels outside 0-999 show that the ids were not wrapped by % 1000.
    is_beyond = bool((label >= CLASSES).any() or (label < 0).any())
    classes = np.arange(CLASSES)
    return [
        Hypothesis(
            f"label{-shift:+}",
            f"the class ids are {abs(shift)} too {'high' if shift > 0 else 'low'}",
            _images_as_stated(),
            _class_table(shift, classes)
            if is_beyond
            else _class_table(0, (classes - shift) % CLASSES),
        )
    ]


@functools.cache
def _sorted_as_text(first: int, last: int) -> _Ints:
    found = np.array(sorted(range(first, last + 1), key=str))
    found.setflags(write=False)
    return found


def _learned_order(truth: Truth, image: _Ints, label: _Ints, before: Share) -> Trial:
    """Learn the class of each stated label from the labels of its images.

    The result is the order with the highest accuracy. The original labels break ties. The order
    is scored on images that it was not learned from: each half on the other. So an order that is
    fitted to noise repairs nothing.
    """
    known = _known_labels(truth)
    images, _ = means(as_stated(), image, label)
    # The labels from -1 to 1000, moved to start at 0. The last index is for other labels.
    places = np.where((label >= -1) & (label <= CLASSES), label + 1, CLASSES + 2)
    parts = images % 2
    real, ties = [], []
    for part in (0, 1):
        use = np.flatnonzero((parts == part) & (places < CLASSES + 2))
        row, meant = np.nonzero(truth.is_real[images[use]])
        real.append(_table(places[use][row], meant))
        use = use[known[images[use]] >= 0]
        ties.append(_table(places[use], known[images[use]]))

    # One ReaL label has more weight than the original labels of all images.
    counts = [(IMAGES + 1) * real[part] + ties[part] for part in (0, 1)]
    hits = [
        real_hits(truth, images[parts == part], _assigned(counts[1 - part])[places[parts == part]])
        for part in (0, 1)
    ]
    held_out = Share(sum(half.hits for half in hits), sum(half.total for half in hits))
    hypothesis = Hypothesis(
        CLASS_ORDER,
        "the class ids are in another order, such as that of the ILSVRC devkit",
        _images_as_stated(),
        _class_table(-1, _assigned(counts[0] + counts[1])[:-1]),
    )
    is_found = repairs(before, held_out)
    if is_found:  # search for the optimum only then, because it takes long
        class_of = _best_assigned(counts[0] + counts[1])
        pairs = _uncertain_pairs(truth, images, places, class_of, real[0] + real[1])
        hypothesis = hypothesis._replace(
            class_of=_class_table(-1, class_of[:-1]),
            note="This order was learned from these predictions. An order learned from one half of "
            f"the images has accuracy {held_out.value:.1%} on the other half. "
            f"{_uncertainty(pairs)}.",
        )
    return Trial(hypothesis, real_hits(truth, *means(hypothesis, image, label)), is_found)


def _table(places: _Ints, classes: _Ints) -> _Ints:
    """Return how often each stated label and each class occur together, (CLASSES + 2, CLASSES)."""
    flat = places.astype(np.int64) * CLASSES + classes
    return np.bincount(flat, minlength=(CLASSES + 2) * CLASSES).reshape(-1, CLASSES)


def _uncertain_pairs(
    truth: Truth, images: _Ints, places: _Ints, class_of: _Ints, real: _Ints
) -> list[tuple[int, int]]:
    """Return the pairs of classes that could be swapped within the noise.

    The noise is that of the images with only one of the two classes (McNemar's test, at two
    standard errors). Similar classes such as 620 and 681, two names of a laptop, have few of these.
    """
    held = np.flatnonzero(class_of[: CLASSES + 2] >= 0)
    worth = real[np.ix_(held, class_of[held])]
    own = worth.diagonal()
    loss = own[:, None] + own - worth - worth.T
    largest = own[:, None] + own + worth + worth.T
    found = []
    for i, j in np.argwhere(np.triu((loss**2 <= 4 * largest) & (worth + worth.T > 0), 1)):
        is_either = (places == held[i]) | (places == held[j])
        has_one, has_other = (truth.is_real[images[is_either], class_of[held[k]]] for k in (i, j))
        if loss[i, j] ** 2 <= 4 * np.count_nonzero(has_one != has_other):
            first, second = sorted((int(class_of[held[i]]), int(class_of[held[j]])))
            found.append((first, second))
    return sorted(found)


def _uncertainty(pairs: list[tuple[int, int]]) -> str:
    if not pairs:
        return f"It distinguishes all {CLASSES:,} classes"
    named = ", ".join(f"{one} and {other}" for one, other in pairs[:_SHOWN])
    return (
        f"It does not distinguish {counted(len(pairs), 'pair')} of similar classes, which may be "
        f"swapped: {named}{', …' if len(pairs) > _SHOWN else ''}"
    )


def _known_labels(truth: Truth) -> _Ints:
    """Return one label for each image, (50001,): the original label, else the only ReaL label."""
    known = truth.original.copy()
    if (known[1:] < 0).any():
        single = (truth.is_real.sum(axis=1) == 1) & (known < 0)
        known[single] = truth.is_real[single].argmax(axis=1)
    return known


def _assigned(counts: _Ints) -> _Ints:
    """Assign a distinct class to each stated label, (CLASSES + 3,), most frequent pairs first."""
    class_of = np.full(CLASSES + 3, NO_CLASS, np.int16)
    is_taken = np.zeros(CLASSES, np.bool_)
    pairs = np.flatnonzero(counts)
    for pair in pairs[np.argsort(-counts.ravel()[pairs], kind="stable")].tolist():
        place, label = divmod(pair, CLASSES)
        if class_of[place] < 0 and not is_taken[label]:
            class_of[place] = label
            is_taken[label] = True
    return class_of


def _best_assigned(counts: _Ints) -> _Ints:
    """Assign a distinct class to each stated label, (CLASSES + 3,), with the largest total count.

    The search begins with `_assigned`. Labels exchange their classes in a cycle while that raises
    the total. Without such a cycle the total is optimal (cycle cancelling: Klein 1967). A label
    without any count has no class.
    """
    size = len(counts)
    worth = np.zeros((size, size), np.int64)  # square: the added classes mean none
    worth[:, :CLASSES] = counts
    held = _assigned(counts)[:size].astype(np.int64)
    held[held < 0] = np.setdiff1d(np.arange(size), held)
    places = np.arange(size)
    while True:
        gain = worth[:, held] - worth[places, held][:, None]
        ring = _ring_that_gains(gain)
        if not ring:
            break
        held[ring] = np.roll(held[ring], 1)
    class_of = np.full(CLASSES + 3, NO_CLASS, np.int16)
    is_met = worth[places, held] > 0
    class_of[:size][is_met] = held[is_met]
    return class_of


def _ring_that_gains(gain: _Ints) -> list[int]:
    """Return a cycle of places with a positive total gain; empty if there is none.

    Each place takes the class of the place before it. gain[i, j] is the gain of place i from the
    class of place j. The algorithm is Bellman-Ford: it finds a best path that contains a cycle.
    """
    size = len(gain)
    best, taker = np.zeros(size, gain.dtype), np.full(size, -1)
    for _ in range(size + 1):
        ways = best[:, None] + gain
        last = ways.argmax(axis=0)
        reached = ways[last, np.arange(size)]
        is_better = reached > best
        if not is_better.any():
            break
        taker[is_better] = last[is_better]
        best = reached
        seen = np.full(size, -1)
        for start in range(size):
            place, way = start, []
            while place >= 0 and seen[place] < 0:
                seen[place] = start
                way.append(int(place))
                place = taker[place]
            if place >= 0 and seen[place] == start:
                ring = way[way.index(place) :]
                if gain[np.roll(ring, -1), ring].sum() > 0:
                    return ring
    return []
