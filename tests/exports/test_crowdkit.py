from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from needs import needs
from realdb.errors import DataError, QueryError
from realdb.store.store import Store
from refusals import refused

Export = Callable[..., Path]


def test_holds_every_vote_of_the_main_round(export: Export, synthetic_store: Store) -> None:
    with export("crowdkit", "votes.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    with synthetic_store.connect() as con:
        votes = con.execute(
            "select image_id, label, rater_id, answer from votes where round = 'main' order by all"
        ).fetchall()
    assert [tuple(row.values()) for row in found] == [
        (f"{image}/{label}", str(rater), answer) for image, label, rater, answer in votes
    ]


def test_crowdkit_aggregates_it(export: Export, synthetic_store: Store) -> None:
    pd, crowdkit = needs("pandas"), needs("crowdkit.aggregation")
    frame = pd.read_csv(export("crowdkit", "votes.csv"))
    assert list(frame.columns) == ["task", "worker", "label"]
    with warnings.catch_warnings():
        # crowd-kit 1.4 calls DataFrame.eval in a form that pandas 3.1 will remove.
        warnings.filterwarnings("ignore", "The inplace keyword in DataFrame.eval")
        majority = crowdkit.MajorityVote().fit_predict(frame)
    with synthetic_store.connect() as con:
        votes = con.execute(
            "select image_id, label, answer from votes where round = 'main'"
        ).fetchall()
    said: dict[str, Counter[str]] = {}
    for image, label, answer in votes:
        said.setdefault(f"{image}/{label}", Counter())[answer] += 1
    assert set(majority.index) == set(said)
    for task, answer in majority.items():
        assert said[task][answer] == max(said[task].values())


def test_only_the_selected_images(export: Export) -> None:
    path = export("rated", "some.csv", format="crowdkit", where="image_id % 2 = 0")
    with path.open(encoding="utf-8", newline="") as file:
        tasks = {row["task"] for row in csv.DictReader(file)}
    assert tasks
    assert all(int(task.split("/")[0]) % 2 == 0 for task in tasks)


@pytest.mark.parametrize("name", ["crowdkit", "cleanlab"])
def test_no_votes_are_refused(export: Export, bare_store: Store, name: str) -> None:
    with refused(QueryError, "raters.npz", value="votes"):
        export(name, "votes", store=bare_store)
    with refused(DataError, file="raters.npz", count=0, parameter="where"):
        export("unrated", "votes", format=name)


def test_real_data(export: Export, real_store: Store) -> None:
    with export("crowdkit", "votes.csv", store=real_store).open("rb") as file:
        assert sum(1 for _ in file) == 924_810 + 1
