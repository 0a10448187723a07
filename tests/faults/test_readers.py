"""Many readers during ingests, adds and removes: every result is right."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import realdb
from campaigns import number
from realdb.store.store import Store

READER = """
import pathlib, sys, warnings
import realdb
from realdb.store.kept import reading_again
warnings.simplefilter("ignore", realdb.RealdbWarning)
model, store, stop = sys.argv[1:]
answers = turns = 0
held = None
while not pathlib.Path(stop).exists():
    assert realdb.accuracy(model, store=store).correct_images == {correct}
    if held is None:
        held = realdb.query("select count(*) from labels", store=store)
    assert held.fetchall() == [({labels},)]
    ranked = realdb.leaderboard(store=store).fetchall()
    assert {{row[0] for row in ranked} <= {models}, ranked
    # A relation is computed when it is read, and then cannot look for the files again.
    query = lambda: realdb.query("select distinct model from predictions", store=store).fetchall()
    assert reading_again(query)()
    assert realdb.models(store=store).fetchall()
    turns += 1
    if turns == 1:
        print("reading", flush=True)
    # Held over several builds.
    if turns % 5 == 0:
        held = None
print(turns)
"""


# These files are not the published ones, and do not have all images.
pytestmark = pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")


@pytest.fixture
def store(synthetic_store: Store, tmp_path: Path) -> Path:
    return Path(shutil.copytree(synthetic_store.root, tmp_path / "store"))


def test_readers(
    synthetic: Path,
    synthetic_store: Store,
    short_predictions: list[Path],
    store: Path,
    tmp_path: Path,
) -> None:
    first, second = short_predictions
    realdb.add(first, store=store)
    known = {
        "correct": realdb.accuracy(first, store=store).correct_images,
        "labels": synthetic_store.tables["labels"],
        "models": {first.stem, second.stem},
    }
    code = READER
    for name, value in known.items():
        code = code.replace(f"{{{name}}}", repr(value))
    code = code.replace("{{", "{").replace("}}", "}")
    stop = tmp_path / "stop"
    command = [sys.executable, "-c", code, str(first), str(store), str(stop)]
    turns = []
    with contextlib.ExitStack() as running:
        readers = [
            running.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            for _ in range(number(2, 16))
        ]
        try:
            for reader in readers:
                assert reader.stdout is not None
                reader.stdout.readline()
            for _ in range(number(1, 20, more=2)):
                realdb.ingest(synthetic, store=store, parquet_only=True)
                realdb.add(second, store=store)
                realdb.remove(second.stem, store=store)
        finally:
            stop.touch()
        for reader in readers:
            out, complaint = reader.communicate(timeout=300)
            assert reader.returncode == 0, complaint
            turns.append(int(out))
    print(f"turns of the readers: {turns}")
    assert min(turns) > 1


def test_a_relation_outlives_two_ingests(synthetic: Path, store: Path) -> None:
    con = realdb.connect(store=store)
    held = realdb.query("select count(*) from votes", store=store)
    expected = con.execute("select count(*) from votes").fetchall()
    for _ in range(2):
        realdb.ingest(synthetic, store=store, parquet_only=True)
        assert con.execute("select count(*) from votes").fetchall() == expected
        assert held.fetchall() == expected
