"""Names of classes in the lists that are in use, beside the names of some real classes."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realdb.errors import DataError
from realdb.ingest import predictions

NAMES = {
    4: "hammerhead, hammerhead shark",
    86: "partridge",
    82: "ruffed grouse, partridge, Bonasa umbellus",
    134: "crane",
    264: "Cardigan, Cardigan Welsh corgi",
    435: "bathtub, bathing tub, bath, tub",
    474: "cardigan",
    517: "crane",
    638: "maillot",
    639: "maillot, tank suit",
    836: "sunglass",
    837: "sunglasses, dark glasses, shades",
    876: "tub, vat",
}
TORCHVISION = {label: name.split(", ")[0] for label, name in NAMES.items()} | {
    134: "crane bird",
    639: "maillot tank suit",
}
KERAS = {label: name.split(", ")[0].replace(" ", "_") for label, name in NAMES.items()}


@pytest.fixture
def con(predictions_table: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a connection that has the classes of NAMES too."""
    predictions_table.execute(
        "create table classes (label smallint, wordnet_id varchar, name varchar, "
        "description varchar)"
    )
    predictions_table.executemany(
        "insert into classes values ($1, $2, $3, 'x')",
        [(label, f"n{label:08}", name) for label, name in NAMES.items()],
    )
    return predictions_table


def taken(con: duckdb.DuckDBPyConnection, words: list[str]) -> list[int]:
    predictions.add(con, pa.table({"image": range(1, len(words) + 1), "label": words}))
    found = con.execute("select label from predictions order by image_id").fetchall()
    return [label for (label,) in found]


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (list(TORCHVISION.values()), list(TORCHVISION)),
        (["crane", "crane bird"], [517, 134]),
        (["crane", "maillot tank suit"], [517, 639]),
        (["maillot", "tub", "crane bird"], [638, 876, 134]),
        (["hammerhead shark", "bathing tub"], [4, 435]),
        (["HAMMERHEAD", "ruffed_grouse", "Tank Suit"], [4, 82, 639]),
        (["Cardigan", "cardigan"], [264, 474]),
        (["crane_bird", "vat"], [134, 876]),
    ],
)
def test_names(words: list[str], labels: list[int], con: duckdb.DuckDBPyConnection) -> None:
    assert taken(con, words) == labels


@pytest.mark.usefixtures("con")
@pytest.mark.parametrize(
    ("words", "row", "meant"),
    [
        (["crane"], 1, (134, 517)),
        (["hammerhead", "maillot"], 2, (638, 639)),
        (["hammerhead shark", "crane"], 2, (134, 517)),
        (["hammerhead shark", "sunglasses"], 2, (836, 837)),
        (["bathing tub", "tub"], 2, (435, 876)),
        (["bathing tub", "partridge"], 2, (82, 86)),
        (["bathing tub", "cardigan"], 2, (264, 474)),
    ],
)
def test_a_name_of_two_classes(
    words: list[str],
    row: int,
    meant: tuple[int, int],
    refuse: Callable[..., DataError],
) -> None:
    error = refuse(pa.table({"image": range(1, len(words) + 1), "label": words}))
    assert (error.row, error.column, error.value, error.count) == (row, "label", words[-1], 1)
    assert all(f"{label} (n" in str(error) for label in meant)


@pytest.mark.usefixtures("con")
def test_a_name_of_no_list(refuse: Callable[..., DataError]) -> None:
    error = refuse(pa.table({"image": [1, 2], "label": ["hammerhead shark", "construction crane"]}))
    assert (error.row, error.column, error.count) == (2, "label", 1)
    assert error.value == "construction crane"
    assert "CLIP" in str(error.remedy)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from(sorted(NAMES)), min_size=1),
    st.sampled_from([NAMES, TORCHVISION, KERAS]),
    st.sampled_from([str, str.upper, str.lower, str.title]),
)
def test_right_or_refused(
    con: duckdb.DuckDBPyConnection,
    labels: list[int],
    spelling: dict[int, str],
    case: Callable[[str], str],
) -> None:
    con.execute("delete from predictions")
    words = [case(spelling[label]) for label in labels]
    try:
        found = taken(con, words)
    except DataError as error:
        assert error.column == "label"
        return
    # 'Cardigan' is the exact name of 264: a file of nothing but exact names means these.
    assert found == labels or (case is not str and set(words) <= set(TORCHVISION.values()))
