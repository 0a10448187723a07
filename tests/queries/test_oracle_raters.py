"""The views on rater quality, precision and recall, and preferences against plain Python.

As in test_oracle.py: naive functions in plain Python against the views, on the real data, the
generated data and at random. The recomputed scores are taken from their view, which has an oracle
of its own in test_oracle_pipeline.py.
"""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import duckdb
import numpy as np
import pytest
from connections import database

from campaigns import number
from realdb.ingest import predictions
from realdb.queries import catalog
from realdb.schema.tables import header_of
from realdb.store.store import Store

Rows = Sequence[tuple[Any, ...]]
Tables = Mapping[str, Rows]
Found = Iterator[tuple[Any, ...]]
Question = tuple[int, int]

ANSWERS = ("no", "maybe", "yes")
TABLES = ("images", "labels", "raters", "scores", "votes", "classes", "predictions")
VIEWS = (
    "rater_quality",
    "precision_recall",
    "operating_points",
    "average_precision",
    "preferred_labels",
    "rater_preference",
    "rater_preference_by_animal",
)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Those of the pipeline's rules that are changed here, as published."""

    golden_majority: int = 3
    maybe_as: str = "maybe"
    threshold: float = 0.8


def truths_of(tables: Tables, rules: Rules) -> dict[Question, bool]:
    """Return whether each golden question is valid."""
    yes: Counter[Question] = Counter()
    for when, image, label, _, answer in tables["votes"]:
        if when == "expert":
            yes[image, label] += answer == "yes"
    return {question: count >= rules.golden_majority for question, count in yes.items()}


def heard(tables: Tables, round_: str, rules: Rules) -> Iterator[tuple[Question, int, str]]:
    for when, image, label, rater, answer in tables["votes"]:
        if when == round_:
            yield (image, label), rater, rules.maybe_as if answer == "maybe" else answer


@functools.cache
def majority(answers: tuple[str, ...]) -> str | None:
    """Return the most frequent answer; None if there is a tie."""
    counts = Counter(answers)
    most = [answer for answer in counts if counts[answer] == max(counts.values())]
    return most[0] if len(most) == 1 else None


def share(flags: Iterable[bool]) -> float | None:
    known = list(flags)
    return sum(known) / len(known) if known else None


def rater_quality(tables: Tables, rules: Rules) -> Found:
    truths = truths_of(tables, rules)
    real = {(image, label) for image, label, _ in tables["labels"]}
    golden: dict[int, list[tuple[bool, str]]] = defaultdict(list)
    questions: dict[Question, list[tuple[int, str]]] = defaultdict(list)
    main: dict[int, list[tuple[str, str | None, bool]]] = defaultdict(list)
    for question, rater, answer in heard(tables, "golden", rules):
        if question in truths:
            golden[rater].append((truths[question], answer))
    for question, rater, answer in heard(tables, "main", rules):
        questions[question].append((rater, answer))
    for question, answered in questions.items():
        for rater, answer in answered:
            others = sorted(said for other, said in answered if other != rater)
            right = answer == ("yes" if question in real else "no")
            main[rater].append((answer, majority(tuple(others)), right))
    for rater, _, is_expert, *_ in tables["raters"]:
        if is_expert:
            continue
        votes, answers = main[rater], golden[rater]
        with_majority = [answer == lead for answer, lead, _ in votes if lead]
        yield (
            *(rater, len(votes)),
            *(share(answer == one for answer, *_ in votes) for one in ANSWERS),
            *(len(with_majority), share(with_majority), share(right for *_, right in votes)),
            len(answers),
            share(answer == "yes" for valid, answer in answers if valid),
            share(answer == "no" for valid, answer in answers if not valid),
            log_loss(answers, share(truths.values())),
        )


