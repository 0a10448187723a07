"""The views against a second, naive implementation in plain Python: on the real data and at random.

Each function below says once more, in a few lines and without SQL, what a view is. Rows are tuples
in the order of the columns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import NormalDist
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realdb.ingest import predictions
from realdb.queries import catalog
from realdb.schema import store
from realdb.schema.store import Store

Rows = Sequence[tuple[Any, ...]]
Tables = dict[str, Rows]
Found = Iterator[tuple[Any, ...]]

Z = NormalDist().inv_cdf(0.975)
FIVE = range(1, 6)


def label_lists(labels: Rows) -> dict[int, list[int]]:
    """Return each image's labels as real.json has them."""
    lists: dict[int, list[int]] = defaultdict(list)
    for image, label, _ in sorted(labels, key=lambda row: row[2]):
        lists[image].append(label)
    return lists


def image_labels(tables: Tables) -> Found:
    lists = label_lists(tables["labels"])
    for image, file_name, original, is_rated in tables["images"]:
        mine = lists.get(image, [])
        first = mine[0] if mine else None
        is_real = original in mine if mine and original is not None else None
        yield image, file_name, original, is_rated, len(mine), first, is_real


def rated_questions(tables: Tables) -> Found:
    votes = Counter(
        (image, label, answer)
        for when, image, label, _, answer in tables["votes"]
        if when == "main"
    )
    scores = {(image, label): score for image, label, score in tables["scores"]}
    real = {(image, label) for image, label, _ in tables["labels"]}
    originals = {image: original for image, _, original, _ in tables["images"]}
    for image, label, *_ in tables["questions"]:
        counts = [votes[image, label, answer] for answer in ("no", "maybe", "yes")]
        original = originals[image]
        is_original = None if original is None else label == original
        score = scores.get((image, label))
        yield image, label, *counts, score, (image, label) in real, is_original


def labels_at(tables: Tables, threshold: float) -> Found:
    published = label_lists(tables["labels"])
    passing = defaultdict(set)
    for image, label, score in tables["scores"]:
        if score >= threshold:
            passing[image].add(label)
    for image, _, _, is_rated in tables["images"]:
        mine = published.get(image, [])
        if is_rated:
            kept = passing[image]
            mine = [label for label in mine if label in kept] + sorted(kept - set(mine))
        yield from ((image, label, position) for position, label in enumerate(mine))


def scored_predictions(tables: Tables) -> Found:
    lists = label_lists(tables["labels"])
    originals = {image: original for image, _, original, _ in tables["images"]}
    choices: dict[tuple[str, int], dict[int, tuple[int, float]]] = defaultdict(dict)
    for model, image, rank, label, confidence in tables["predictions"]:
        choices[model, image][rank] = label, confidence
    for (model, image), ranks in choices.items():
        real, original = set(lists.get(image, [])), originals[image]
        label, confidence = ranks[1]
        five = {ranks[n][0] for n in FIVE} if all(n in ranks for n in FIVE) else None
        yield (
            *(model, image, label, confidence, original, len(real)),
            None if original is None else label == original,
            None if not real else label in real,
            None if original is None or five is None else original in five,
            None if not real or five is None else bool(real & five),
        )


def scored_with_empty(scored: Rows, empty: str) -> Found:
    for *row, label_count, original, real, original5, real5 in scored:
        if label_count == 0 and empty == "wrong":
            real, real5 = False, None if original5 is None else False
        if label_count == 0 and empty == "original":
            real, real5 = original, original5
        yield (*row, label_count, original, real, original5, real5)


def wilson(right: int, of: int) -> tuple[float | None, float | None]:
    """Return the two p at which the share lies Z standard errors of p away: (share - p)^2 = Z^2 p(1-p)/n."""
    if not of:
        return None, None
    share = right / of
    low, high = sorted(np.roots([1 + Z**2 / of, -2 * share - Z**2 / of, share**2]).real)
    return float(low), float(high)


def share(flags: Sequence[bool | None], *, all_known: bool = False) -> float | None:
    """Return the share of True among the flags that are known; None without any."""
    known = [flag for flag in flags if flag is not None]
    return sum(known) / len(known) if known and not (all_known and None in flags) else None


def accuracy_by(scored: Rows, group: Callable[[tuple[Any, ...]], tuple[Any, ...] | None]) -> Found:
    groups = defaultdict(list)
    for row in scored:
        key = group(row)
        if key is not None:
            groups[row[0], *key].append(row)
    for key, rows in groups.items():
        real = [row[7] for row in rows if row[7] is not None]
        interval = wilson(sum(real), len(real))
        original = share([row[6] for row in rows])
        yield *key, share(real), *interval, sum(real), len(real), original, len(rows)


def accuracy(scored: Rows) -> Found:
    for *begin, predicted in accuracy_by(scored, lambda row: ()):
        rows = [row for row in scored if row[0] == begin[0]]
        real5 = share([row[9] for row in rows if row[7] is not None], all_known=True)
        original5 = share([row[8] for row in rows if row[6] is not None], all_known=True)
        yield *begin, real5, original5, predicted


def reports(tables: Tables, scored: Rows) -> dict[str, Rows]:
    """Return the rows of every view of the layer reports."""
    classes = {label: (wordnet_id, name) for label, wordnet_id, name, *_ in tables["classes"]}

    def by_class(row: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (row[4], *classes[row[4]]) if row[4] in classes else None

    def by_animal(row: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (row[4] < 398,) if row[4] in classes else None

    return {
        "accuracy": list(accuracy(scored)),
        "accuracy_by_class": list(accuracy_by(scored, by_class)),
        "accuracy_by_animal": list(accuracy_by(scored, by_animal)),
        "accuracy_by_label_count": list(accuracy_by(scored, lambda row: (row[5],))),
    }
