from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import realdb
from realdb import cli
from realdb.errors import QueryError, UsageError
from realdb.stats.agreement import COEFFICIENTS
from realdb.store.store import Store
from refusals import refused

VIEWS = {None: "agreement", "animal": "agreement", "class": "agreement_by_class"}


def rows_of(store: Store, **options: Any) -> list[dict[str, Any]]:
    found = realdb.agreement(store=store.root, **options)
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize("by", VIEWS)
def test_rows_match_the_views_and_have_intervals(synthetic_store: Store, by: str | None) -> None:
    found = rows_of(synthetic_store, by=by, bootstrap=200)
    order = "label" if by == "class" else "is_animal desc"
    view = realdb.query(f"from {VIEWS[by]} order by {order}", store=synthetic_store.root)
    expected = [dict(zip(view.columns, row, strict=True)) for row in view.fetchall()]
    if by != "class":
        expected = [row for row in expected if (row["is_animal"] is None) == (by is None)]
    assert len(found) == len(expected) > 0
    ends = [f"{name}_{end}" for name in COEFFICIENTS for end in ("low", "high")]
    assert set(found[0]) == {*expected[0], *ends}
    for row, one in zip(found, expected, strict=True):
        assert {name: row[name] for name in one} == one
    for row in found if by != "class" else ():
        assert all(row[f"{name}_low"] < row[name] < row[f"{name}_high"] for name in COEFFICIENTS)


def test_each_figure_is_next_to_its_interval(synthetic_store: Store) -> None:
    (row,) = rows_of(synthetic_store, bootstrap=2)
    columns = list(row)
    assert columns[:5] == ["is_animal", "images", "questions", "votes", "observed_agreement"]
    place = columns.index("ordinal_alpha")
    assert columns[place + 1 : place + 3] == ["ordinal_alpha_low", "ordinal_alpha_high"]


def test_the_intervals_of_a_class_with_one_image_are_empty(synthetic_store: Store) -> None:
    found = rows_of(synthetic_store, by="class", bootstrap=50)
    alone = [row for row in found if row["questions"] == 1]
    assert alone
    for row in alone:
        assert row["observed_agreement"] is not None
        assert all(row[f"{name}_low"] is None for name in COEFFICIENTS)
    assert any(row["ordinal_alpha_low"] is not None for row in found)
    assert all(
        row[f"{name}_low"] is None is row[f"{name}_high"]
        for row in found
        for name in COEFFICIENTS
        if row[name] is None
    )


def test_the_seed_determines_the_intervals(synthetic_store: Store) -> None:
    first = rows_of(synthetic_store, bootstrap=20, seed=1)
    assert rows_of(synthetic_store, bootstrap=20, seed=1) == first
    assert rows_of(synthetic_store, bootstrap=20, seed=2) != first


def test_the_level_sets_the_width(synthetic_store: Store) -> None:
    (wide,) = rows_of(synthetic_store, bootstrap=200, level=0.99)
    (narrow,) = rows_of(synthetic_store, bootstrap=200, level=0.5)
    for name in COEFFICIENTS:
        assert wide[f"{name}_low"] < narrow[f"{name}_low"]
        assert wide[f"{name}_high"] > narrow[f"{name}_high"]


def test_without_samples_there_are_no_intervals(synthetic_store: Store) -> None:
    (row,) = rows_of(synthetic_store, bootstrap=0)
    (sampled,) = rows_of(synthetic_store, bootstrap=2)
    assert list(row) == list(sampled)
    assert {name for name, value in row.items() if value is None} == {"is_animal"} | {
        f"{name}_{end}" for name in COEFFICIENTS for end in ("low", "high")
    }


def test_kappa_without_a_value_has_no_interval(
    change: Callable[..., None], ingest: Callable[..., Store]
) -> None:
    def without_one(tensor: Any) -> Any:
        votes = np.argwhere(tensor)
        tensor[tuple(votes[0])] = 0
        return tensor

    change("raters.npz", tensor=without_one)
    (row,) = rows_of(ingest(), bootstrap=20)
    assert row["fleiss_kappa"] is None
    assert row["fleiss_kappa_low"] is None
    assert row["nominal_alpha_low"] < row["nominal_alpha"] < row["nominal_alpha_high"]


def test_figures_of_the_real_data(real_store: Store) -> None:
    """This tests the intervals. tests/queries compares the figures with a library."""
    animals, objects = rows_of(real_store, by="animal", bootstrap=100)
    assert (animals["is_animal"], objects["is_animal"]) == (True, False)
    assert animals["ordinal_alpha"] == pytest.approx(0.371483, abs=1e-6)
    assert objects["ordinal_alpha"] == pytest.approx(0.575873, abs=1e-6)
    assert animals["ordinal_alpha_high"] < objects["ordinal_alpha_low"]
    assert 0.005 < animals["ordinal_alpha_high"] - animals["ordinal_alpha_low"] < 0.02


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("by", "label-count"),
        ("bootstrap", -1),
        ("bootstrap", 1),
        ("bootstrap", 10_001),
        ("seed", -1),
        ("level", 0),
        ("level", 95),
        ("level", float("nan")),
    ],
)
def test_invalid_arguments_are_refused(tmp_path: Path, parameter: str, value: object) -> None:
    with refused(UsageError, parameter=parameter, value=value):
        realdb.agreement(store=tmp_path, **{parameter: value})  # type: ignore[arg-type]


def test_a_store_without_votes_is_refused(bare_store: Store) -> None:
    with refused(QueryError, "votes", "raters.npz", value="agreement", count=1):
        realdb.agreement(store=bare_store.root)


def test_command_and_call_agree(synthetic_store: Store) -> None:
    root = str(synthetic_store.root)
    options = ["--by", "animal", "--bootstrap", "20", "--seed", "3", "--level", "0.9"]
    done = CliRunner().invoke(cli.app, ["agreement", *options, "--store", root, "--format", "csv"])
    assert done.exit_code == 0
    printed = list(csv.DictReader(io.StringIO(done.stdout)))
    expected = rows_of(synthetic_store, by="animal", bootstrap=20, seed=3, level=0.9)
    # True is printed as DuckDB writes it.
    assert printed == [
        {
            name: str(value).lower() if value in (True, False) else str(value)
            for name, value in row.items()
        }
        for row in expected
    ]
