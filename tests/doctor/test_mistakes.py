from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from realdb.api.doctor import mistakes
from realdb.api.doctor.mistakes import Hypothesis, Share, Trial, Truth
from realdb.store.store import Store

IMAGES = np.arange(1, 50_001)


@pytest.fixture(scope="module")
def truth(synthetic_store: Store) -> Truth:
    with synthetic_store.connect(["images", "labels"]) as con:
        return mistakes.truth(con)


@pytest.fixture(scope="module")
def original(truth: Truth) -> npt.NDArray[np.int64]:
    return truth.original[1:].astype(np.int64)


def named(trials: list[Trial]) -> list[str]:
    return [trial.hypothesis.name for trial in mistakes.likeliest(trials)]


def test_truth_matches_the_tables(truth: Truth, synthetic_store: Store) -> None:
    with synthetic_store.connect(["images", "labels"]) as con:
        pairs = con.execute("select image_id, label from labels").fetchall()
        known = con.execute("select image_id, original_label from images").fetchall()
    assert truth.is_real.sum() == len(pairs)
    assert all(truth.is_real[pair] for pair in pairs)
    assert set(np.flatnonzero(truth.has_real)) == {image for image, _ in pairs}
    assert all(truth.original[image] == label for image, label in known)
    # A prediction without an image or a class is never right.
    assert not truth.is_real[0].any()
    assert not truth.is_real[:, mistakes.NO_CLASS].any()


def test_accuracy_matches_the_loop(truth: Truth) -> None:
    rng = np.random.default_rng(0)
    image, label = rng.permutation(IMAGES)[:300], rng.integers(0, 1000, 300)
    label[:200] = truth.original[image[:200]]
    scored = [(i, k) for i, k in zip(image, label, strict=True) if truth.is_real[i].any()]
    hits = sum(bool(truth.is_real[i, k]) for i, k in scored)
    assert mistakes.real_hits(truth, image, label) == (hits, len(scored))
    assert hits > 100


def test_numbers_out_of_range_are_unknown() -> None:
    image = np.array([-5, 0, 1, 50_000, 50_001, 10**12])
    label = np.array([-7, -1, 0, 999, 1000, 21_840])
    images, labels = mistakes.means(mistakes.as_stated(), image, label)
    assert images.tolist() == [0, 0, 1, 50_000, 0, 0]
    assert labels.tolist() == [-1, -1, 0, 999, -1, -1]


def test_image_orders_are_permutations(truth: Truth, original: npt.NDArray[np.int64]) -> None:
    """Each hypothesis about the order maps the images one to one."""
    trials = mistakes.trials(truth, IMAGES, np.roll(original, 1))
    names = {trial.hypothesis.name for trial in trials}
    assert {"image+1", "image-1", "image-doubled", "reversed", "text-order"} <= names
    for trial in trials:
        images, _ = mistakes.means(trial.hypothesis, IMAGES, np.zeros(50_000, int))
        if trial.hypothesis.name != mistakes.CLASS_ORDER:
            met = images[images > 0]
            assert len(set(met.tolist())) == len(met)
            assert len(met) == (25_000 if "image-doubled" in trial.hypothesis.name else 50_000)


def test_known_orders_by_hand(truth: Truth) -> None:
    by_name = {
        trial.hypothesis.name: trial.hypothesis
        for trial in mistakes.trials(truth, IMAGES, np.zeros(50_000, int))
    }

    def image(name: str, *stated: int) -> list[int]:
        return [int(by_name[name].image_of[number]) for number in stated]

    def label(name: str, *stated: int) -> list[int]:
        return [int(by_name[name].class_of[number - mistakes.LEAST_LABEL]) for number in stated]

    assert image("image+1", 0, 1, 49_999, 50_000) == [1, 2, 50_000, 1]
    assert image("image-1", 1, 2, 50_000, 50_001) == [50_000, 1, 49_999, 50_000]
    assert image("image-doubled", 0, 1, 2, 99_998) == [1, 0, 2, 50_000]
    assert image("reversed", 1, 50_000) == [50_000, 1]
    assert image("text-order", 1, 2, 3, 6, 50_000) == [1, 10, 100, 10_001, 9999]
    assert image("text-order-back", 10, 9999) == [2, 50_000]
    assert label("label-1", 0, 1, 1000) == [999, 0, 999]
    assert label("label+1", -1, 0, 998) == [0, 1, 999]
    assert label("label-text-order", 0, 1, 2, 3, 112, 999) == [0, 1, 10, 100, 2, 999]
    assert label("label-text-order-back", 10, 100, 2) == [2, 3, 112]


