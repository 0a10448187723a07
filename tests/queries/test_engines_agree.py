"""Every view on another engine, row by row against DuckDB.

The engine is Sail, a server of Spark Connect that starts in a second, and with the mark `spark`
Apache Spark itself, which needs Java. A new view is tested without a change here; new parameters
need a value in ARGUMENTS.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pytest
import real_files

import campaigns
from realdb.api import spark as engines
from realdb.ingest import predictions
from realdb.queries import catalog, dialects
from realdb.schema import quoting
from realdb.schema.tables import TABLES, create_table
from realdb.stats import paired
from realdb.store.store import Store

VIEWS = list(catalog.views())
UNDER_RULES = [name for name in VIEWS if catalog.is_under_rules(name)]
OTHER_RULES: dict[str, object] = {
    "golden_majority": 2,
    "original_majority": 3,
    "smoothing": 0.5,
    "original_label_for": "all",
    "maybe_as": "yes",
    "left_out_raters": [102, 115],
    "threshold": 0.5,
}
ARGUMENTS = {
    **OTHER_RULES,
    "empty": "wrong",
    "label_sets": ["real", "original", "first", "second"],
    "votes": 2,
    "judges": 2,
    "needs_labels": False,
    "unclear": "right",
    "problematic": "skip",
    "grouping": "kind",
    "k": 2,
    "first_set": "first",
    "second_set": "second",
}
# Of two doubles that the same numbers give in another order of summing up.
DIGITS = 9
# Spark is asked of few rows alone: what takes it time is to begin. Without rows it is Sail that
# answers, and both in the whole campaign: the SQL is the same.
# The synthetic data have no case that the real ones do not have.
WHOLE = "real" if real_files.are_there() else "synthetic"
PAIRS = [
    *(("sail", data) for data in (WHOLE, "ties", "nothing")),
    *(
        pytest.param(("spark", data), marks=pytest.mark.spark)
        for data in (("ties", "nothing") if campaigns.IS_WHOLE else ("ties",))
    ),
]


class Pair(NamedTuple):
    """The same tables in DuckDB and on an engine, with all views."""

    con: duckdb.DuckDBPyConnection
    engine: engines.SparkSession


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    name, data = request.param
    engine: engines.SparkSession = request.getfixturevalue(name)
    if data in ("real", "synthetic"):
        opened: Store = request.getfixturevalue(f"{data}_store")
        files: Path = request.getfixturevalue("real_data" if data == "real" else "synthetic")
        con, tables = opened.connect(), opened.names
        for path in sorted((files / "predictions").glob("*.csv")):
            predictions.add(con, path)
    else:
        con, tables = duckdb.connect(), list(TABLES)
        for table in TABLES:
            create_table(con, table)
        if data == "ties":
            fill(con)
    catalog.install(con, tables)
    paired.show_tests(con)
    for table in tables:
        engine.put(table, con.table(table).to_arrow_table())
    for view in catalog.in_order(VIEWS, tables):
        if not view.about.parameters:
            engine.put_view(view.name, view.select)
    with con:
        yield Pair(con, engine)


@pytest.mark.parametrize("name", VIEWS)
def test_view(pair: Pair, name: str) -> None:
    view = catalog.find(name)
    bound = {parameter: ARGUMENTS[parameter] for parameter in view.about.parameters}
    expected = pair.con.sql(view.select, params=bound or None)
    found = pair.engine.query(view.select, bound) if bound else pair.engine.table(name)
    assert_same(found, expected, view)


@pytest.mark.cases(9)
@pytest.mark.parametrize("name", UNDER_RULES)
def test_view_under_other_rules(pair: Pair, name: str) -> None:
    view, select = catalog.find(name), catalog.select_if(name)
    expected = pair.con.sql(select, params=OTHER_RULES)
    assert_same(pair.engine.query(select, OTHER_RULES), expected, view)


def test_null_rules_keep_the_published_value(pair: Pair) -> None:
    select = catalog.select_if("recomputed_labels")
    rules = dict.fromkeys(OTHER_RULES) | {"threshold": 0.9}
    expected = pair.con.sql(select, params=rules)
    assert_same(pair.engine.query(select, rules), expected, catalog.find("recomputed_labels"))


def test_prediction_faults(pair: Pair) -> None:
    select = dialects.prediction_faults()
    found = sorted(pair.engine.query(select).fetchall())
    assert found == sorted(pair.con.sql(select).fetchall())
    assert not any(any(row[1:4]) for row in found)


def assert_same(
    found: duckdb.DuckDBPyRelation, expected: duckdb.DuckDBPyRelation, view: catalog.View
) -> None:
    """Compare rows whatever their order: doubles to nine digits, all else exactly."""
    assert found.columns == expected.columns
    assert [kind(each) for each in found.types] == [kind(each) for each in expected.types]
    both = (in_order(found, view.about.key), in_order(expected, view.about.key))
    for mine, theirs in zip(*both, strict=True):
        assert mine == theirs or all(map(is_same, mine, theirs)), (mine, theirs)


def in_order(rows: duckdb.DuckDBPyRelation, key: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the rows by their key; DuckDB sorts them, which takes Python long."""
    kinds = dict(zip(rows.columns, map(str, rows.types), strict=True))
    by = [
        f"round({quoting.identifier(column)}, {DIGITS})"
        if kinds[column] == "DOUBLE"
        else quoting.identifier(column)
        for column in key
    ]
    return (rows.order(", ".join(by)) if by else rows).fetchall()


