"""The pipeline's views against a second, naive implementation of the formula, rule by rule.

FACTS of the data and the formula: a golden question is valid by the experts' majority; a rater's
answers are counted on valid and invalid ones; the evidence of all answers to a question is summed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from realdb.ingest import predictions
from realdb.queries import catalog
from realdb.store.store import Store

Rows = list[tuple[Any, ...]]
ANSWERS = ("no", "maybe", "yes")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The parameters of rules_with, as published."""

    golden_majority: int = 3
    original_majority: int = 2
    smoothing: float = 1.0
    original_label_for: str = "animals"
    maybe_as: str = "maybe"
    left_out_raters: tuple[int, ...] = ()
    threshold: float = 0.8


class Pipeline:
    """The rows of the views, computed from the rows of the tables with loops."""

    def __init__(self, tables: dict[str, Rows], rules: Rules) -> None:
        self.rules, self.tables = rules, tables
        self.originals = {image: original for image, _, original, _ in tables["images"]}
        experts: dict[tuple[int, int], list[str]] = defaultdict(list)
        self.heard = []
        for when, image, label, rater, answer in tables["votes"]:
            if when == "expert":
                experts[image, label].append(answer)
            elif rater not in rules.left_out_raters:
                said = rules.maybe_as if answer == "maybe" else answer
                self.heard.append((when, image, label, rater, said))
        self.yes = {question: answers.count("yes") for question, answers in experts.items()}
        self.valid = {q: yes >= rules.golden_majority for q, yes in self.yes.items()}
        self.evidence = dict(self.rater_evidence())
        self.original = self.original_evidence()
        self.scores = self.recomputed_scores()

    def probabilities(self, counts: Counter[str]) -> dict[str, float]:
        total = sum(counts[answer] + self.rules.smoothing for answer in ANSWERS)
        return {answer: (counts[answer] + self.rules.smoothing) / total for answer in ANSWERS}

    def rater_evidence(self) -> Iterator[tuple[int, dict[str, float]]]:
        counts: dict[tuple[int, bool], Counter[str]] = defaultdict(Counter)
        for when, image, label, rater, answer in self.heard:
            if when == "golden":
                counts[rater, self.valid[image, label]][answer] += 1
        answered = sorted({rater for rater, _ in counts})
        shares = {
            (rater, valid): self.probabilities(counts[rater, valid])
            for rater in answered
            for valid in (True, False)
        }
        for rater, _, is_expert, *_ in self.tables["raters"]:
            if is_expert or rater in self.rules.left_out_raters:
                continue
            like = [rater] if rater in answered else answered
            yield (
                rater,
                {
                    answer: math.log(sum(shares[r, True][answer] for r in like) / len(like))
                    - math.log(sum(shares[r, False][answer] for r in like) / len(like))
                    for answer in ANSWERS
                },
            )

    def original_evidence(self) -> dict[str, float]:
        counts = {True: Counter[str](), False: Counter[str]()}
        for (image, label), yes in self.yes.items():
            says = "yes" if self.originals[image] == label else "no"
            counts[yes >= self.rules.original_majority][says] += 1
        valid, invalid = (self.probabilities(counts[which]) for which in (True, False))
        return {says: math.log(valid[says]) - math.log(invalid[says]) for says in ("yes", "no")}

    def recomputed_scores(self) -> dict[tuple[int, int], float]:
        truths = list(self.valid.values())
        prior = math.log(truths.count(True) / truths.count(False))
        sums = {(image, label): prior for image, label, *_ in self.tables["questions"]}
        for when, image, label, rater, answer in self.heard:
            if when == "main":
                sums[image, label] += self.evidence[rater][answer]
        for image, label in sums:
            reach = {"animals": 398, "all": 1000, "none": 0}[self.rules.original_label_for]
            if label < reach:
                says = "yes" if self.originals[image] == label else "no"
                sums[image, label] += self.original[says]
        return {question: 1 / (1 + math.exp(-nats)) for question, nats in sums.items()}

    def same_count_threshold(self) -> tuple[float, int, int]:
        """Try every score as the threshold."""
        published = len(self.tables["labels"])
        scores = sorted(round(score, 12) for score in self.scores.values())
        unrated = len(self.labels()) - sum(
            score >= round(self.rules.threshold, 12) for score in scores
        )
        counts = {score: len(scores) - place for place, score in reversed([*enumerate(scores)])}
        counts = {score: kept + unrated for score, kept in counts.items()}
        best = min(counts, key=lambda score: (abs(counts[score] - published), -score))
        return best, counts[best], published

    def labels(self) -> set[tuple[int, int]]:
        rated = {image for image, _ in self.scores}
        kept = {(image, label) for image, label, _ in self.tables["labels"] if image not in rated}
        least = round(self.rules.threshold, 12)
        return kept | {q for q, score in self.scores.items() if round(score, 12) >= least}


VIEWS = (
    "counted_votes",
    "original_label_evidence",
    "vote_evidence",
    "label_changes",
    "relabelling",
    "same_count_threshold",
    "accuracy_moves",
    catalog.OTHER_RULES,
)
OTHERS = [
    Rules(),
    Rules(threshold=0.3, maybe_as="yes"),
    Rules(golden_majority=1, original_majority=4, original_label_for="none"),
    Rules(golden_majority=5, smoothing=0.25, original_label_for="all", maybe_as="no"),
]


