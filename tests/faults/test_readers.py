"""Many readers during ingests, adds and removes: every result is right."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import warnings
from pathlib import Path

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
        con = realdb.connect(store=store)
        held = con.sql("select count(*) from labels")
    assert held.fetchall() == [({labels},)]
    ranked = realdb.leaderboard(store=store).fetchall()
    assert {{row[0] for row in ranked} <= {models}, ranked
    # A relation is computed when it is read, and then cannot look for the files again.
    query = lambda: realdb.query("select distinct model from predictions", store=store).fetchall()
    assert reading_again(query)()
    assert realdb.models(store=store).fetchall()
    turns += 1
    # Held over several builds.
    if turns % 5 == 0:
        held = None
print(turns)
"""


def build(source: Path, store: Path) -> None:
    with warnings.catch_warnings():
        # The warning that these files are not the published ones.
        warnings.simplefilter("ignore", realdb.RealdbWarning)
        realdb.ingest(source, store=store)


def test_readers(synthetic: Path, synthetic_store: Store, tmp_path: Path) -> None:
    store = tmp_path / "store"
    build(synthetic, store)
    first, second = sorted((synthetic / "predictions").glob("*.csv"))[:2]
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
            for _ in range(number(1, 20, more=2)):
                build(synthetic, store)
                realdb.add(second, store=store)
                realdb.remove(second.stem, store=store)
        finally:
            stop.touch()
        for reader in readers:
            out, complaint = reader.communicate(timeout=300)
            assert reader.returncode == 0, complaint
            turns.append(int(out))
    print(f"turns of the readers: {turns}")
    assert min(turns) > 0


def test_a_relation_outlives_two_ingests(synthetic: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    build(synthetic, store)
    con = realdb.connect(store=store)
    held = realdb.query("select count(*) from votes", store=store)
    expected = con.execute("select count(*) from votes").fetchall()
    for _ in range(2):
        build(synthetic, store)
        assert con.execute("select count(*) from votes").fetchall() == expected
        assert held.fetchall() == expected
