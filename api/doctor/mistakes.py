"""The usual mistakes in a file of predictions, as hypotheses, and how right each would make it.

A hypothesis says which image a stated image number means, and which class a stated label means:
two lookup tables, so that trying one is a gather over 50,000 rows. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...schema.tables import CLASSES, IMAGES
from ...stats.intervals import wilson

if TYPE_CHECKING:
    import duckdb

# Stated image numbers and labels beyond these mean nothing under any hypothesis. 99,998 is what
# the loop in the README of ReaL's repository, (i + i), calls the last image.
MOST_IMAGE = 2 * IMAGES
LEAST_LABEL, MOST_LABEL = -CLASSES, 2 * CLASSES
_LABELS = MOST_LABEL - LEAST_LABEL + 1
# By how much image numbers may be shifted, at most.
_IMAGE_SHIFTS = 5
# A shift of the class ids is tried if it explains this share of the predictions.
_SHIFTED = 0.05
# The entry of a table where a stated number means no image, or no class.
NO_IMAGE, NO_CLASS = 0, -1
# A hypothesis repairs a file where it makes it right this much more often.
_TIMES = 2.0
_POINTS = 0.1
# The name of the hypothesis that learns the order of the classes from the predictions.
CLASS_ORDER = "class-order"
# How many pairs of classes a note names.
_SHOWN = 8

# What makes a file readable, or ranks its predictions anew.
REPAIRS = {
    "padding": "rows repeat earlier rows, as the padding of a distributed sampler does",
    "ranks-by-confidence": "the ranks are not in the order of the confidences",
    "ranks-reversed": "the ranks are reversed, so that the last choice comes first",
}

_Ints = npt.NDArray[np.integer[Any]]
_Bools = npt.NDArray[np.bool_]


class Truth(NamedTuple):
    """The labels as lookup tables; row 0 is no image and the last column is no class.

    is_real: bool (50001, 1001), the class is among the image's ReaL labels
    has_real: bool (50001,), the image has any
    original: int16 (50001,), the original label, -1 where the store has none
    is_rated: bool (50001,), raters were asked about the image; None where the store does not know
    """

    is_real: _Bools
    has_real: _Bools
    original: _Ints
    is_rated: _Bools | None


class Hypothesis(NamedTuple):
    """What may be wrong, and what would mend it.

    image_of: (MOST_IMAGE + 2,), the image that each stated number means, 0 for none; the last is
        for the numbers beyond
    class_of: (3002,), the class that each stated label means, from LEAST_LABEL on, -1 for none; the
        last is for the labels beyond
    ranks: how the predictions of an image are ranked anew first (see ingest/options.py); empty
        for as they are written
    """

    name: str
    meaning: str
    image_of: _Ints
    class_of: _Ints
    note: str = ""
    ranks: str = ""

    @property
    def is_fitted(self) -> bool:
        """The repair is found from the labels, so that its accuracy is no result."""
        return self.name.endswith(CLASS_ORDER)


class Share(NamedTuple):
    """A share: `hits` of `total` things."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share, between 0 and 1; 0 of nothing."""
        return self.hits / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval at 95 %; all of 0 to 1 where there is nothing."""
        return wilson(self.hits, self.total) if self.total else (0.0, 1.0)


class Trial(NamedTuple):
    """A hypothesis, how often the predictions are right under it, and whether that repairs them."""

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
    """Return the images and classes that the stated ones mean under `hypothesis`."""
    places = np.where((image >= 0) & (image <= MOST_IMAGE), image, MOST_IMAGE + 1)
    classes = np.where((label >= LEAST_LABEL) & (label <= MOST_LABEL), label - LEAST_LABEL, _LABELS)
    return hypothesis.image_of[places], hypothesis.class_of[classes]


def real_hits(truth: Truth, image: _Ints, label: _Ints) -> Share:
    """Return how often the classes are right, among the images that have ReaL labels."""
    return Share(
        int(np.count_nonzero(truth.is_real[image, label])),
        int(np.count_nonzero(truth.has_real[image])),
    )


def original_hits(truth: Truth, image: _Ints, label: _Ints) -> Share:
    """Return how often the classes are the original label, among the images that have one."""
    known = truth.original[image]
    return Share(
        int(np.count_nonzero((known >= 0) & (known == label))), int(np.count_nonzero(known >= 0))
    )


def as_stated() -> Hypothesis:
    """Return the hypothesis that there is no mistake: numbers and labels are right."""
    return Hypothesis("", "as stated", _images_as_stated(), _classes_as_stated())


def as_stated_hits(truth: Truth, choices: Mapping[str, _Ints]) -> Share:
    """Return how often choices are right as they are stated: the columns image and label."""
    return real_hits(truth, *means(as_stated(), choices["image"], choices["label"]))


def trials(truth: Truth, image: _Ints, label: _Ints) -> list[Trial]:
    """Try the usual mistakes on predictions: the stated image numbers and labels, (n,) each.

    Each by itself, and those of the images together with those of the class ids where the
    predictions are right on fewer than half of the images; where nothing repairs them, last an
    order of the classes learned from the predictions themselves.
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
        return tried  # nothing can make them right so much more often
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
    """Return both repairs as one: `one` is in the predictions that `other` was tried on."""
    first, second = one.hypothesis, other.hypothesis
    return other._replace(
        hypothesis=second._replace(
            name=f"{first.name},{second.name}",
            meaning=f"{first.meaning}; and {second.meaning}",
            ranks=first.ranks,
        )
    )


