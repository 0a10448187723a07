"""The views against a second, naive implementation in plain Python: on the real data and at random.

Each function below computes a view again, in a few lines and without SQL. Rows are tuples
in the order of the columns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from connections import database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realdb.ingest import predictions
from realdb.queries import catalog
from realdb.schema.tables import TABLES, header_of
from realdb.store.store import Store

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
        counts = counts if any(counts) else [None] * 3
        original = originals[image]
        is_original = None if original is None else label == original
        score = scores.get((image, label))
        yield image, label, *counts, score, (image, label) in real, is_original


def labels_at(tables: Tables, threshold: float) -> Found:
    published = label_lists(tables["labels"])
    passing = defaultdict(set)
    for image, label, score in tables["scores"]:
        if round(score, 12) >= round(threshold, 12):
            passing[image].add(label)
    for image, _, _, is_rated in tables["images"]:
        mine = published.get(image, [])
        if is_rated:
            kept = passing[image]
            mine = [label for label in mine if label in kept] + sorted(kept - set(mine))
        yield from ((image, label, position) for position, label in enumerate(mine))


def scored_choices(tables: Tables) -> Found:
    lists = label_lists(tables["labels"])
    originals = {image: original for image, _, original, _ in tables["images"]}
    for model, image, rank, label, confidence in tables["predictions"]:
        real, original = lists.get(image, []), originals[image]
        is_original = None if original is None else label == original
        is_real = label in real if real else None
        yield model, image, rank, label, confidence, original, len(real), is_original, is_real


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
            five is not None,
        )


def scored_with_unlabeled_rule(scored: Rows, empty: str) -> Found:
    for *row, label_count, original, real, original5, real5, has_five in scored:
        if label_count == 0 and empty == "wrong":
            real, real5 = False, False if has_five else None
        if label_count == 0 and empty == "original":
            real, real5 = original, original5
        yield (*row, label_count, original, real, original5, real5, has_five)


def unasked_predictions(tables: Tables) -> Found:
    asked = {(image, label) for image, label, *_ in tables["questions"]}
    scored = {image for image, *_ in tables["labels"]}
    images = {image: (original, is_rated) for image, _, original, is_rated in tables["images"]}
    for model, image, rank, label, confidence in tables["predictions"]:
        original, is_rated = images[image]
        if is_rated:
            is_unasked = (image, label) not in asked
        else:
            is_unasked = is_rated is False and original is not None and label != original
        if rank == 1 and is_unasked:
            yield model, image, label, confidence, original, is_rated, image in scored


def unasked_counts(tables: Tables, scored: Rows) -> Found:
    unasked = {row[:2] for row in unasked_predictions(tables)}
    for model in {row[0] for row in scored}:
        rows = [(row[:2] in unasked, row[7]) for row in scored if row[0] == model]
        real = [(is_unasked, right) for is_unasked, right in rows if right is not None]
        wrong = sum(not right for _, right in real)
        among = sum(is_unasked for is_unasked, _ in real)
        asked = [right for is_unasked, right in real if not is_unasked]
        shares = among / wrong if wrong else None, len(asked), share(asked)
        everywhere = sum(is_unasked for is_unasked, _ in rows)
        yield model, len(real), wrong, among, *shares, len(rows), everywhere


def wilson(right: int, of: int) -> tuple[float | None, float | None]:
    """Return the two p that are Z standard errors away from the share, as Wilson defines them.

    That is (share - p)^2 = Z^2 p (1 - p) / of, a quadratic equation in p.
    """
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
    for *begin, predicted in accuracy_by(scored, lambda _: ()):
        rows = [row for row in scored if row[0] == begin[0]]
        real5 = share([row[9] for row in rows if row[7] is not None], all_known=True)
        original5 = share([row[8] for row in rows if row[6] is not None], all_known=True)
        yield *begin, real5, original5, predicted


def leaderboard(accuracies: Rows) -> Found:
    def place(share: float | None, column: int) -> int | None:
        better = [row for row in accuracies if (row[column] or -1) > (share or 0)]
        return None if share is None else 1 + len(better)

    for model, real, low, high, _, scored_images, original, *_ in accuracies:
        ours, theirs = place(real, 1), place(original, 6)
        change = None if ours is None or theirs is None else theirs - ours
        yield model, ours, real, low, high, scored_images, original, theirs, change


def reports(tables: Tables, scored: Rows) -> dict[str, Rows]:
    """Return the rows of every view of the layer reports."""
    classes = {label: (wordnet_id, name) for label, wordnet_id, name, *_ in tables["classes"]}

    def by_class(row: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (row[4], *classes[row[4]]) if row[4] in classes else None

    def by_animal(row: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (row[4] < 398,) if row[4] in classes else None

    return {
        "leaderboard": list(leaderboard(list(accuracy(scored)))),
        "accuracy": list(accuracy(scored)),
        "unasked_counts": list(unasked_counts(tables, scored)),
        "accuracy_by_class": list(accuracy_by(scored, by_class)),
        "accuracy_by_animal": list(accuracy_by(scored, by_animal)),
        "accuracy_by_label_count": list(accuracy_by(scored, lambda row: (row[5],))),
    }


# How rows are compared.


def assert_same(found: Rows, expected: Iterable[tuple[Any, ...]]) -> None:
    """Compare rows as sets; a difference shows its first few rows, not all 50,000."""
    rows = list(expected)
    assert len(found) == len(rows) == len(set(rows))
    assert sorted(set(found) ^ set(rows), key=repr)[:6] == []


def assert_close(found: Rows, expected: Rows) -> None:
    """Compare rows that hold shares."""

    def order(row: tuple[Any, ...]) -> str:
        return repr(row[:2])

    close = [pytest.approx(row, abs=1e-12) for row in sorted(expected, key=order)]
    assert sorted(found, key=order) == close


def ask(con: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> Rows:
    """Return the rows of a table or view."""
    if parameters:
        return con.execute(catalog.find(name).select, parameters).fetchall()
    return con.execute(f"from {name}").fetchall()


# On the real data.


def six_choices(model: str, images: Rows, *, gaps: float, seed: int) -> Rows:
    """Make up ranks 1-6 for some images, near the original label; the share `gaps` is left out."""
    rng = np.random.default_rng(seed)
    rows = []
    for place in rng.choice(len(images), 10_000, replace=False).tolist():
        image, _, original, _ = images[place]
        labels = (original + rng.permutation(12)[:6]) % 1000
        for rank, label in enumerate(labels.tolist(), start=1):
            if rank == 1 or rng.random() >= gaps:
                rows.append((model, image, rank, label, rng.random()))
    return rows


def fill(con: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    columns = zip(header_of("predictions").columns, zip(*rows, strict=True), strict=True)
    con.register("rows", pa.table(dict(columns)))
    con.execute("insert into predictions by name select * from rows")


@pytest.fixture(scope="module")
def real_tables(real_store: Store, real_data: Path) -> Tables:
    """Return the real tables, with two models' real predictions and two made up."""
    con = real_store.connect()
    for path in sorted((real_data / "predictions").glob("*.csv")):
        predictions.add(con, path)
    tables = {name: ask(con, name) for name in (*real_store.tables, "predictions")}
    made_up = [
        *six_choices("complete", tables["images"], gaps=0, seed=1),
        *six_choices("with gaps", tables["images"], gaps=0.1, seed=2),
    ]
    return tables | {"predictions": [*tables["predictions"], *made_up]}


