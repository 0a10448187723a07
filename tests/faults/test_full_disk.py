"""A disk that fills up while a command writes: one message, and existing files stay."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import commands
import realdb
from campaigns import number
from realdb.store.store import Store, resolve

MEGABYTE = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a separate disk of 40 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(folder)]
    if (
        not shutil.which("mount")
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("a small disk of its own takes the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left: int) -> None:
    """Fill the disk up, but for `left` bytes."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(max(0, free - left)))


def run(
    words: list[str], disk: Path, store: Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "REALDB_HOME": str(store), "TMPDIR": str(disk)}
    return commands.run(words, stdin=stdin, env=environment)


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    "name",
    ["ingest", "add", "export", "export sqlite", "store duckdb", "store sqlite", "pipe", "json"],
)
def test_a_full_disk(name: str, disk: Path, synthetic: Path, synthetic_store: Store) -> None:
    model = synthetic / "predictions" / "model_a.csv"
    other = synthetic / "predictions" / "model_b.csv"
    expected = realdb.accuracy(model, store=synthetic_store.root)
    store = Path(shutil.copytree(synthetic_store.root, disk / "store"))
    realdb.add(other, store=store)
    steps = {
        "ingest": (["ingest", str(synthetic)], 8 * MEGABYTE),
        "add": (["add", str(model)], MEGABYTE // 4),
        "export": (["export", "labels", str(disk / "labels.csv")], MEGABYTE),
        "export sqlite": (["export", "labels", str(disk / "labels.sqlite")], 2 * MEGABYTE),
        "store duckdb": (["export", "store", str(disk / "store.duckdb")], 4 * MEGABYTE),
        "store sqlite": (["export", "store", str(disk / "store.sqlite")], 6 * MEGABYTE),
        # Temporary files of a result that is printed only when it is complete.
        "json": (["sql", "from labels", "--format", "json"], 2 * MEGABYTE),
        "pipe": (["accuracy", "-"], MEGABYTE),
    }
    words, most = steps[name]
    rng = random.Random(0)
    failed = 0
    for turn in range(number(1, 12)):
        fill(disk, int(most * (0.2 if turn == 0 else rng.random())))
        current = resolve(store).build_id
        before = listing(disk)
        done = run(words, disk, store, model.read_text() if name == "pipe" else "")
        assert "Traceback" not in done.stderr
        if done.returncode:
            failed += 1
            assert done.returncode in (1, 3)
            last = done.stderr.splitlines()[-1]
            assert last.startswith("realdb: ")
            assert "No space left" in last or "disk is full" in last, last
            assert done.stdout == ""
            assert listing(disk) - {"store/.lock", "store/predictions/.lock"} <= before
            assert resolve(store).build_id == current
        (disk / "filler").unlink()
        assert realdb.accuracy(model, store=store) == expected
        assert not [check for check in realdb.verify(store=store) if check.is_passed is False], (
            done.stderr
        )
        for made in ("labels.csv", "labels.sqlite", "store.duckdb", "store.sqlite"):
            (disk / made).unlink(missing_ok=True)
        if name == "add" and done.returncode == 0:
            realdb.remove("model_a", store=store)
        for path in (store / "builds").iterdir():
            if path.name != resolve(store).build_id:
                shutil.rmtree(path)
    assert failed