def test_background_first(truth: Truth) -> None:
    """With a label 1000, the label 0 is the background and not a class."""
    label = np.array([0, 1000])
    trials = mistakes.trials(truth, IMAGES[:2], label)
    (minus_one,) = (trial for trial in trials if trial.hypothesis.name == "label-1")
    assert mistakes.means(minus_one.hypothesis, IMAGES[:2], label)[1].tolist() == [-1, 999]


def test_correct_predictions_have_no_repair(truth: Truth, original: npt.NDArray[np.int64]) -> None:
    trials = mistakes.trials(truth, IMAGES, original)
    assert len(trials) > 5
    assert not any(trial.repairs for trial in trials)
    # No pairs are tried, because an accuracy above one half cannot double.
    assert not any("," in trial.hypothesis.name for trial in trials)


def test_class_order_without_original_labels(truth: Truth, original: npt.NDArray[np.int64]) -> None:
    """The single ReaL labels of images are enough, but then there is no folder order."""
    bare = truth._replace(original=np.full(50_001, -1, np.int16))
    shuffled = np.random.default_rng(0).permutation(1000)[original]
    trials = mistakes.trials(bare, IMAGES, shuffled)
    assert named(trials) == [mistakes.CLASS_ORDER]
    assert not any("folder" in trial.hypothesis.name for trial in trials)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_order_of_a_few_classes(seed: int) -> None:
    """The result is the best of all 720 orders of six classes; the first labels are invalid."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((mistakes.CLASSES + 2, mistakes.CLASSES), int)
    counts[1:7, :6] = rng.integers(1, 9, (6, 6))
    found = mistakes._best_assigned(counts)
    assert len(set(found[1:7].tolist())) == 6
    assert set(np.delete(found, np.arange(1, 7)).tolist()) == {mistakes.NO_CLASS}
    best = max(
        sum(counts[1 + place, label] for place, label in enumerate(order))
        for order in itertools.permutations(range(6))
    )
    assert sum(counts[place, found[place]] for place in range(1, 7)) == best


def test_pairs_of_similar_classes_are_named(truth: Truth, original: npt.NDArray[np.int64]) -> None:
    """Classes 640 and 641 are swapped on half of the images, so their order stays uncertain."""
    label = original.copy()
    for one, other in ((640, 641), (641, 640)):
        label[np.flatnonzero(original == one)[::2]] = other
    shuffled = np.random.default_rng(0).permutation(1000)[label]
    trial = mistakes.trials(truth, IMAGES, shuffled)[-1]
    assert trial.hypothesis.name == mistakes.CLASS_ORDER
    assert trial.repairs
    assert " 1 pair of similar classes" in trial.hypothesis.note
    assert ": 640 and 641" in trial.hypothesis.note


def test_an_overfitted_class_order_is_no_repair(
    truth: Truth, original: npt.NDArray[np.int64]
) -> None:
    """With 200 images of nearly as many classes, any order of the classes can be fitted."""
    label = np.random.default_rng(0).permutation(original[:200])
    (learned,) = (
        trial
        for trial in mistakes.trials(truth, IMAGES[:200], label)
        if trial.hypothesis.name == mistakes.CLASS_ORDER
    )
    assert learned.after.value > 0.5
    assert not learned.repairs


@pytest.mark.parametrize(
    ("before", "after", "repaired"),
    [
        (Share(1, 1000), Share(830, 1000), True),
        (Share(300, 1000), Share(620, 1000), True),
        (Share(300, 1000), Share(590, 1000), False),  # not twice
        (Share(10, 1000), Share(100, 1000), False),  # not 10 points
        (Share(0, 3), Share(2, 3), False),  # perhaps by chance
        (Share(0, 0), Share(0, 0), False),
    ],
)
def test_repair_needs_a_clear_gain(before: Share, after: Share, repaired: bool) -> None:
    assert mistakes.repairs(before, after) is repaired


def test_equally_good_repairs_are_listed_without_needless_pairs() -> None:
    """A pair is needless if a single repair is as good."""

    def trial(name: str, hits: int, repairs: bool = True) -> Trial:
        nothing = np.zeros(0, np.int64)
        return Trial(Hypothesis(name, "", nothing, nothing), Share(hits, 1000), repairs)

    a, b, worse = trial("a", 800), trial("b", 802), trial("d", 500)
    same, better = trial("b,c", 802), trial("a,c", 805)
    assert named([a, b, same, worse, trial("e", 900, repairs=False)]) == ["b", "a"]
    assert named([a, b, better]) == ["a,c", "b", "a"]
    assert named([worse, better]) == ["a,c"]
    assert named([]) == []


def test_interval_matches_wilson() -> None:
    """The figures are those of the view `accuracy` for ResNet50.csv in README.md."""
    assert Share(38_855, 46_837).interval == pytest.approx((0.826147, 0.832957), abs=1e-6)
    assert Share(0, 0).interval == (0, 1)