@pytest.fixture
def real(real_store: Store, real_tables: Tables) -> duckdb.DuckDBPyConnection:
    con = real_store.connect()
    fill(con, real_tables["predictions"])
    catalog.install(con, [*real_store.tables, "predictions"])
    return con


def test_labels_on_the_real_data(real: duckdb.DuckDBPyConnection, real_tables: Tables) -> None:
    assert_same(ask(real, "image_labels"), image_labels(real_tables))
    assert_same(ask(real, "rated_questions"), rated_questions(real_tables))


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8, 1.0])
def test_labels_at_on_the_real_data(
    real: duckdb.DuckDBPyConnection, real_tables: Tables, threshold: float
) -> None:
    found = ask(real, "labels_at", threshold=threshold)
    assert_same(found, labels_at(real_tables, threshold))


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    ("threshold", "empty"),
    [(0.8, "skip"), (0.8, "wrong"), (0.8, "original"), (0.2, "wrong"), (0.99, "original")],
)
def test_accuracy_on_the_real_data(
    real: duckdb.DuckDBPyConnection, real_tables: Tables, threshold: float, empty: str
) -> None:
    tables = real_tables
    if threshold != 0.8:
        catalog.substitute(real, "labels", "labels_at", {"threshold": threshold})
        tables = real_tables | {"labels": list(labels_at(real_tables, threshold))}
    assert_same(ask(real, "scored_choices"), scored_choices(tables))
    assert_same(ask(real, "unasked_predictions"), unasked_predictions(tables))
    scored = list(scored_with_unlabeled_rule(list(scored_predictions(tables)), empty))
    catalog.substitute(real, "scored_predictions", "scored_with_unlabeled_rule", {"empty": empty})
    assert_same(ask(real, "scored_predictions"), scored)
    for name, rows in reports(tables, scored).items():
        assert_close(ask(real, name), rows)