def is_same(mine: object, theirs: object) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return math.isclose(mine, theirs, rel_tol=10**-DIGITS, abs_tol=1e-12)
    if isinstance(mine, datetime) and isinstance(theirs, datetime):
        return in_utc(mine) == in_utc(theirs)
    return mine == theirs


def in_utc(time: datetime) -> datetime:
    """Return a time in UTC. A time without a zone is one."""
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def kind(of: object) -> str:
    """Return what a type holds: engines differ in the width of integers, and add time zones."""
    if str(of) in ("SMALLINT", "INTEGER", "BIGINT", "HUGEINT"):
        return "a whole number"
    return str(of).removesuffix(" WITH TIME ZONE")


def fill(con: duckdb.DuckDBPyConnection) -> None:
    """Put a few rows into every table that views read: many NULLs, many ties.

    The labels lie on both sides of the border between animals and objects; raters may have
    answered anything; scores and confidences have few values; two models are the same.
    """
    rng = np.random.default_rng(0)
    labels = [3, 4, 5, 397, 398, 399, 700]
    images = range(1, 61)
    original = {image: None if rng.random() < 0.2 else int(rng.choice(labels)) for image in images}
    rated = {image: None if rng.random() < 0.1 else bool(rng.random() < 0.7) for image in images}
    asked = {
        image: [int(label) for label in rng.choice(labels, rng.integers(1, 6), replace=False)]
        for image in images
        if rated[image] is not False
    }
    rows: dict[str, list[tuple[object, ...]]] = {
        "images": [
            (image, f"ILSVRC2012_val_{image:08d}.JPEG", original[image], rated[image])
            for image in images
        ],
        "labels": [
            (image, int(label), position)
            for image in images
            for position, label in enumerate(rng.choice(labels, rng.integers(0, 4), replace=False))
        ],
        "classes": [
            (label, f"n{label:08d}", f"name {label}", None, label < 398) for label in labels[1:]
        ],
        "raters": [(100 + n, n, n >= 8, None, None) for n in range(11)],
    }
    questions = [(image, label) for image in asked for label in asked[image]]
    golden = [question for question in questions if rng.random() < 0.3]
    rows["questions"] = [
        (*question, place, golden.index(question) if question in golden else None)
        for place, question in enumerate(questions)
    ]
    answers = ["no", "maybe", "yes"]
    rows["votes"] = [
        (when, *question, 100 + int(rater), str(rng.choice(among)))
        for when, about, raters, among, number in (
            ("main", questions, range(8), answers, 5),
            ("golden", golden, range(7), answers, 7),
            ("expert", golden, range(8, 11), answers[::2], 3),
        )
        for question in about
        if when != "main" or rng.random() < 0.9
        for rater in rng.choice(raters, int(rng.integers(1, number + 1)), replace=False)
    ]
    rows["scores"] = [
        (*question, float(rng.choice([0, 0.25, 0.5, 0.8, 1])))
        for question in questions
        if rng.random() < 0.9
    ]
    said = [
        (image, rank, int(label), None if rng.random() < 0.3 else float(rng.choice([0.5, 1])))
        for image in images
        for rank, label in enumerate(rng.choice(labels, int(rng.choice([1, 4, 5, 6])), False), 1)
        if rng.random() < 0.9 or rank > 1
    ]
    rows["stored_label_sets"] = [
        (name, None, None, None, "a file", None, 50, datetime(2026, 1, 1))
        for name in ("first", "second")
    ]
    rows["stored_assessments"] = [
        (name, image, int(label), str(rng.choice(["correct", "unclear", "wrong"])), None)
        for name in ("first", "second")
        for image in images
        if rng.random() < 0.8
        for label in rng.choice(labels, rng.integers(1, 5), replace=False)
    ]
    rows["image_flags"] = [
        ("first", image, flag, value)
        for image in images
        for flag, value in (
            *(("problematic", None), ("annotated", None), ("prototype", None)),
            *(("category", "fine"), ("severity", "minor")),
        )
        if rng.random() < 0.3
    ]
    rows["class_groups"] = [
        ("kind", label, group)
        for label in labels
        for group in ("x", "y", "z")
        if rng.random() < 0.5
    ]
    rows["image_groups"] = [
        (grouping, image, group)
        for grouping in ("factor", "mine")
        for image in images
        for group in ("pose", "color")
        if rng.random() < 0.4
    ]
    without = set(images) - {image for image, *_ in rows["labels"]}
    first = [row for row in said if row[1] == 1]
    rows["predictions"] = [
        (model, *row)
        for model, those in {
            "a": said,
            "the same": said,
            "first choices": first,
            "five": [row for row in said if row[0] in {row[0] for row in said if row[1] == 5}],
            "nothing to score": [row for row in first if row[0] in without],
            "one image": first[:1],
        }.items()
        for row in those
    ]
    assert without
    for table, of in rows.items():
        con.executemany(f"insert into {table} values ({', '.join('?' * len(of[0]))})", of)
