"""MLPerf's accuracy log, as its loadgen writes it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from connections import empty_connection

from realdb.errors import DataError
from realdb.ingest import predictions
from realdb.schema.tables import create_table
from refusals import refused

LABELS = np.arange(50_000) * 7 % 1000
PLACES = np.random.default_rng(1).permutation(50_000)


def answer(place: int, data: str, number: int = 50_000) -> str:
    return json.dumps({"seq_id": number, "qsl_idx": place, "data": data})


@functools.cache
def log(kind: str) -> tuple[str, ...]:
    """Return the answers in the order in which they came."""
    data = [label.tobytes().hex() for label in LABELS.astype(kind)]
    return tuple(answer(place, data[place], n) for n, place in enumerate(PLACES.tolist()))


def taken(path: Path, answers: Iterable[str], **how: Any) -> list[int]:
    """Return the labels by image number. loadgen writes an answer a line."""
    path.write_text("[\n" + ",\n".join(answers) + "\n]\n")
    with empty_connection() as con:
        create_table(con, "predictions")
        predictions.add(con, path, **how)
        rows_read = con.execute("select label from predictions order by image_id").fetchall()
    return [label for (label,) in rows_read]


@pytest.mark.parametrize("kind", ["<f4", "<i4", "<i8"])
def test_labels_in_hexadecimal(kind: str, tmp_path: Path) -> None:
    first, second = PLACES[:2].tolist()
    repeated = answer(first, LABELS[second].astype(kind).tobytes().hex())
    assert taken(tmp_path / "a.json", [*log(kind), repeated]) == LABELS.tolist()


def test_another_order_of_the_images(tmp_path: Path) -> None:
    order = tmp_path / "val_map.txt"
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(50_000, 0, -1)]
    order.write_text("\n".join(names))
    assert taken(tmp_path / "a.json", log("<f4"), order=order) == LABELS.tolist()[::-1]


def test_a_part_of_the_images_is_refused(tmp_path: Path) -> None:
    with refused(DataError, "val_map.txt", column="image", count=500):
        taken(tmp_path / "a.json", log("<f4")[:500])


@pytest.mark.parametrize("data", ["00", "0000803F00", "zz000000", "", "CDCC4C3E", "0000FA44"])
def test_invalid_labels_are_refused(data: str, tmp_path: Path) -> None:
    answers = [*log("<f4")]
    answers[PLACES.tolist().index(7)] = answer(7, data)
    with refused(DataError, column="label"):
        taken(tmp_path / "a.json", answers)