# On made-up tables.

IMAGES = range(1, 5)
# Few classes, so that they often coincide, with those at the border of the animals.
LABELS = (0, 397, 398, 999)
SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.8, 1.0]) | st.floats(0, 1)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def worlds(draw: st.DrawFn) -> Tables:
    """Draw tables with gaps: images without labels, questions without scores, ranks left out."""
    label = st.sampled_from(LABELS)
    some_labels = st.lists(label, unique=True)
    answers = st.dictionaries(
        st.tuples(st.sampled_from(["main", "golden", "expert"]), st.integers(1, 3)),
        st.sampled_from(["no", "maybe", "yes"]),
    )
    tables: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
    for image in IMAGES:
        file_name = f"ILSVRC2012_val_{image:08d}.JPEG"
        is_rated = draw(st.booleans())
        tables["images"].append((image, file_name, draw(maybe(label)), is_rated))
        for position, one in enumerate(draw(some_labels)):
            tables["labels"].append((image, one, position))
        for one in draw(some_labels) if is_rated else ():
            tables["questions"].append((image, one, len(tables["questions"]), None))
            for (when, rater), answer in draw(answers).items():
                tables["votes"].append((when, image, one, rater, answer))
            if (score := draw(maybe(SCORES))) is not None:
                tables["scores"].append((image, one, score))
        for model in draw(st.sets(st.sampled_from(["a", "b"]))):
            for rank in {1, *draw(st.sets(st.integers(2, 6)) | st.just(set(FIVE)))}:
                choice = draw(label), draw(maybe(st.floats(allow_nan=False)))
                tables["predictions"].append((model, image, rank, *choice))
    for one in draw(some_labels):
        tables["classes"].append((one, draw(maybe(st.just("n01440764"))), None, None, one < 398))
    return tables


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(tables=worlds(), threshold=SCORES, empty=st.sampled_from(["skip", "wrong", "original"]))
def test_views_on_made_up_tables(tables: Tables, threshold: float, empty: str) -> None:
    given = {
        name: [dict(zip(header_of(name).columns, row, strict=True)) for row in rows]
        for name, rows in tables.items()
    }
    scored = list(scored_predictions(tables))
    reported = reports(tables, scored)
    parametrised = ("labels_at", "scored_with_unlabeled_rule")
    read = ("image_labels", "rated_questions", "unasked_predictions", *parametrised)
    with database(given, [*read, *reported]) as con:
        assert_same(ask(con, "image_labels"), image_labels(tables))
        assert_same(ask(con, "rated_questions"), rated_questions(tables))
        assert_same(ask(con, "labels_at", threshold=threshold), labels_at(tables, threshold))
        assert_same(ask(con, "scored_choices"), scored_choices(tables))
        assert_same(ask(con, "unasked_predictions"), unasked_predictions(tables))
        assert_same(ask(con, "scored_predictions"), scored)
        assert_same(
            ask(con, "scored_with_unlabeled_rule", empty=empty),
            scored_with_unlabeled_rule(scored, empty),
        )
        for name, rows in reported.items():
            assert_close(ask(con, name), rows)


def test_wilson() -> None:
    """The interval contains the share and lies in 0 to 1, even if all or none are right."""
    columns = catalog.find("scored_predictions").about.columns
    row = dict.fromkeys(columns) | {"original_label": 0, "label_count": 1}
    models = {f"{right} of {of}": (right, of) for of in range(1, 25) for right in range(of + 1)}
    rows = [
        row | {"model": model, "image_id": image, "is_real_correct": image < right}
        for model, (right, of) in models.items()
        for image in range(of)
    ]
    with database({"scored_predictions": rows}, ["accuracy"]) as con:
        found = con.sql(
            "select model, real_accuracy_low, real_accuracy, real_accuracy_high from accuracy"
        ).fetchall()
    assert len(found) == len(models)
    for model, low, accuracy, high in found:
        right, of = models[model]
        assert (low, high) == pytest.approx(wilson(right, of), abs=1e-12), model
        assert 0 <= low <= accuracy <= high <= 1, model
