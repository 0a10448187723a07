from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from needs import needs
from realdb.store.store import Store

Export = Callable[..., Path]
ANSWERS = {"no": 0, "maybe": 1, "yes": 2}


def votes(store: Store) -> dict[tuple[int, int], dict[str, int]]:
    """Return the answers by question and rater."""
    found: dict[tuple[int, int], dict[str, int]] = {}
    with store.connect() as con:
        rows = con.execute(
            "select image_id, label, rater_id, answer from votes where round = 'main'"
        ).fetchall()
    for image, label, rater, answer in rows:
        found.setdefault((image, label), {})[str(rater)] = ANSWERS[answer]
    return found


def test_holds_every_vote_of_the_main_round(export: Export, synthetic_store: Store) -> None:
    table = pq.read_table(export("cleanlab", "votes.parquet"))
    rows = table.to_pylist()
    found = {
        (row.pop("image_id"), row.pop("label")): {
            rater: answer for rater, answer in row.items() if answer is not None
        }
        for row in rows
    }
    expected = votes(synthetic_store)
    assert list(found) == sorted(expected)
    assert found == expected
    assert table.column_names[2:] == sorted({r for row in expected.values() for r in row}, key=int)
    assert b"Apache-2.0" in table.schema.metadata[b"license"]


def test_only_raters_with_votes_have_a_column(export: Export) -> None:
    table = pq.read_table(
        export("rated", "some.parquet", format="cleanlab", where="image_id % 2 = 0")
    )
    assert {image % 2 for image in table["image_id"].to_pylist()} == {0}
    assert all(column.null_count < len(column) for column in table.columns)


def test_cleanlab_takes_it(export: Export, synthetic_store: Store) -> None:
    pd, multiannotator = needs("pandas"), needs("cleanlab.multiannotator")
    frame = pd.read_parquet(export("cleanlab", "votes.parquet")).set_index(["image_id", "label"])
    consensus = multiannotator.get_majority_vote_label(frame, verbose=False)
    expected = votes(synthetic_store)
    for question, answer in zip(frame.index, consensus, strict=True):
        answers = list(expected[question].values())
        assert answers.count(answer) == max(map(answers.count, answers))
    guess = np.full((len(frame), 3), 1 / 3)
    found = multiannotator.get_label_quality_multiannotator(frame, guess, verbose=False)
    assert len(found["label_quality"]) == len(expected)
    assert found["label_quality"]["num_annotations"].tolist() == [
        len(expected[question]) for question in frame.index
    ]


def test_real_data(export: Export, real_store: Store) -> None:
    table = pq.read_table(export("cleanlab", "votes.parquet", store=real_store))
    assert table.shape == (184_962, 2 + 85)
    assert sum(len(column) - column.null_count for column in table.columns[2:]) == 924_810
