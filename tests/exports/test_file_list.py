from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from realdb.store.store import Store

Export = Callable[..., Path]


def read(path: Path) -> dict[str, list[int]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows.pop(0) == ["file_name", "labels"]
    return {name: list(map(int, labels.split())) for name, labels in rows}


def test_holds_the_lists_of_real_json(export: Export, synthetic: Path) -> None:
    found = read(export("file-list", "list.tsv"))
    assert list(found.values()) == json.loads((synthetic / "real.json").read_bytes())
    assert next(iter(found)) == "ILSVRC2012_val_00000001.JPEG"


def test_only_the_selected_images_at_another_threshold(export: Export) -> None:
    whole = read(export("file-list", "list.tsv", threshold=0.2))
    assert whole != read(export("file-list", "published.tsv"))
    some = read(export("rated", "some.tsv", format="file-list", threshold=0.2))
    assert 0 < len(some) < len(whole)
    assert some.items() <= whole.items()


def test_each_line_is_a_name_and_its_labels(export: Export) -> None:
    _, *lines = export("file-list", "list.tsv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 50_000
    for line in lines:
        name, *labels = line.split()
        assert name.endswith(".JPEG")
        assert all(label.isdecimal() for label in labels)


def test_standard_output(
    export: Export, synthetic_store: Store, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    import realdb

    path = export("file-list", "list.tsv")
    realdb.export("file-list", "-", store=synthetic_store.root)
    assert capfdbinary.readouterr().out == path.read_bytes()


def test_real_data(export: Export, real_store: Store, upstream: Path) -> None:
    found = read(export("file-list", "list.tsv", store=real_store))
    assert list(found.values()) == json.loads((upstream / "real.json").read_bytes())
