"""The session that every call opens, and its rules."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import realdb
from realdb.api.doctor import repair
from realdb.api.rules import Rules
from realdb.api.session import Session
from realdb.errors import QueryError, UsageError
from realdb.queries import catalog
from realdb.schema.tables import COMPUTED
from realdb.store.store import Store

REPAIR_OPTIONS = ("model", "columns", "input_format", "order", "ranks")


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("threshold", 1.5),
        ("threshold", -0.1),
        ("threshold", float("nan")),
        ("empty", "none"),
        ("empty", "Skip"),
    ],
)
def test_invalid_rules_are_refused(rule: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        Rules(**{rule: value})  # type: ignore[arg-type]
    assert caught.value.parameter == rule
    assert caught.value.value == str(value)


def test_rules_do_not_change() -> None:
    assert Rules() == Rules(threshold=0.8, empty="skip", scores=None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Rules().empty = "wrong"  # type: ignore[misc]


def views_on(session: Session) -> set[str]:
    found = session.con.execute("select view_name from duckdb_views() where not internal")
    return {name for (name,) in found.fetchall()} - {*session.store.tables}


def test_only_the_views_that_are_needed_are_created(synthetic_store: Store) -> None:
    with Session(synthetic_store, views=["accuracy"]).prepare() as session:
        assert views_on(session) == {"accuracy", "scored_predictions", "scored_choices"}
    with Session(synthetic_store).prepare() as session:
        assert views_on(session) == set()
    with Session(synthetic_store, views=None, tables=None).prepare() as session:
        no_parameters = {
            name for name, view in catalog.views().items() if not view.about.parameters
        }
        assert views_on(session) == no_parameters | {*COMPUTED}


def test_a_store_is_the_path_of_its_folder(synthetic: Path, synthetic_store: Store) -> None:
    path = synthetic / "predictions" / "model_a.csv"
    by_path, by_store = (
        [
            realdb.accuracy(path, store=store),
            realdb.query("from rated order by image_id", store=store).fetchall(),
            realdb.verify(store=store),
            repair.command(path, **dict.fromkeys(REPAIR_OPTIONS), drop_repeats=False, store=store),
        ]
        for store in (synthetic_store.root, synthetic_store)
    )
    assert by_store == by_path


def test_a_view_without_its_tables_is_refused(bare_store: Store) -> None:
    with pytest.raises(QueryError) as caught:
        Session(bare_store, views=["rated_questions"])
    assert "votes" in str(caught.value)


def test_labels_follow_other_rules(synthetic_store: Store) -> None:
    published = Session(synthetic_store, tables=["labels"]).prepare()
    rules = Rules(threshold=0.3)
    others = Session(synthetic_store, tables=["labels"], rules=rules).prepare()
    query = realdb.query("from labels_at(0.3)", store=synthetic_store.root)
    assert others.view("labels").count("*").fetchall() == query.count("*").fetchall()
    assert (
        others.view("labels").count("*").fetchall()
        != published.view("labels").count("*").fetchall()
    )


def test_missing_original_labels_are_named(bare_store: Store) -> None:
    with pytest.raises(QueryError) as caught:
        Session(bare_store, rules=Rules(empty="original")).prepare()
    assert caught.value.parameter == "empty"
    assert "`original=FILE`" in str(caught.value)
