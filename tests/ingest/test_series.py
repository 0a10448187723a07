"""A column for each rank, or for each class."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from connections import empty_connection
from hypothesis import given
from hypothesis import strategies as st

from realdb.errors import DataError
from realdb.ingest import columns
from realdb.ingest.options import ReadOptions

WORDNET_IDS = [f"n{number:08d}" for number in range(1_440_764, 1_441_764)]
WORDS = {text: label for label, text in enumerate(WORDNET_IDS)}
WORDS |= {f"the {label}" if label != 7 else "file": label for label in range(1000)} | {"crane": -1}
IMAGES = ["ILSVRC2012_val_00000007.JPEG", "ILSVRC2012_val_00000009.JPEG"]
LABELS = np.array([[394, 1, 2, 3, 4], [5, 6, 999, 8, 0]])
SCORES = np.array([[0.5, 0.3, 0.1, 0.05, 0.01], [0.6, 0.2, 0.1, 0.05, 0.02]])
RANKED = [
    (image, str(rank), str(label))
    for image, row in zip(IMAGES, LABELS, strict=True)
    for rank, label in enumerate(row, 1)
]


def take(table: dict[str, Any], **given: Any) -> list[tuple[Any, ...]]:
    with empty_connection() as con:
        # With its type, an array is made in a tenth of the time.
        texts = {name: pa.array(map(str, v), pa.string()) for name, v in table.items()}
        rows = con.from_arrow(pa.table(texts))
        found = columns.select(con, rows, "mine.csv", ReadOptions(words=lambda: WORDS, **given))
        found = found.project("image, cast(rank as varchar), cast(label as varchar), confidence")
        return found.fetchall()


def refuse(table: dict[str, Any], **given: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        take(table, **given)
    return caught.value


def ranked(pattern: str, values: Any, first: int) -> dict[str, Any]:
    return {pattern.format(rank + first): values[:, rank] for rank in range(5)}


SPELLINGS = [
    ("pred_{}", "prob_{}"),
    ("pred{}", "score{}"),
    ("top{}", "prob{}"),
    ("top_{}", "conf_{}"),
    ("Top-{}", "Score {}"),
    ("top{}_class", "top{}_prob"),
    ("top_{}_id", "top_{}_score"),
    ("label{}", "prob{}"),
    ("class_{}", "class_{}_prob"),
    ("prediction {}", "confidence {}"),
    ("index_{}", "logit_{}"),
    ("rank{}", "rank{}_conf"),
    ("pred_top{}", "prob_top{}"),
]


@given(
    spelling=st.sampled_from(SPELLINGS),
    first=st.sampled_from([0, 1]),
    has_scores=st.booleans(),
    data=st.data(),
)
def test_a_column_per_rank(
    spelling: tuple[str, str], first: int, has_scores: bool, data: st.DataObject
) -> None:
    table = {"file_name": IMAGES} | ranked(spelling[0], LABELS, first)
    table |= ranked(spelling[1], SCORES, first) if has_scores else {}
    names = data.draw(st.permutations(list(table)))
    found = take({name: table[name] for name in names})
    assert [row[:3] for row in found] == RANKED
    if has_scores:
        assert [float(row[3]) for row in found] == SCORES.ravel().tolist()


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("gap", [1, 2, 3])
def test_a_gap(first: int, gap: int) -> None:
    table = {"file_name": IMAGES} | ranked("pred_{}", LABELS, first)
    del table[f"pred_{first + gap}"]
    error = refuse(table)
    assert (error.column, error.value, error.count) == ("label", f"pred_{first + gap}", 1)


def test_other_columns_are_no_series() -> None:
    assert take({"file_name": IMAGES, "label": LABELS[:, 0], "prob_1": SCORES[:, 0]})
    summary = refuse({"model": ["a", "b"], "top1": [80.1, 70.2], "top5": [95, 90]})
    assert "summary" in str(summary)
    with_images = {"file_name": IMAGES, "top1": LABELS[:, 0], "top5": LABELS.tolist()}
    assert [row[2] for row in take(with_images)] == ["394", "5"]


def test_a_series_is_chosen_by_its_prefix() -> None:
    table = {"file_name": IMAGES} | ranked("mine_{}", LABELS, 1) | ranked("pred_{}", LABELS + 9, 1)
    assert [row[:3] for row in take(table, columns={"label": "mine"})] == RANKED


def by_class(names: list[str]) -> dict[str, Any]:
    values = np.zeros((2, 1000))
    for row, labels in enumerate(LABELS):
        values[row, labels] = SCORES[row]
    return {name: values[:, place % 1000] for place, name in enumerate(names)}


CLASS_NAMES = {
    "ids": [str(label) for label in range(1000)],
    "from 1": [str(label + 1) for label in range(1000)],
    "class_": [f"class_{label}" for label in range(1000)],
    "prob_": [f"prob_{label}" for label in range(1000)],
    "class_ from 1": [f"class_{label}" for label in range(1, 1001)],
    "WordNet ids": WORDNET_IDS,
    "prob and WordNet id": [f"prob_{wordnet_id}" for wordnet_id in WORDNET_IDS],
    "words": [f"the {label}" if label != 7 else "file" for label in range(1000)],
}


@pytest.mark.cases(6)
@pytest.mark.parametrize("is_shuffled", [False, True])
@pytest.mark.parametrize("names", CLASS_NAMES.values(), ids=CLASS_NAMES)
def test_a_column_per_class(names: list[str], is_shuffled: bool) -> None:
    table = {"image": IMAGES} | by_class(names)
    shuffled = np.random.default_rng(3).permutation(list(table)) if is_shuffled else list(table)
    assert [row[:3] for row in take({name: table[name] for name in shuffled})] == RANKED


@pytest.mark.parametrize("names", CLASS_NAMES.values(), ids=CLASS_NAMES)
def test_a_class_without_a_column(names: list[str]) -> None:
    error = refuse({"image": IMAGES} | by_class(names[:77] + names[78:]))
    assert error.column in ("label", "confidence")
    assert error.count == 1
    assert re.search(rf"\b\w*7[78]\b|{WORDNET_IDS[77]}", str(error))


@pytest.mark.parametrize("classes", [999, 1001, 21_843])
def test_heads_of_other_sizes(classes: int) -> None:
    error = refuse({"image": IMAGES} | by_class([f"class_{label}" for label in range(classes)]))
    assert error.column == "confidence"
    assert error.count in (classes, 1)


def test_ambiguous_class_names_are_refused() -> None:
    names = ["crane" if name == "the 9" else name for name in CLASS_NAMES["words"]]
    error = refuse({"image": IMAGES} | by_class(names))
    assert (error.column, error.value, error.count) == ("label", "crane", 1)


def test_a_label_beside_confidences_by_class() -> None:
    table = {"image": IMAGES, "label": LABELS[:, 0]} | by_class(CLASS_NAMES["class_"])
    assert [row[:3] for row in take(table)] == RANKED
    error = refuse(table | {"label": [3, 4]})
    assert (error.column, error.count) == ("label", 2)
    assert [
        row[:3] for row in take(table | {"label": [3, 4]}, columns={"label": "class"})
    ] == RANKED


def test_too_many_columns() -> None:
    assert refuse({str(place): IMAGES for place in range(10_001)}).count == 10_001
