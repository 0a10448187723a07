"""The views on agreement, label pairs and contested images against plain Python.

As in test_oracle.py: naive functions in plain Python against the views, on the real data, the
generated data and at random; and the coefficients against an independent library as well.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations
from typing import Any

import duckdb
import krippendorff
import numpy as np
import pytest
from connections import database

from campaigns import number
from realdb.queries import catalog
from realdb.schema.tables import header_of
from realdb.store.store import Store

Rows = Sequence[tuple[Any, ...]]
Found = Iterator[tuple[Any, ...]]

ANSWERS = ("no", "maybe", "yes")
VIEWS = ("agreement", "agreement_by_class", "contested_images", "label_pairs")


def vote_coincidences(votes: Rows) -> Found:
    questions = defaultdict(list)
    for when, image, label, _, answer in votes:
        if when == "main":
            questions[image, label].append(answer)
    for question, answers in questions.items():
        if len(answers) > 1:
            yield *question, *coincidences(tuple(sorted(answers)))


@functools.cache
def coincidences(answers: tuple[str, ...]) -> tuple[float, ...]:
    pairs = Counter(permutations(answers, 2))
    counts = (answers.count(answer) for answer in ANSWERS)
    weighed = (pairs[pair] / (len(answers) - 1) for pair in combinations(ANSWERS, 2))
    return len(answers), *counts, *weighed


def coefficients(units: Sequence[tuple[int, ...]]) -> list[float | None]:
    """Return observed agreement, nominal and ordinal alpha, and kappa, of (no, maybe, yes) counts.

    Alpha as 1 - D(o) / D(e) over ordered pairs of values, kappa as Fleiss has it, subject by
    subject.
    """
    n = [sum(unit[c] for unit in units) for c in range(3)]
    total = sum(n)

    def alpha(distance: Callable[[int, int], float]) -> float | None:
        observed = sum(
            unit[c] * unit[k] * distance(c, k) / (sum(unit) - 1)
            for unit in units
            for c, k in permutations(range(3), 2)
        )
        expected = sum(n[c] * n[k] * distance(c, k) for c, k in permutations(range(3), 2))
        return 1 - observed / total / (expected / total / (total - 1)) if expected else None

    def ordinal(c: int, k: int) -> float:
        low, high = min(c, k), max(c, k)
        return float((sum(n[low : high + 1]) - (n[c] + n[k]) / 2) ** 2)

    def own(unit: tuple[int, ...]) -> float:
        """Return a subject's share of agreeing pairs."""
        m = sum(unit)
        return (sum(count * count for count in unit) - m) / (m * (m - 1))

    observed = sum(own(unit) * sum(unit) for unit in units) / total
    by_chance = sum((count / total) ** 2 for count in n)
    is_even = len({sum(unit) for unit in units}) == 1
    kappa = (observed - by_chance) / (1 - by_chance) if is_even and max(n) < total else None
    return [observed, alpha(lambda *_: 1.0), alpha(ordinal), kappa]


def agreement(questions: Rows) -> Found:
    for is_animal, labels in ((None, range(1000)), (True, range(398)), (False, range(398, 1000))):
        rows = [row for row in questions if row[1] in labels]
        if rows:
            units = [row[3:6] for row in rows]
            images = len({row[0] for row in rows})
            yield is_animal, images, len(rows), sum(row[2] for row in rows), *coefficients(units)


def agreement_by_class(questions: Rows, classes: Rows) -> Found:
    names = {label: (wordnet_id, name) for label, wordnet_id, name, *_ in classes}
    by_label = defaultdict(list)
    for row in questions:
        by_label[row[1]].append(row[3:6])
    for label, units in by_label.items():
        votes = sum(map(sum, units))
        yield label, *names.get(label, (None, None)), len(units), votes, *coefficients(units)


def by_image(rated: Rows) -> dict[int, Rows]:
    images = defaultdict(list)
    for row in rated:
        images[row[0]].append(row)
    return {image: sorted(rows) for image, rows in images.items()}