def log_loss(answers: list[tuple[bool, str]], prior: float | None) -> float | None:
    """Return the mean -ln P(truth | answer), by Bayes' rule from the prior and the answers."""
    if not answers or prior is None or prior in (0, 1):
        return None
    counts = Counter(answers)
    joint = {
        (valid, answer): (prior if valid else 1 - prior)
        * (counts[valid, answer] + 1)
        / (sum(counts[valid, other] for other in ANSWERS) + 3)
        for valid in (True, False)
        for answer in ANSWERS
    }
    posteriors = [joint[one] / (joint[True, one[1]] + joint[False, one[1]]) for one in answers]
    return -sum(map(math.log, posteriors)) / len(answers)


def rankings(
    tables: Tables, recomputed: dict[Question, float], rules: Rules
) -> dict[str, list[tuple[float, bool]]]:
    """Return by method the score and the truth of each golden question that has a score."""
    points = {"no": 0.0, "maybe": 0.5, "yes": 1.0}
    votes = defaultdict(list)
    for question, _, answer in heard(tables, "main", rules):
        votes[question].append(points[answer])
    originals = {image: original for image, _, original, *_ in tables["images"]}
    truths = truths_of(tables, rules)
    scores = {
        "published": {(image, label): score for image, label, score in tables["scores"]},
        "recomputed": recomputed,
        "majority": {question: sum(each) / len(each) for question, each in votes.items()},
        "original": {
            (image, label): float(label == originals[image])
            for image, label in truths
            if originals[image] is not None
        },
    }
    return {
        method: [(of[question], truth) for question, truth in truths.items() if question in of]
        for method, of in scores.items()
    }


def is_kept(score: float, threshold: float) -> bool:
    return round(score, 12) >= round(threshold, 12)


def precision_recall(ranked: dict[str, list[tuple[float, bool]]]) -> Found:
    for method, scored in ranked.items():
        # Of scores that are equal when rounded the lowest; the last entry of a key counts.
        lowest = {round(score, 12): score for score in sorted(score for score, _ in scored)[::-1]}
        thresholds = list(lowest.values())
        if method == "original":
            thresholds = [1.0] if 1.0 in lowest else []
        for threshold in thresholds:
            kept = [truth for score, truth in scored if is_kept(score, threshold)]
            valid = sum(truth for _, truth in scored)
            yield (
                *(method, threshold, len(kept), sum(kept), sum(kept) / len(kept)),
                sum(kept) / valid if valid else None,
            )


def operating_points(curves: Rows, rules: Rules) -> Found:
    for method in ("published", "recomputed"):
        enough = [row for row in curves if row[0] == method and is_kept(row[1], rules.threshold)]
        if enough:
            yield min(enough, key=lambda row: row[1])


def average_precision(ranked: dict[str, list[tuple[float, bool]]]) -> Found:
    """Average, over the valid questions, the precision among questions with at least that score."""
    for method, scored in ranked.items():
        if method != "original" and scored:
            precisions = [
                share(truth for score, truth in scored if is_kept(score, least)) or 0
                for least, valid in scored
                if valid
            ]
            average = sum(precisions) / len(precisions) if precisions else None
            steps = {round(score, 12) for score, _ in scored}
            valid_share = share(truth for _, truth in scored)
            yield method, average, len(scored), valid_share, len(steps)


def preferred_labels(tables: Tables, evidence: dict[Question, float]) -> Found:
    originals = {image: original for image, _, original, *_ in tables["images"]}
    for model, image, rank, label, confidence in tables["predictions"]:
        original = originals[image]
        if rank == 1 and original is not None and label != original:
            ours, theirs = evidence.get((image, label)), evidence.get((image, original))
            preferred = None
            if ours is not None and theirs is not None:
                is_tie = math.isclose(ours, theirs, rel_tol=0, abs_tol=1e-9)
                preferred = "tie" if is_tie else "model" if ours > theirs else "original"
            yield model, image, label, confidence, original, ours, theirs, preferred


def wilson(wins: int, of: int) -> tuple[float | None, float | None]:
    """Return the two p that are z standard errors away from the share, as Wilson defines them."""
    if not of:
        return None, None
    z, won = NormalDist().inv_cdf(0.975), wins / of
    low, high = sorted(np.roots([1 + z**2 / of, -2 * won - z**2 / of, won**2]).real)
    return float(low), float(high)


