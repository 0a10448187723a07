"""The upstream files written by realdb: the same bytes, equal arrays, and the same store."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realdb.errors import QueryError, UsageError
from realdb.store.store import Store
from refusals import refused

FILES = {
    "scores-npz": "scores.npz",
    "raters-npz": "raters.npz",
    "golden-npz": "golden.npz",
    "raters-golden-npz": "raters_golden.npz",
}


@pytest.fixture(params=["synthetic", "real"])
def both(request: pytest.FixtureRequest) -> tuple[Path, Store]:
    """Return the folder of the files, and the store made of them."""
    files = request.getfixturevalue("upstream" if request.param == "real" else "synthetic")
    return files, request.getfixturevalue(f"{request.param}_store")


def members(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def blocks(path: Path) -> Any:
    """Yield dtype and shape of the tensor, and then its values, a few megabytes at a time."""
    with zipfile.ZipFile(path) as archive, archive.open("tensor.npy") as file:
        np.lib.format.read_magic(file)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        yield shape, is_fortran, dtype
        yield from iter(lambda: file.read(1 << 22), b"")


def test_real_json(export: Callable[..., Path], both: tuple[Path, Store]) -> None:
    files, store = both
    assert export("real-json", "r.json", store).read_bytes() == (files / "real.json").read_bytes()


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_real_json_at_another_threshold(
    export: Callable[..., Path], both: tuple[Path, Store], threshold: float
) -> None:
    files, store = both
    found = json.loads(export("real-json", "r.json", store, threshold=threshold).read_bytes())
    published = json.loads((files / "real.json").read_bytes())
    con = store.connect()
    kept: dict[int, set[int]] = {}
    for image, label, score in con.execute("from scores").fetchall():
        kept.setdefault(image, set())
        if score >= threshold:
            kept[image].add(label)
    assert len(found) == 50_000
    for image, (mine, theirs) in enumerate(zip(found, published, strict=True), start=1):
        if image in kept:
            first = [label for label in theirs if label in kept[image]]
            theirs = first + sorted(kept[image] - set(first))
        assert mine == theirs, image


@pytest.mark.parametrize("name", FILES)
def test_arrays(export: Callable[..., Path], both: tuple[Path, Store], name: str) -> None:
    files, store = both
    wanted = files / FILES[name]
    path = export(name, "out.npz", store)
    assert set(members(path)) == set(members(wanted))
    for ours, theirs in zip(blocks(path), blocks(wanted), strict=True):
        assert ours == theirs
    with np.load(path, allow_pickle=False) as ours, np.load(wanted) as theirs:
        for member in set(theirs) - {"tensor"}:
            assert ours[member].dtype == theirs[member].dtype
            assert np.array_equal(ours[member], theirs[member])


def test_the_same_arrays_are_the_same_bytes(export: Callable[..., Path]) -> None:
    assert export("golden-npz", "a.npz").read_bytes() == export("golden-npz", "b.npz").read_bytes()


def test_a_store_built_from_the_exports_is_the_same(
    export: Callable[..., Path],
    synthetic: Path,
    synthetic_store: Store,
    tmp_path: Path,
    ingest: Callable[..., Store],
) -> None:
    source = tmp_path / "again"
    source.mkdir()
    for name in ("labels.txt", "validation_labels.txt"):
        shutil.copy(synthetic / name, source)
    for name in synthetic.glob("imagenet_synset_to_*.txt"):
        shutil.copy(name, source)
    export("real-json", "real.json").rename(source / "real.json")
    for name, file in FILES.items():
        export(name, file).rename(source / file)
    again = ingest(source)
    assert again.tables == synthetic_store.tables
    for table in again.tables:
        if table not in ("build", "sources"):
            ours, theirs = (store.connect().table(table) for store in (again, synthetic_store))
            assert ours.to_arrow_table() == theirs.to_arrow_table(), table


def test_missing_votes_are_refused(export: Callable[..., Path], bare_store: Store) -> None:
    for name in FILES:
        with refused(QueryError, "realdb ingest FOLDER"):
            export(name, "out.npz", bare_store)


def test_a_missing_round_is_refused(
    export: Callable[..., Path], source_folder: Path, ingest: Callable[..., Store]
) -> None:
    (source_folder / "raters_golden.npz").unlink()
    with refused(QueryError, file="raters_golden.npz"):
        export("raters-golden-npz", "out.npz", ingest())


def test_upstream_files_refuse_row_options(export: Callable[..., Path]) -> None:
    with refused(UsageError, "`columns`", parameter="where", value="real-json"):
        export("real-json", "out.json", where="true", columns="label")
    with refused(UsageError, parameter="threshold", value="scores-npz"):
        export("scores-npz", "out.npz", threshold=0.5)
