"""Columns of classes beside each other: the prediction, the ground truth, running numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from connections import empty_connection
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import number
from realdb.errors import DataError
from realdb.ingest import columns, roles
from realdb.ingest.options import Facts, ReadOptions, Truth

ROWS = 600
RANDOM = np.random.default_rng(5)
ORIGINAL = RANDOM.integers(0, 1000, 50_001).astype(np.int16)
ORIGINAL[0] = -1
TRUTH = Truth(ORIGINAL, np.ones(50_001, np.bool_))
IMAGES = RANDOM.permutation(np.arange(1, 50_001))[:ROWS]
ACTUAL = ORIGINAL[IMAGES].astype(int)
WORDS = {f"word {label}": label for label in range(1000)} | {"crane": -1}


def wrong(part: float, seed: int) -> Any:
    """Return predictions of which a part is wrong."""
    random = np.random.default_rng(seed)
    return np.where(random.random(ROWS) < part, random.integers(0, 1000, ROWS), ACTUAL)


PREDICTED, OTHER = wrong(0.3, 1), wrong(0.4, 2)
NAMES = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in IMAGES]
INDEX = np.arange(ROWS)
SCORES = RANDOM.random(ROWS)
BATCH, CORRECT, WIDTH = (
    INDEX // 8,
    (PREDICTED == ACTUAL).astype(int),
    RANDOM.integers(90, 900, ROWS),
)


def options(*, truth: Truth | None = TRUTH, **given: Any) -> ReadOptions:
    return ReadOptions(truth=lambda: truth, words=lambda: WORDS, **given)


def take(table: dict[str, Any], rows: int = ROWS, **given: Any) -> list[tuple[Any, ...]]:
    """Return image and label of the first choices."""
    held = pa.table({name: [str(cell) for cell in cells[:rows]] for name, cells in table.items()})
    with empty_connection() as con:
        found = columns.select(con, con.from_arrow(held), "mine.csv", options(**given))
        return found.project("image, label").fetchall()


def refuse(table: dict[str, Any], rows: int = ROWS, **given: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        take(table, rows, **given)
    return caught.value


def expected(labels: Any, rows: int = ROWS) -> list[tuple[str, str]]:
    return [(name, str(label)) for name, label in zip(NAMES[:rows], labels[:rows], strict=True)]


@pytest.mark.parametrize("name", ["predict", "output", "top1", "mine"])
@pytest.mark.parametrize("truth", ["label", "class"])
def test_the_ground_truth_is_never_recommended(name: str, truth: str) -> None:
    error = refuse({"filename": NAMES, truth: ACTUAL, name: PREDICTED})
    assert (error.parameter, error.column, error.value, error.count) == (
        "columns",
        "label",
        name,
        2,
    )
    assert f'{{"label": "{name}"}}' in str(error)
    assert f'{{"label": "{truth}"}}' not in str(error)
    assert f"{ROWS} of {ROWS}" in str(error)


@pytest.mark.parametrize("name", ["target", "GT", "y_true", "ground truth", "mine"])
def test_the_ground_truth_beside_the_label(name: str) -> None:
    assert take({"file": NAMES, name: ACTUAL, "label": PREDICTED}) == expected(PREDICTED)


@pytest.mark.parametrize(
    "other",
    [{"batch": BATCH}, {"epoch": INDEX * 0}, {"correct": CORRECT}, {"width": WIDTH}, {"n": INDEX}],
)
def test_numbers_at_chance_are_ignored(other: dict[str, Any]) -> None:
    assert take({**other, "file": NAMES, "label": PREDICTED}) == expected(PREDICTED)
    assert take({**other, "file": NAMES, "mine": PREDICTED}) == expected(PREDICTED)


@pytest.mark.parametrize("name", ["second", "pred"])
def test_two_predictions(name: str) -> None:
    error = refuse({"file": NAMES, "label": PREDICTED, name: OTHER})
    assert (error.parameter, error.column, error.count) == ("columns", "label", 2)


def test_a_choice_resolves_two_predictions() -> None:
    table = {"file": NAMES, "label": ACTUAL, "predict": PREDICTED}
    assert take(table, columns={"label": "predict"}) == expected(PREDICTED)
    assert take(table, columns={"label": "label"}) == expected(ACTUAL)


def test_one_class_in_two_spellings() -> None:
    words = [f"word {label}" for label in PREDICTED]
    for ids, names in (("class_ids", "label_names"), ("index", "label"), ("index", "mine")):
        table = {names: words, "file_name": NAMES, ids: PREDICTED}
        assert take(table) == expected(PREDICTED)
    assert take({"file_name": NAMES, "label": PREDICTED, "pred": PREDICTED}) == expected(PREDICTED)


@pytest.mark.parametrize("truth", [TRUTH, None])
def test_undecidable_columns_are_refused(truth: Truth | None) -> None:
    """With few images or without original labels the columns are refused with the choices."""
    rows = 5 if truth else ROWS
    table = {"file": NAMES, "label": ACTUAL, "mine_pred": PREDICTED}
    error = refuse(table, rows, truth=truth)
    assert (error.column, error.value, error.count) == ("label", "mine_pred", 2)
    one = {"file": NAMES, "label": PREDICTED, "epoch": INDEX * 0 + 7}
    assert take(one, rows, truth=truth) == expected(PREDICTED, rows)
    alike = {"file": NAMES, "label": PREDICTED, "mine": ACTUAL}
    assert refuse(alike, ROWS, truth=None).count == 2


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", ["index", "class", "label", "", "id"])
def test_a_running_number_is_not_the_label(name: str, start: int) -> None:
    table = {name or "unnamed": INDEX + start, "file_name": NAMES, "cls": PREDICTED}
    assert take(table) == expected(PREDICTED)
    assert take(table, 30) == expected(PREDICTED, 30)


@pytest.mark.parametrize("start", [0, 1])
def test_a_running_number_is_not_the_image(start: int) -> None:
    error = refuse({"index": INDEX + start, "prediction": PREDICTED})
    assert (error.column, error.value, error.count) == ("image", "index", ROWS)
    assert f"from {start}" in str(error)
    assert "'prediction'" in str(error)


def test_the_order_of_rows_without_names() -> None:
    in_order = np.arange(50_000)
    for order, original in (("file-name", ORIGINAL[1:]), ("class-folder", np.sort(ORIGINAL[1:]))):
        labels = np.where(in_order % 3 == 0, in_order % 1000, original)
        error = refuse({"index": in_order, "prediction": labels}, 50_000)
        assert (error.parameter, error.column, error.count) == ("order", "image", 50_000)
        assert f'`order="{order}"`' in str(error)
        other = {"file-name": "class-folder", "class-folder": "file-name"}[order]
        assert other not in str(error)


def test_columns_by_their_contents() -> None:
    """Without a known name, the column that agrees with the original labels is the label."""
    table = {"a": SCORES, "b": PREDICTED, "c": NAMES, "d": CORRECT}
    assert take(table) == expected(PREDICTED)
    assert take({"c": NAMES, "b": [f"word {label}" for label in PREDICTED]})
    error = refuse({"c": NAMES, "a": SCORES, "d": CORRECT})
    assert (error.column, error.parameter) == ("label", "columns")
    assert refuse({"c": NAMES, "b": ACTUAL}).column == "label"
    assert refuse({"c": NAMES, "b": PREDICTED}, truth=None).column == "label"


@pytest.mark.parametrize("truth", [TRUTH, None])
def test_without_a_header(truth: Truth | None) -> None:
    facts = Facts(has_header=False)
    table = {"column_1": NAMES, "column_2": PREDICTED, "column_3": SCORES}
    assert take(table, truth=truth, facts=facts) == expected(PREDICTED)
    five = {f"column_{2 + k}": (PREDICTED + k) % 1000 for k in range(5)}
    error = refuse({"column_1": NAMES} | five, truth=truth, facts=facts)
    assert (error.column, error.count) == ("label", 5)


def test_image_names_are_preferred_to_numbers() -> None:
    table = {"image_id": INDEX + 1, "path": [f"/val/{name}" for name in NAMES], "label": PREDICTED}
    assert [image for image, _ in take(table)] == table["path"]
    same = {"image_id": IMAGES, "path": NAMES, "name": ["cat"] * ROWS, "label": PREDICTED}
    assert take(same) == expected(PREDICTED)
    error = refuse({"image": NAMES, "path": NAMES[::-1], "label": PREDICTED})
    assert (error.column, error.count) == ("image", 2)


def test_a_header_that_is_data() -> None:
    error = refuse({NAMES[0]: NAMES[1:], "394": PREDICTED[1:]}, ROWS - 1)
    assert (error.column, error.value) == ("image", NAMES[0])


LABELS = [*roles.NAMES["label"], "mine"]
OTHERS = {
    "epoch": INDEX * 0 + 3,
    "batch": BATCH,
    "correct": CORRECT,
    "target": ACTUAL,
    "note": ["x"] * ROWS,
    "class": ACTUAL,
    "other": OTHER,
    "index": INDEX,
}


@settings(max_examples=number(15, 500, more=40))
@given(
    image=st.sampled_from([*roles.NAMES["image"], "theirs"]),
    label=st.sampled_from(LABELS),
    others=st.sets(st.sampled_from(sorted(OTHERS))),
    write=st.sampled_from([str.upper, str.title, lambda name: name.replace("_", "-")]),
    data=st.data(),
)
def test_any_names_are_read_correctly_or_refused(
    image: str, label: str, others: set[str], write: Any, data: st.DataObject
) -> None:
    table = {image: NAMES, write(label): PREDICTED}
    known = {roles.normal(image), roles.normal(label)}
    table |= {name: OTHERS[name] for name in others if roles.normal(name) not in known}
    names = data.draw(st.permutations(list(table)))
    try:
        found = take({name: table[name] for name in names})
    except DataError as error:
        assert (error.column, error.parameter) == ("label", "columns")
        assert error.count
        assert any(table[str(error.value)] is each for each in (PREDICTED, OTHER))
        assert any(each is ACTUAL or each is OTHER for each in table.values())
    else:
        assert found == expected(PREDICTED)