def rater_preference(preferred: Rows, group: Callable[[tuple[Any, ...]], Any]) -> Found:
    groups = defaultdict(list)
    for row in preferred:
        if (key := group(row)) is not None:
            groups[key].append(row[-1])
    for key, verdicts in groups.items():
        counts = [verdicts.count(verdict) for verdict in ("model", "original", "tie")]
        decided = counts[0] + counts[1]
        preference = counts[0] / decided if decided else None
        yield *key, preference, *wilson(counts[0], decided), *counts, sum(counts), len(verdicts)


def expected(
    tables: Tables, recomputed: Iterable[tuple[Any, ...]], rules: Rules
) -> dict[str, Rows]:
    """Return the rows of every view, from those of the tables and of recomputed_scores.

    A row of the latter: image_id, label, recomputed_score, raters_evidence.
    """
    scores, evidence = {}, {}
    for image, label, score, nats in recomputed:
        evidence[image, label] = nats
        if score is not None:
            scores[image, label] = score
    ranked = rankings(tables, scores, rules)
    curves = list(precision_recall(ranked))
    preferred = list(preferred_labels(tables, evidence))
    animals = {label: is_animal for label, *_, is_animal in tables["classes"]}

    def by_animal(row: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (row[0], animals[row[4]]) if row[4] in animals else None

    rows = (
        rater_quality(tables, rules),
        curves,
        operating_points(curves, rules),
        average_precision(ranked),
        preferred,
        rater_preference(preferred, lambda row: row[:1]),
        rater_preference(preferred, by_animal),
    )
    return {name: list(of) for name, of in zip(VIEWS, rows, strict=True)}


def assert_views_hold(
    con: duckdb.DuckDBPyConnection, tables: Tables, rules: Rules = Rules()
) -> dict[str, Rows]:
    """Compare every view, under the rules, with its oracle, and return the views' rows."""
    arguments = ", ".join(
        f"{name} := {value!r}"
        for name, value in vars(rules).items()
        if value != getattr(Rules(), name)
    )

    def ask(view: str, columns: str = "*") -> Rows:
        # As published the views themselves answer, otherwise their macros.
        source = f"{view}_if({arguments})" if arguments else view
        return con.execute(f"select {columns} from {source}").fetchall()

    def key(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return row[:2]

    recomputed = ask("recomputed_scores", "image_id, label, recomputed_score, raters_evidence")
    found: dict[str, Rows] = {}
    for name, rows in expected(tables, recomputed, rules).items():
        found[name] = sorted(ask(name), key=key)
        assert len(found[name]) == len(rows), name
        for row, other in zip(found[name], sorted(rows, key=key), strict=True):
            assert row == pytest.approx(other, abs=1e-11), name
    return found


# On the real data, and on the generated data.


@pytest.fixture(scope="module", params=["real", "synthetic"])
def stored(request: pytest.FixtureRequest) -> Iterator[tuple[duckdb.DuckDBPyConnection, Tables]]:
    """Yield a store's tables and views with two models' predictions, and the tables' rows."""
    opened: Store = request.getfixturevalue(f"{request.param}_store")
    files: Path = request.getfixturevalue("real_data" if request.param == "real" else "synthetic")
    with opened.connect() as con:
        for path in sorted((files / "predictions").glob("*.csv")):
            predictions.add(con, path)
        catalog.install(con, [*opened.names, "predictions"], [*VIEWS, catalog.OTHER_RULES])
        yield con, {name: con.execute(f"from {name}").fetchall() for name in TABLES}


@pytest.mark.cases(2)
@pytest.mark.parametrize(
    "rules", [Rules(), Rules(golden_majority=2, maybe_as="yes", threshold=0.5)], ids=str
)
def test_views(stored: tuple[duckdb.DuckDBPyConnection, Tables], rules: Rules) -> None:
    found = assert_views_hold(*stored, rules)
    assert all(found.values())


def test_figures_of_the_real_data(real_store: Store, real_data: Path) -> None:
    with real_store.connect() as con:
        for path in sorted((real_data / "predictions").glob("*.csv")):
            predictions.add(con, path)
        catalog.install(con, [*real_store.names, "predictions"], VIEWS)

        def ask(query: str) -> Rows:
            return con.execute(query).fetchall()

        assert ask("select count(*), sum(votes), count(log_loss) from rater_quality") == [
            (85, 924_810, 78)
        ]
        assert ask("select rater_id from rater_quality where sensitivity is null order by all") == [
            (rater,) for rater in (111, 132, 134, 146, 153, 167, 189)
        ]
        # What scikit-learn's average_precision_score gives for the same truths and scores.
        assert ask("select method, average_precision from average_precision order by all") == [
            ("majority", pytest.approx(0.8652662617184264, abs=1e-12)),
            ("published", pytest.approx(0.8932425341204377, abs=1e-12)),
            ("recomputed", pytest.approx(0.8932425341204377, abs=1e-12)),
        ]
        points = """
            select method, kept_questions, true_positives from operating_points
            union all
            select method, kept_questions, true_positives from precision_recall
            where method = 'original' order by all
        """
        assert ask(points) == [
            ("original", 155, 122),
            ("published", 215, 193),
            ("recomputed", 215, 193),
        ]
        preferences = """
            select model, model_images, original_images, tied_images, differing_images
            from rater_preference order by all
        """
        assert ask(preferences) == [
            ("ResNet50", 3933, 7324, 544, 11_935),
            ("ViT", 3790, 4916, 462, 10_997),
        ]


# On made-up tables.


def made_up(rng: np.random.Generator) -> dict[str, list[tuple[Any, ...]]]:
    """Make up tables with gaps: questions without votes or scores, unknown labels, idle raters."""
    labels = (0, 397, 398, 999)
    tables: dict[str, list[tuple[Any, ...]]] = {name: [] for name in (*TABLES, "recomputed_scores")}
    tables["raters"] = [(rater, None, rater > 4, None, None) for rater in range(8)]
    scores = [0.0, 0.3, 0.1 + 0.2, 0.79, 0.8, 1.0]
    for image in range(1, int(rng.integers(2, 9))):
        file_name = f"ILSVRC2012_val_{image:08d}.JPEG"
        original = None if rng.random() < 0.2 else int(rng.choice(labels))
        tables["images"].append((image, file_name, original, True))
        for label in rng.permutation(labels)[: rng.integers(5)].tolist():
            if rng.random() < 0.4:
                tables["labels"].append((image, label, len(tables["labels"])))
            if rng.random() < 0.8:
                tables["scores"].append((image, label, float(rng.choice(scores))))
            if rng.random() < 0.8:
                score = None if rng.random() < 0.2 else float(rng.choice(scores))
                evidence = float(rng.choice([-1.0, 0.3, 0.1 + 0.2, 2.0]))
                tables["recomputed_scores"].append((image, label, score, evidence))
            for when, raters in (("main", range(4)), ("golden", range(1, 5)), ("expert", (5, 6))):
                for rater in raters if rng.random() < 0.7 else ():
                    if rng.random() < 0.8:
                        answer = str(rng.choice(ANSWERS))
                        tables["votes"].append((when, image, label, rater, answer))
        for model in ("a", "b"):
            for rank in (1, 2) if rng.random() < 0.8 else ():
                label = int(rng.choice(labels))
                tables["predictions"].append((model, image, rank, label, None))
    tables["classes"] = [(label, None, None, None, label < 398) for label in labels[:3]]
    return tables


@pytest.mark.parametrize("seed", range(number(8, 100, more=25)))
def test_views_on_made_up_tables(seed: int) -> None:
    tables = made_up(np.random.default_rng(seed))
    columns = {name: list(header_of(name).columns) for name in TABLES}
    columns["recomputed_scores"] = ["image_id", "label", "recomputed_score", "raters_evidence"]
    rows_of = {
        name: [dict(zip(columns[name], row, strict=True)) for row in rows]
        for name, rows in tables.items()
    }
    with database(rows_of, VIEWS) as con:
        assert_views_hold(con, tables)