def repairs(before: Share, after: Share) -> bool:
    """Say whether predictions are repaired by what makes them right `after` instead of `before`.

    Twice as often and 10 points more, and neither by chance: the intervals are apart.
    """
    return (
        after.value >= _TIMES * before.value
        and after.value >= before.value + _POINTS
        and after.interval[0] > before.interval[1]
    )


def likeliest(tried: list[Trial]) -> list[Trial]:
    """Return the trials that repair, best first: the best, and those within its noise.

    Two mistakes at once are named only where they explain more than a single one does.
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
    """Return what `class_of` is where the stated labels from `first` on mean `classes`."""
    class_of = np.full(_LABELS + 1, NO_CLASS, np.int16)
    class_of[first - LEAST_LABEL : first - LEAST_LABEL + len(classes)] = classes
    return class_of


def _image_hypotheses(truth: Truth, image: _Ints) -> Iterator[Hypothesis]:
    classes = _classes_as_stated()
    # Numbers that are places in a list count from 0 where a 0 is among them.
    base = 0 if (image == 0).any() and not (image == IMAGES).any() else 1

    def made(name: str, meaning: str, order: _Ints) -> Hypothesis:
        """`order` is (50000,): the image, from 1, that the place means."""
        image_of = np.zeros(MOST_IMAGE + 2, np.int32)
        image_of[base : IMAGES + base] = order
        return Hypothesis(name, meaning, image_of, classes)

    # What falls off one end comes in at the other, as with numpy.roll.
    for places in range(1, _IMAGE_SHIFTS + 1):
        shifted = np.zeros(MOST_IMAGE + 2, np.int32)
        shifted[: IMAGES + 1] = (np.arange(IMAGES + 1) + places - 1) % IMAGES + 1
        meaning = (
            "each prediction belongs to the next image, as if the images were counted from 0"
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
        "the numbers of the images are i + i, as in the README of ReaL's repository, not i + 1",
        halved,
        classes,
    )
    yield made("reversed", "the images come last first", np.arange(IMAGES, 0, -1))
    for name, meaning, order in _orders(truth):
        yield made(name, f"the images come in the order of {meaning}", order)
        yield made(
            f"{name}-back",
            f"the images come by file name, but were taken to be in the order of {meaning}",
            np.argsort(order, kind="stable") + 1,
        )


def _orders(truth: Truth) -> Iterator[tuple[str, str, _Ints]]:
    """Yield orders in which the images are met, each (50000,): image numbers from 1."""
    yield "text-order", "the numbers 1-50000 sorted as text", _sorted_as_text(1, IMAGES)
    original = truth.original[1:]
    if (original < 0).any():
        return  # without the original labels nobody knows the folders
    yield (
        "folder-order",
        "the class folders (by WordNet id)",
        np.argsort(original, kind="stable") + 1,
    )
    place = np.argsort(_sorted_as_text(0, CLASSES - 1))
    yield (
        "numbered-folder-order",
        "class folders called 0-999, sorted as text",
        np.argsort(place[original], kind="stable") + 1,
    )


def _class_hypotheses(label: _Ints) -> Iterator[Hypothesis]:
    images = _images_as_stated()

    def made(name: str, meaning: str, first: int, classes: _Ints) -> Hypothesis:
        """`classes` are what the stated labels from `first` on mean."""
        return Hypothesis(name, meaning, images, _class_table(first, classes))

    # A 0 is the background where there is a 1000 as well; else it went round, as with % 1000.
    zero = NO_CLASS if (label == CLASSES).any() else CLASSES - 1
    yield made(
        "label-1",
        "the class ids count from 1, or a background class comes first",
        0,
        np.array([zero, *range(CLASSES)]),
    )
    beyond = NO_CLASS if (label == -1).any() else 0
    yield made(
        "label+1",
        "the class ids are one too low, as if 1 had been subtracted from them",
        -1,
        np.array([*range(CLASSES), beyond]),
    )
    order = _sorted_as_text(0, CLASSES - 1)
    what = "class folders called 0-999, sorted as text (0, 1, 10, 100, …)"
    yield made("label-text-order", f"the class ids number {what}", 0, order)
    yield made(
        "label-text-order-back",
        f"the class ids were taken to number {what}, and did not",
        0,
        np.argsort(order),
    )


def _shifts(truth: Truth, image: _Ints, label: _Ints) -> list[Hypothesis]:
    """Return the constant shift of the class ids that the labels of the images show, if any does.

    `image` are the images that the predictions mean, 0 for none. A shift by one is left to
    `_class_hypotheses`.
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
    # Labels beyond the classes show that nothing went round, as with % 1000.
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


