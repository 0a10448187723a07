"""One rule for scores and thresholds in all views: `round(score, 12) >= round(threshold, 12)`.

A share of votes is a fraction, and floats of one fraction differ in their last digits by how they
were summed up. Exact fractions give the expected labels.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from fractions import Fraction

import duckdb
import pytest
from connections import database

from realdb.queries import catalog

# The last is the sum of the weights of the method weighted on the published votes.
DENOMINATORS = (3, 5, 10, 49, 2270)
RULE = re.compile(r"round\([\w.]+, 12\) >= round\((cast\(\$threshold as double\)|[\w.]+), 12\)")

COMPARED = re.compile(r"threshold(?:, 12\))? [<>]=? |[<>]=? \S*threshold")


def floats(share: Fraction) -> list[float]:
    """Return floats of one fraction, computed in several ways."""
    over, under = share.numerator, share.denominator
    parts = itertools.repeat(1 / under, over)
    found = [over / under, 1 - (under - over) / under, over * (1 / under), math.fsum(parts)]
    return [*found, sum([1 / under] * over)]


def worlds() -> list[tuple[int, Fraction, float]]:
    """Return questions: a label, its score as a fraction, and the score as one of its floats."""
    shares = sorted(
        {
            Fraction(over, under)
            for under in DENOMINATORS
            for over in range(0, under + 1, max(1, under // 10))
        }
    )
    pairs = [(share, value) for share in shares for value in sorted(set(floats(share)))]
    assert len(pairs) > len(shares), "no two floats of one fraction differ"
    return [(label, share, value) for label, (share, value) in enumerate(pairs)]


QUESTIONS = worlds()


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    rows = [{"image_id": 1, "label": label, "score": value} for label, _, value in QUESTIONS]
    recomputed = [
        {"image_id": 1, "label": label, "recomputed_score": value} for label, _, value in QUESTIONS
    ]
    truths = [
        {"image_id": 1, "label": label, "is_valid": label % 2 == 0} for label, *_ in QUESTIONS
    ]
    image = {"image_id": 1, "file_name": "ILSVRC2012_val_00000001.JPEG"}
    rows_of = {
        "images": [image | {"original_label": 1, "is_rated": True}],
        "scores": rows,
        "recomputed_scores": recomputed,
        "golden_truths": truths,
        "pipeline_rules": [{"threshold": 0.8}],
    }
    read = ("labels_at", "recomputed_labels", "label_changes", "operating_points")
    with database(rows_of, read) as con:
        yield con


@pytest.mark.parametrize("threshold", sorted({share for _, share, _ in QUESTIONS}), ids=str)
def test_fractions_are_compared_exactly(
    con: duckdb.DuckDBPyConnection, threshold: Fraction
) -> None:
    kept = {label for label, share, _ in QUESTIONS if share >= threshold}
    for value in set(floats(threshold)):
        con.execute("update pipeline_rules set threshold = $1", [value])
        for source in (f"labels_at({value!r})", "recomputed_labels", "label_changes"):
            assert {label for (label,) in con.sql(f"select label from {source}").fetchall()} == kept
        points = con.execute(
            """
            select kept_questions
            from precision_recall
            where method = 'published' and round(threshold, 12) = round($1, 12)
            union all
            select kept_questions
            from operating_points
            """,
            [value],
        ).fetchall()
        assert points == [(len(kept),)] * 3


@pytest.mark.parametrize("name", catalog.views())
def test_every_comparison_with_a_threshold_rounds(name: str) -> None:
    select = re.sub(r"--.*", "", catalog.find(name).select)
    compared = COMPARED.findall(select)
    assert len(compared) == len(RULE.findall(select))
