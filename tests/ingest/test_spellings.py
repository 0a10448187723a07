"""Class names in common lists, with the names of some real classes."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realdb.errors import DataError
from realdb.ingest import predictions, spellings
from realdb.schema.tables import create_table

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
# Of CLIP's names for these classes: 264 is another, 86, 435, 474 and 638 are those of torchvision.
CLIP = TORCHVISION | {
    4: "hammerhead shark",
    264: "Cardigan Welsh Corgi",
    517: "construction crane",
    638: "one-piece bathing suit",
    639: "tank suit swimsuit",
    836: "sunglasses",
    837: "sunglasses",
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


@pytest.fixture
def clip(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a connection that has CLIP's names too."""
    create_table(con, "class_names")
    con.executemany("insert into class_names values ('clip', $1, $2)", [*CLIP.items()])
    return con


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
def test_an_ambiguous_name_is_refused(
    words: list[str],
    row: int,
    meant: tuple[int, int],
    refuse: Callable[..., DataError],
) -> None:
    error = refuse(pa.table({"image": range(1, len(words) + 1), "label": words}))
    assert (error.row, error.column, error.value, error.count) == (row, "label", words[-1], 1)
    assert all(f"{label} (n" in str(error) for label in meant)


@pytest.mark.usefixtures("con")
def test_an_unknown_name_is_refused(refuse: Callable[..., DataError]) -> None:
    error = refuse(pa.table({"image": [1, 2], "label": ["hammerhead shark", "construction crane"]}))
    assert (error.row, error.column, error.count) == (2, "label", 1)
    assert error.value == "construction crane"
    assert "CLIP" in str(error.remedy)


CLIP_ALONE = {label: name for label, name in CLIP.items() if name != "sunglasses"}


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (list(CLIP_ALONE.values()), list(CLIP_ALONE)),
        (["partridge", "cardigan", "construction crane"], [86, 474, 517]),
        (["CONSTRUCTION CRANE", "one-piece_bathing_suit"], [517, 638]),
        (["bathing tub", "construction crane"], [435, 517]),
        # Names of torchvision alone decide for torchvision.
        (["sunglasses", "hammerhead"], [837, 4]),
        (["crane", "crane bird"], [517, 134]),
        (["sunglasses, dark glasses, shades"], [837]),
    ],
)
def test_names_of_clip(
    words: list[str], labels: list[int], clip: duckdb.DuckDBPyConnection
) -> None:
    assert taken(clip, words) == labels


@pytest.mark.usefixtures("clip")
@pytest.mark.parametrize(
    ("words", "row", "meant"),
    [
        (["sunglasses"], 1, (836, 837)),
        (["tub", "sunglasses"], 2, (836, 837)),
        (["construction crane", "sunglasses"], 2, (836, 837)),
        # In another case, or beside unknown names: all classes of that name.
        (["CONSTRUCTION CRANE", "partridge"], 2, (82, 86)),
        (["construction crane", "bathing tub", "cardigan"], 3, (264, 474)),
        (["construction crane", "hammerhead", "crane"], 3, (134, 517)),
    ],
)
def test_an_ambiguous_name_is_refused_with_the_clip_names(
    words: list[str],
    row: int,
    meant: tuple[int, int],
    refuse: Callable[..., DataError],
) -> None:
    error = refuse(pa.table({"image": range(1, len(words) + 1), "label": words}))
    assert (error.row, error.column, error.value, error.count) == (row, "label", words[-1], 1)
    assert all(f"{label} (n" in str(error) for label in meant)


def test_known_words(con: duckdb.DuckDBPyConnection) -> None:
    words = spellings.known_words(con)
    assert "construction crane" not in words
    assert words["sunglasses"] == 837


def test_known_words_of_clip(clip: duckdb.DuckDBPyConnection) -> None:
    words = spellings.known_words(clip)
    assert words["construction crane"] == 517
    assert words["sunglasses"] == -1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(sorted(NAMES)), min_size=1),
    st.sampled_from([NAMES, TORCHVISION, KERAS, CLIP]),
    st.sampled_from([str, str.upper, str.lower, str.title]),
)
def test_names_are_read_correctly_or_refused_with_the_clip_names(
    clip: duckdb.DuckDBPyConnection,
    labels: list[int],
    spelling: dict[int, str],
    case: Callable[[str], str],
) -> None:
    test_names_are_read_correctly_or_refused.hypothesis.inner_test(clip, labels, spelling, case)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(sorted(NAMES)), min_size=1),
    st.sampled_from([NAMES, TORCHVISION, KERAS]),
    st.sampled_from([str, str.upper, str.lower, str.title]),
)
def test_names_are_read_correctly_or_refused(
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
    # 'Cardigan' is the exact name of 264. A file with only exact names means these classes.
    assert found == labels or (case is not str and set(words) <= set(TORCHVISION.values()))