def _sorted_as_text(first: int, last: int) -> _Ints:
    return np.array(sorted(range(first, last + 1), key=str))


def _learned_order(truth: Truth, image: _Ints, label: _Ints, before: Share) -> Trial:
    """Find which class each label means by the labels of the images that it meets.

    It is the order under which the predictions are right most often; where ReaL labels leave it
    open, the original ones decide. It is judged on images that it was not learned from: each half
    by the other. So a chance order, which fits what it was made of, repairs nothing.
    """
    known = _known_labels(truth)
    images, _ = means(as_stated(), image, label)
    # The labels from -1 to 1000, from 0 on; the last place is for those beyond.
    places = np.where((label >= -1) & (label <= CLASSES), label + 1, CLASSES + 2)
    parts = images % 2
    real, ties = [], []
    for part in (0, 1):
        use = np.flatnonzero((parts == part) & (places < CLASSES + 2))
        row, meant = np.nonzero(truth.is_real[images[use]])
        real.append(_table(places[use][row], meant))
        use = use[known[images[use]] >= 0]
        ties.append(_table(places[use], known[images[use]]))

    # One ReaL label counts for more than the original labels of all images.
    counts = [(IMAGES + 1) * real[part] + ties[part] for part in (0, 1)]
    hits = [
        real_hits(truth, images[parts == part], _assigned(counts[1 - part])[places[parts == part]])
        for part in (0, 1)
    ]
    held_out = Share(sum(half.hits for half in hits), sum(half.total for half in hits))
    hypothesis = Hypothesis(
        CLASS_ORDER,
        "the class ids are in another order (that of the ILSVRC devkit, say)",
        _images_as_stated(),
        _class_table(-1, _assigned(counts[0] + counts[1])[:-1]),
    )
    is_found = repairs(before, held_out)
    if is_found:  # only then is it worth while to search for the very best
        class_of = _best_assigned(counts[0] + counts[1])
        pairs = _uncertain_pairs(truth, images, places, class_of, real[0] + real[1])
        hypothesis = hypothesis._replace(
            class_of=_class_table(-1, class_of[:-1]),
            note="the order is found from these predictions: an order found from one half of the "
            f"images is right on {held_out.value:.1%} of the other. {_uncertainty(pairs)}",
        )
    return Trial(hypothesis, real_hits(truth, *means(hypothesis, image, label)), is_found)


def _table(places: _Ints, classes: _Ints) -> _Ints:
    """Return how often each stated label meets each class, (CLASSES + 2, CLASSES)."""
    flat = places.astype(np.int64) * CLASSES + classes
    return np.bincount(flat, minlength=(CLASSES + 2) * CLASSES).reshape(-1, CLASSES)


def _uncertain_pairs(
    truth: Truth, images: _Ints, places: _Ints, class_of: _Ints, real: _Ints
) -> list[tuple[int, int]]:
    """Return the pairs of classes that may as well be exchanged: the evidence is within its noise.

    The noise is that of the images that have one of the two classes only (McNemar's test, at two
    standard errors): look-alikes such as 620 and 681, two words for a laptop, have few of these.
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
        return f"It tells each of the {CLASSES:,} classes from every other"
    named = ", ".join(f"{one} and {other}" for one, other in pairs[:_SHOWN])
    return (
        f"It does not tell {len(pairs):,} pairs of look-alike classes apart, which may be "
        f"exchanged: {named}{', …' if len(pairs) > _SHOWN else ''}"
    )


def _known_labels(truth: Truth) -> _Ints:
    """Return one label for each image, (50001,): the original one, else its only ReaL label."""
    known = truth.original.copy()
    if (known[1:] < 0).any():
        single = (truth.is_real.sum(axis=1) == 1) & (known < 0)
        known[single] = truth.is_real[single].argmax(axis=1)
    return known


def _assigned(counts: _Ints) -> _Ints:
    """Give each stated label a class of its own, (CLASSES + 3,), the commonest pairs first."""
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
    """Give each stated label a class of its own, (CLASSES + 3,), so that most counts are met.

    From the assignment of `_assigned`, labels pass their classes round in rings for as long as that
    meets more; where no ring does, no assignment meets more (cycle cancelling: Klein 1967). A label
    that meets no class at all has none.
    """
    size = len(counts)
    worth = np.zeros((size, size), np.int64)  # as many classes as labels; the last mean none
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
    """Return places, each of which takes what the one before it holds, to the good of all.

    gain[i, j] is what place i gains by taking what j holds. Empty where no ring gains. The ring is
    that of Bellman and Ford: of the best ways to each place, one runs into itself.
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