def label_pairs(rated: Rows, classes: Rows) -> Found:
    names = {label: name for label, _, name, *_ in classes}
    counts: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for rows in by_image(rated).values():
        for (_, a, *_, a_real, a_first), (_, b, *_, b_real, b_first) in combinations(rows, 2):
            count = counts[a, b]
            reals = {(1, 1): "both", (1, 0): "a", (0, 1): "b", (0, 0): "neither"}
            count[reals[a_real, b_real]] += 1
            if a_first:
                count["original a"] += 1
                count["a by mistake"] += b_real and not a_real
            if b_first:
                count["original b"] += 1
                count["b by mistake"] += a_real and not b_real
    for (a, b), count in counts.items():
        right = count["both"] + count["a"] + count["b"]
        firsts = count["original a"], count["original b"]
        mistakes = count["a by mistake"], count["b by mistake"]
        yield (
            *(a, names.get(a), b, names.get(b), right + count["neither"]),
            *(count["both"], count["a"], count["b"], count["neither"]),
            count["both"] / right if right else None,
            *(*firsts, *mistakes),
            *(m / first if first else None for m, first in zip(mistakes, firsts, strict=True)),
        )


def contested_images(rated: Rows, images: Rows) -> Found:
    def disagreement(row: tuple[Any, ...]) -> float | None:
        votes = [c for c, count in enumerate(row[2:5]) for _ in range(count)]
        pairs = list(combinations(votes, 2))
        return sum(one != other for one, other in pairs) / len(pairs) if pairs else None

    def nearness(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return (row[5] is None, abs((row[5] or 0) - 0.8), row[1])

    known = {image: (file_name, original) for image, file_name, original, _ in images}
    for image, rows in by_image([row for row in rated if row[2] is not None]).items():
        contested = [row for row in rows if min(row[2], row[4]) >= 2]
        if not contested:
            continue
        split = [row for row in rows if min(row[2], row[4]) >= 1]
        measured = [found for row in rows if (found := disagreement(row)) is not None]
        most = min(contested, key=lambda row: (-(disagreement(row) or 0), *nearness(row)))
        scored = [row for row in rows if row[5] is not None]
        closest = min(scored, key=nearness) if scored else [None] * 6
        yield (
            *(image, *known[image], len(rows), len(contested), len(split)),
            *(sum(measured) / len(measured), *most[1:5], disagreement(most), *most[5:7]),
            *(closest[1], closest[5]),
        )


# How rows are compared.


def ask(con: duckdb.DuckDBPyConnection, name: str) -> Rows:
    return con.execute(f"from {name}").fetchall()


def assert_close(found: Rows, expected: Rows) -> None:
    """Compare rows that hold shares; a difference shows its first few rows."""

    def key(row: tuple[Any, ...]) -> str:
        return repr([value for value in row if isinstance(value, int | str)])

    assert len(found) == len(expected)
    pairs = zip(sorted(found, key=key), sorted(expected, key=key), strict=True)
    differing = [
        (one, other)
        for one, other in pairs
        if any(
            not (x == y or (isinstance(x, float) and isinstance(y, float) and abs(x - y) < 1e-10))
            for x, y in zip(one, other, strict=True)
        )
    ]
    assert differing[:3] == []


def assert_views_hold(con: duckdb.DuckDBPyConnection) -> None:
    classes, rated = ask(con, "classes"), ask(con, "rated_questions")
    questions = list(vote_coincidences(ask(con, "votes")))
    assert_close(ask(con, "vote_coincidences"), questions)
    assert_close(ask(con, "agreement"), list(agreement(questions)))
    by_class = list(agreement_by_class(questions, classes))
    assert_close(ask(con, "agreement_by_class"), by_class)
    assert_close(ask(con, "label_pairs"), list(label_pairs(rated, classes)))
    contested = list(contested_images(rated, ask(con, "images")))
    assert_close(ask(con, "contested_images"), contested)


def assert_alphas_are_the_librarys(con: duckdb.DuckDBPyConnection) -> int:
    """Compare both alphas of every group with PyPI's krippendorff; return the number of groups."""
    questions = np.array([row[1:2] + row[3:6] for row in ask(con, "vote_coincidences")])
    labels, counts = questions[:, 0], questions[:, 1:]
    groups = {
        "all": counts,
        "true": counts[labels < 398],
        "false": counts[labels >= 398],
        **{str(label): counts[labels == label] for label in np.unique(labels).tolist()},
    }
    rows = con.execute(
        """
        select coalesce(cast(is_animal as varchar), 'all'), nominal_alpha, ordinal_alpha
        from agreement
        union all
        select cast(label as varchar), nominal_alpha, ordinal_alpha from agreement_by_class
        """
    ).fetchall()
    compared = 0
    for group, *alphas in rows:
        counts = groups[group]
        # The library needs two different values.
        assert (None in alphas) == (np.count_nonzero(counts.sum(axis=0)) < 2)
        if None not in alphas:
            compared += 1
            assert alphas == pytest.approx(
                [
                    krippendorff.alpha(
                        value_counts=counts, value_domain=[0, 1, 2], level_of_measurement=level
                    )
                    for level in ("nominal", "ordinal")
                ],
                abs=1e-10,
            )
    return compared


# On the real data, and on the generated data.


@pytest.fixture(scope="module", params=["real", "synthetic"])
def opened(request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    held: Store = request.getfixturevalue(f"{request.param}_store")
    with held.connect() as con:
        catalog.install(con, held.names, VIEWS)
        yield con


def test_views(opened: duckdb.DuckDBPyConnection) -> None:
    assert_views_hold(opened)


def test_alphas(opened: duckdb.DuckDBPyConnection) -> None:
    assert assert_alphas_are_the_librarys(opened) > 3


def test_figures_of_the_real_data(real_store: Store) -> None:
    with real_store.connect() as con:
        catalog.install(con, real_store.names, VIEWS)
        found = con.execute(
            """
            select
                (select round(nominal_alpha, 6) from agreement where is_animal is null),
                (select round(ordinal_alpha, 6) from agreement where is_animal is null),
                (select round(fleiss_kappa, 6) from agreement where is_animal is null),
                (select count(*) from label_pairs where both_real_images > 0),
                (select count(*) from contested_images)
            """
        ).fetchone()
    assert found == (0.412012, 0.517219, 0.412012, 5883, 7223)


def test_kappa_is_alpha_of_many_votes(opened: duckdb.DuckDBPyConnection) -> None:
    """With the same number of votes throughout, 1 - kappa is n / (n - 1) times 1 - alpha."""
    rows = opened.execute("select votes, nominal_alpha, fleiss_kappa from agreement").fetchall()
    assert rows
    for votes, alpha, kappa in rows:
        assert 1 - kappa == pytest.approx((1 - alpha) * votes / (votes - 1), abs=1e-12)


# On made-up tables.


def made_up(rng: np.random.Generator) -> dict[str, list[tuple[Any, ...]]]:
    """Make up tables with gaps: questions of few votes or none, without score, unknown labels."""
    labels = (0, 397, 398, 999)
    raters = 5 if rng.random() < 0.3 else None
    tables: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for image in range(1, int(rng.integers(2, 9))):
        file_name = f"ILSVRC2012_val_{image:08d}.JPEG"
        original = None if rng.random() < 0.2 else int(rng.choice(labels))
        tables["images"].append((image, file_name, original, True))
        for label in rng.permutation(labels)[: rng.integers(5)].tolist():
            tables["questions"].append((image, label, len(tables["questions"]), None))
            if rng.random() < 0.4:
                tables["labels"].append((image, label, len(tables["labels"])))
            if rng.random() < 0.8:
                score = float(rng.choice([0.0, 0.5, 0.79, 0.8, 0.81, 1.0]))
                tables["scores"].append((image, label, score))
            for when in ("main", "golden"):
                for rater in range(raters or int(rng.integers(6))):
                    tables["votes"].append((when, image, label, rater, str(rng.choice(ANSWERS))))
    for label in labels[:3]:
        tables["classes"].append((label, None, f"class {label}", None, label < 398))
    return tables


@pytest.mark.parametrize("seed", range(number(8, 100, more=25)))
def test_views_on_made_up_tables(seed: int) -> None:
    rows_of = {
        name: [dict(zip(header_of(name).columns, row, strict=True)) for row in rows]
        for name, rows in made_up(np.random.default_rng(seed)).items()
    }
    with database(rows_of, VIEWS) as con:
        assert_views_hold(con)
        if ask(con, "vote_coincidences"):
            assert_alphas_are_the_librarys(con)