@pytest.fixture(scope="module", params=["real", "synthetic"])
def stored(
    request: pytest.FixtureRequest,
) -> tuple[duckdb.DuckDBPyConnection, dict[str, Rows]]:
    """Return a store's tables and views with two models' predictions, and the tables' rows."""
    opened: Store = request.getfixturevalue(f"{request.param}_store")
    files: Path = request.getfixturevalue("real_data" if request.param == "real" else "synthetic")
    con = opened.connect()
    for path in sorted((files / "predictions").glob("*.csv")):
        predictions.add(con, path)
    tables = ["images", "labels", "questions", "raters", "votes", "predictions"]
    rows = {name: con.execute(f"from {name}").fetchall() for name in tables}
    catalog.install(con, [*opened.tables, "predictions"], VIEWS)
    return con, rows


def accuracies(
    predicted: Rows, labels: set[tuple[int, int]], images: set[int]
) -> dict[str, tuple[int, float]]:
    """Return the number of `images` that each model predicts, and its share of right choices."""
    right: dict[str, list[bool]] = defaultdict(list)
    for model, image, rank, label, _ in predicted:
        if rank == 1 and image in images:
            right[model].append((image, label) in labels)
    return {model: (len(flags), sum(flags) / len(flags)) for model, flags in right.items()}


def close(found: Rows, expected: dict[Any, Any]) -> None:
    assert len(found) == len(expected)
    worst = max(abs(value - expected[tuple(key)]) for *key, value in found)
    assert worst < 1e-12


@pytest.mark.cases(4)
@pytest.mark.parametrize("changed", [*OTHERS, None], ids=str)
def test_pipeline(
    stored: tuple[duckdb.DuckDBPyConnection, dict[str, Rows]], changed: Rules | None
) -> None:
    con, tables = stored
    if changed is None:  # without a rater who answered the golden questions, and one who did not
        left_out = con.execute(
            "select min(rater_id) from raters where not is_expert group by answered_golden"
        ).fetchall()
        changed = Rules(left_out_raters=tuple(rater for (rater,) in left_out))
    rules = Pipeline(tables, changed)
    differing = {
        name: value for name, value in vars(changed).items() if value != vars(Rules())[name]
    }
    named = ", ".join(
        f"{name} := {list(value) if isinstance(value, tuple) else value!r}"
        for name, value in differing.items()
    )

    def ask(columns: str, view: str) -> Rows:
        # As published the views themselves answer, otherwise their macros.
        return con.execute(
            f"select {columns} from {view}_if({named})"
            if named
            else f"select {columns} from {view}"
        ).fetchall()

    assert set(ask("image_id, label, yes_experts, is_valid", "golden_truths")) == {
        (*question, yes, rules.valid[question]) for question, yes in rules.yes.items()
    }
    assert sorted(ask("*", "counted_votes")) == sorted(rules.heard)
    close(
        ask("rater_id, answer, log_likelihood_ratio", "rater_evidence"),
        {
            (rater, answer): nats
            for rater, of in rules.evidence.items()
            for answer, nats in of.items()
        },
    )
    close(
        ask("answer, log_likelihood_ratio", "original_label_evidence"),
        {(says,): nats for says, nats in rules.original.items()},
    )
    close(ask("image_id, label, recomputed_score", "recomputed_scores"), rules.scores)
    close(
        ask("image_id, label, rater_id, log_likelihood_ratio", "vote_evidence"),
        {
            (image, label, rater): rules.evidence[rater][answer]
            for when, image, label, rater, answer in rules.heard
            if when == "main"
        },
    )
    labels = rules.labels()
    assert {row[:2] for row in ask("*", "recomputed_labels")} == labels
    published = {(image, label) for image, label, _ in tables["labels"]}
    changes = {
        (image, label, is_added)
        for image, label, is_added in ask("image_id, label, is_added", "label_changes")
    }
    assert changes == {(*one, one in labels) for one in labels ^ published}
    assert ask("*", "relabelling") == [
        (
            *(len(published), len(labels), len(labels - published), len(published - labels)),
            len({image for image, _ in labels ^ published}),
            *(len({image for image, _ in which}) for which in (published, labels)),
        )
    ]
    assert ask("*", "same_count_threshold") == [rules.same_count_threshold()]
    old, new = ({image for image, _ in which} for which in (published, labels))
    predicted = tables["predictions"]
    before, after = accuracies(predicted, published, old), accuracies(predicted, labels, new)
    common = [accuracies(predicted, which, old & new) for which in (published, labels)]
    moves = ask("*", "accuracy_moves")
    assert len(moves) == len(before) == 2
    for model, *row in moves:
        places = [
            1 + sum(share > of[model][1] for _, share in of.values()) for of in (before, after)
        ]
        count, share = common[0][model]
        expected = [
            *(count, common[1][model][1] - share),
            *(*before[model], *after[model], *places, places[0] - places[1]),
        ]
        assert row == pytest.approx(expected, abs=1e-12)
