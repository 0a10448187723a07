"""realdb.query with predictions in memory; with files it is in test_api.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import realdb
from needs import needs
from realdb.errors import DataError, QueryError, UsageError
from realdb.queries import catalog
from realdb.store.store import Store
from refusals import refused


@pytest.fixture(autouse=True)
def _synthetic_is_the_store(synthetic_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALDB_HOME", str(synthetic_store.root))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.csv"
    path.write_text("image,label\n1,2\n2,3\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("library", [None, "pandas", "polars"])
def test_each_model_is_a_table(path: Path, library: str | None) -> None:
    columns = {"image": [1, 2], "label": [2, 3]}
    given: dict[str, object] = {
        "a path": path,
        "text": str(path),
        "arrow": pa.table(columns),
        "dict": {"ILSVRC2012_val_00000001.JPEG": 2, "ILSVRC2012_val_00000002.JPEG": 3},
    }
    if library:
        given[library] = needs(library).DataFrame(columns)
    tables = " union all ".join(f"""select '{name}', * from "{name}\"""" for name in given)
    rows = realdb.query(f"select * exclude (rank, confidence) from ({tables})", predictions=given)
    assert sorted(rows.fetchall()) == [
        (name, name, image, label) for name in sorted(given) for image, label in ((1, 2), (2, 3))
    ]
    found = realdb.query("select model, predicted_images from accuracy", predictions=given)
    assert sorted(found.fetchall()) == [(name, 2) for name in sorted(given)]


def test_arrays_give_the_same_figures_as_accuracy() -> None:
    first = np.array([one[0] if len(one) else 0 for one in realdb.real_labels()])
    labels = (first[:, None] + [0, 1, 2, 3, 4]) % 1000
    labels[::3] = labels[::3, ::-1]
    rows = realdb.query("from accuracy", predictions={"array": labels})
    expected = realdb.accuracy(labels, model="array")
    assert rows.fetchall() == [tuple(getattr(expected, name) for name in rows.columns)]
    assert rows.to_arrow_table().num_rows == 1


@pytest.mark.parametrize(("library", "method"), [("pandas", "df"), ("polars", "pl")])
def test_rows_as_a_frame(library: str, method: str, path: Path) -> None:
    frame = needs(library).DataFrame
    rows = realdb.query("select image_id, label from file order by all", path)
    found = getattr(rows, method)()
    assert isinstance(found, frame)
    assert [found[name].to_list() for name in found.columns] == [[1, 2], [2, 3]]


def test_every_view_can_be_queried(path: Path) -> None:
    names = [name for name, view in catalog.views().items() if not view.about.parameters]
    found = {}
    # The plan of one query for all of them takes longer.
    for few in (names[at : at + 20] for at in range(0, len(names), 20)):
        counts = ", ".join(f"(select count(*) from {name}) as {name}" for name in few)
        rows = realdb.query(f"select {counts}", predictions={"mine": path})
        found |= dict(zip(few, rows.fetchall()[0], strict=True))
    assert found["accuracy"] == 1
    assert found["scored_predictions"] == 2
    assert found["image_labels"] == 50_000


@pytest.mark.parametrize("wrap", [lambda path: path, lambda path: [str(path)], lambda p: (p,)])
def test_paths_are_files(wrap: Any, path: Path) -> None:
    assert realdb.query("select count(*) from file", predictions=wrap(path)).fetchall() == [(2,)]


def test_files_and_predictions_together(path: Path) -> None:
    given = {"mine": {"00000007": 1}}
    rows = realdb.query(
        "select model, count(*) from predictions group by all", path, predictions=given
    )
    assert sorted(rows.fetchall()) == [("file", 2), ("mine", 1)]
    with refused(DataError, value="FILE"):
        realdb.query("from file", path, predictions={"FILE": {"00000007": 1}})


def test_a_frame_of_several_models() -> None:
    frame = pa.table({"model": ["x", "y"], "image": [1, 1], "label": [2, 3]})
    rows = realdb.query("select model, label from two order by all", predictions={"two": frame})
    assert rows.fetchall() == [("x", 2), ("y", 3)]


@pytest.mark.parametrize(
    ("predictions", "value"),
    [
        (np.zeros(50_000, int), "ndarray"),
        (pa.table({"image": [1]}), "Table"),
        ({"ILSVRC2012_val_00000001.JPEG": 2}, "ILSVRC2012_val_00000001.JPEG"),
        ({1: pa.table({"image": [1]})}, "1"),
        ({"": pa.table({"image": [1]})}, ""),
        ([np.zeros(3)], "list"),
    ],
)
def test_predictions_without_a_name_are_refused(predictions: Any, value: str) -> None:
    with refused(UsageError, "{'vit': array}", parameter="predictions", value=value):
        realdb.query("select 1", predictions=predictions)


def test_a_table_name_of_realdb_is_refused() -> None:
    with refused(DataError, "predictions['Labels']", value="Labels"):
        realdb.query("select 1", predictions={"Labels": {"00000001": 2}})


def test_a_folder_cannot_have_one_name(path: Path) -> None:
    (path.parent / "other.csv").write_text("image,label\n1,2\n", encoding="utf-8")
    with refused(UsageError, parameter="predictions", value="mine"):
        realdb.query("select 1", predictions={"mine": path.parent})
    files = realdb.query("select count(*) from predictions", predictions=path.parent)
    assert files.fetchall() == [(3,)]


def test_a_view_without_its_parameters_names_them(synthetic_store: Store) -> None:
    with refused(QueryError, "from labels_at(threshold)", value="labels_at"):
        realdb.query("from labels_at", store=synthetic_store.root)


@pytest.mark.parametrize(
    ("view", "value", "count"),
    [
        ("rated", "rated", 1),
        ("recomputed_labels_if()", "recomputed_labels", 5),
        ("recomputed_labels", "recomputed_labels", 5),
    ],
)
def test_a_view_without_its_votes_names_the_source(
    view: str, value: str, count: int, bare_store: Store
) -> None:
    with refused(QueryError, "scores.npz", value=value, count=count):
        realdb.query(f"from {view}", store=bare_store.root)


# Only the views that a query names are created.


def test_listings_have_all_views(synthetic_store: Store) -> None:
    """In one query, as each needs all views; tests/queries/test_statements.py has them alone."""
    listings = """
        select view_name from duckdb_views() where not internal
        intersect select table_name from information_schema.tables
        intersect select name from (show all tables)
    """
    found = {name for (name,) in realdb.query(listings, store=synthetic_store.root).fetchall()}
    plain = {name for name, view in catalog.views().items() if not view.about.parameters}
    assert plain <= found


@pytest.fixture(scope="module")
def everything(synthetic_store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection with all views."""
    with realdb.connect(store=synthetic_store.root) as con:
        yield con


@pytest.mark.parametrize(
    "query",
    [
        "from LABELS_AT(0.5)",
        "from recomputed_labels_if(golden_majority := 4)",
        "from (select * from Accuracy) union all from accuracy",
        'select (select count(*) from rated_questions), count(*) from "image_labels"',
    ],
)
def test_views_are_found_with_any_quoting(
    query: str, synthetic_store: Store, everything: duckdb.DuckDBPyConnection
) -> None:
    expected = everything.sql(query).fetchall()
    assert sorted(realdb.query(query, store=synthetic_store.root).fetchall()) == sorted(expected)


def test_the_nearest_view_is_suggested(synthetic_store: Store) -> None:
    with refused(QueryError, '"rater_quality"'):
        realdb.query("from rater_qualty", store=synthetic_store.root)
