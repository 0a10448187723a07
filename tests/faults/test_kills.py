"""Commands that are killed at random moments: each file is complete or missing."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

import commands
import realdb
from campaigns import number
from realdb.store.store import Store

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows kills in another way"),
    # The models do not have all images.
    pytest.mark.filterwarnings("ignore::realdb.RealdbWarning"),
]
QUERY = "select count(*), sum(label) from labels"


@pytest.fixture
def place(
    bare_store: Store, synthetic: Path, short_predictions: list[Path], tmp_path: Path
) -> Path:
    """Return a folder with a store, its source, two versions of two models, and one for TMPDIR."""
    shutil.copytree(bare_store.root, tmp_path / "store")
    for folder in ("source", "old", "new", "tmp"):
        (tmp_path / folder).mkdir()
    shutil.copy(synthetic / "real.json", tmp_path / "source")
    for file, other in zip(short_predictions, reversed(short_predictions), strict=True):
        shutil.copy(file, tmp_path / "old")
        shutil.copy(other, tmp_path / "new" / file.name)
    realdb.add(tmp_path / "old", store=tmp_path / "store")
    return tmp_path


def environment(place: Path) -> dict[str, str]:
    return {**os.environ, "REALDB_HOME": str(place / "store"), "TMPDIR": str(place / "tmp")}


def start(place: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "realdb", *words]
    return subprocess.Popen(
        command, env=environment(place), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def builds(place: Path) -> set[str]:
    names = {path.name for path in (place / "store" / "builds").iterdir()}
    return {name for name in names if not name.endswith(".partial")}


def kill_near_the_rename(place: Path, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    """Kill an ingest within 10 ms of the rename of CURRENT: its build is in place just before."""
    before = builds(place)
    while process.poll() is None and builds(place) == before:
        time.sleep(0.002)
    time.sleep(rng.uniform(0, 0.008))
    process.kill()


def build_id_in(database: Path) -> Any:
    with duckdb.connect(str(database), read_only=True) as con:
        return con.execute("select build_id from build").fetchall()[0][0]


def left_behind(place: Path) -> list[str]:
    """Return what is half written, beside the store's own locks."""
    found = [path for path in place.rglob("*") if path.name.endswith((".partial", ".lock"))]
    found += (place / "tmp").iterdir()
    return sorted(
        path.relative_to(place).as_posix() for path in found if path.name not in (".lock", "tmp")
    )


def ask(place: Path) -> list[Any]:
    model = place / "old" / "model_a.csv"
    return [realdb.accuracy(model), realdb.query(QUERY).fetchall()]


def test_kills(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALDB_HOME", str(place / "store"))
    expected = ask(place)
    versions = {
        name: [realdb.accuracy(place / version / f"{name}.csv") for version in ("old", "new")]
        for name in ("model_a", "model_b")
    }
    out = place / "labels.parquet"
    exported = realdb.query("select count(*) from labels").fetchall()
    words: dict[str, Callable[[random.Random], list[str]]] = {
        "ingest": lambda _: ["ingest", str(place / "source")],
        "add": lambda rng: ["add", str(place / rng.choice(["old", "new"])), "--replace"],
        "remove": lambda rng: ["remove", rng.choice(["model_a", "model_b"])],
        "export": lambda _: ["export", "labels", str(out), "--force"],
    }
    rng = random.Random(0)
    killed = dict.fromkeys([*words, "ingest near the rename"], 0)
    seconds: dict[str, float] = {}
    for turn in range(number(3, 200, more=5)):
        near = turn % 5 == 0
        name = "ingest" if near else [*words][turn % 5 - 1]
        if not near and name not in seconds:
            seconds[name] = timed(place, *words[name](rng))
        with start(place, *words[name](rng)) as process:
            if near:
                kill_near_the_rename(place, process, rng)
            else:
                time.sleep(rng.uniform(0.1, 0.95) * seconds[name])
                process.kill()
            _, complaint = process.communicate(timeout=60)
        assert b"Traceback" not in complaint
        killed["ingest near the rename" if near else name] += process.returncode == -9

        # Before any other command: all results are right.
        assert ask(place) == expected
        current = (place / "store" / "CURRENT").read_text().strip()
        assert build_id_in(place / "store" / "realdb.duckdb") == current
        assert not [check for check in realdb.verify() if check.is_passed is False]
        found = dict(realdb.query("select model, correct_images from accuracy").fetchall())
        assert {*found} == {model for model, *_ in realdb.models().fetchall()}
        for model, correct in found.items():
            assert correct in [each.correct_images for each in versions[model]]
        if out.exists():
            with duckdb.connect() as con:
                assert con.read_parquet(str(out)).count("*").fetchall() == exported

        # After the next command of the same kind: no leftovers.
        run(place, *words[name](rng))
        assert left_behind(place) == []
        for path in sorted((place / "store" / "builds").iterdir())[:-3]:
            shutil.rmtree(path)  # they would stay for a day
        if name == "remove":
            run(place, *words["add"](rng))
    print(f"killed: {killed}")
    assert sum(killed.values()) >= number(1, 100, more=2)


def timed(place: Path, *words: str) -> float:
    """Run a command to its end; return how many seconds it took."""
    began = time.monotonic()
    with start(place, *words) as process:
        _, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    return time.monotonic() - began


def run(place: Path, *words: str) -> None:
    done = commands.run(words, env=environment(place))
    # A model may be gone already.
    assert done.returncode in ((0, 1) if words[0] == "remove" else (0,)), done.stderr
