from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import commands
import realdb
from realdb.api import complete
from realdb.exports import registry
from realdb.queries import catalog
from realdb.schema.tables import TABLES
from realdb.store import prediction_sets
from realdb.store.store import Store, resolve

VIEWS = [*TABLES, *catalog.all_names()]
WHOLE = [*registry.own_names()]
# Names that a shell would run or split.
NAMES_THAT_ARE_CODE = [
    "$(touch x)",
    "\\$(touch x)",
    "`x`",
    "a b",
    "a;b",
    "a'b",
    'a"b',
    "-x",
    "~",
    "*",
]

Complete = Callable[..., list[str]]


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Return a function that completes a command line as fish does, without other output."""
    monkeypatch.setenv("REALDB_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("_REALDB_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")

    def offered(line: str) -> list[str]:
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        done = commands.run([])
        assert done.returncode == 0
        assert not done.stderr
        return [each.partition("\t")[0] for each in done.stdout.splitlines() if each]

    return offered


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("realdb acc", ["accuracy"]),
        ("realdb scores ver", ["verify"]),
        ("realdb views ", VIEWS),
        ("realdb views acc", [name for name in VIEWS if name.startswith("acc")]),
        ("realdb export ", [*VIEWS, *WHOLE]),
        ("realdb export sto", ["stored_label_sets", "stored_assessments", "store"]),
        ("realdb export raters-", ["raters-npz", "raters-golden-npz"]),
        ("realdb export contest", ["contested", "contested_images"]),
        ("realdb export images x --format jso", ["json", "jsonl"]),
        ("realdb accuracy --by ", ["class", "label-count", "animal"]),
        ("realdb accuracy --labels ", ["real", "original"]),
        ("realdb accuracy --match ", []),
        ("realdb accuracy --require", ["--require-complete"]),
        ("realdb sql ", []),
        ('realdb sql "select', []),
        ("realdb accuracy ", []),
        ("realdb remove ", []),
    ],
)
def test_names(line: str, names: list[str], offered: Complete, tmp_path: Path) -> None:
    assert offered(line) == names
    assert not (tmp_path / "none").exists(), "no store is built"


@pytest.fixture
def store(bare_store: Store, tmp_path: Path) -> Store:
    """Return a store of its own."""
    without = shutil.ignore_patterns("realdb.duckdb")
    return resolve(Path(shutil.copytree(bare_store.root, tmp_path / "store", ignore=without)))


@pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
def test_stored_models(offered: Complete, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    names = sorted(["ViT-B/16", "vit", "größe@2", *NAMES_THAT_ARE_CODE])
    number = len(names)
    table = pa.table({"model": names, "image": [1] * number, "label": [1] * number})
    realdb.add(table, store=store.root)
    assert sorted(prediction_sets.names(store.root)) == names
    plain = sorted({*names} - {*NAMES_THAT_ARE_CODE})
    assert sorted(complete.models(store.root)) == plain
    # The files are not read.
    for file in prediction_sets.files(store.root):
        file.write_bytes(b"damaged")
    assert sorted(offered(f"realdb remove --store {store.root} ")) == plain
    assert offered("realdb remove ") == []
    monkeypatch.setenv("REALDB_HOME", str(store.root))
    assert offered("realdb remove v") == ["vit"]


@pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
def test_long_names_are_not_completed(store: Store) -> None:
    realdb.add({"ILSVRC2012_val_00000001.JPEG": 1}, model="x" * 300, store=store.root)
    assert prediction_sets.names(store.root) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_REALDB_COMPLETE", f"source_{shell}")
    done = commands.run([])
    assert done.returncode == 0
    assert f"_REALDB_COMPLETE=complete_{shell}" in done.stdout
    assert not done.stderr


@pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="there is no bash")
def test_bash(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "realdb").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m realdb "$@"\n')
    (folder / "realdb").chmod(0o755)
    script = """
        eval "$(_REALDB_COMPLETE=source_bash realdb)"
        COMP_WORDS=(realdb export contest) COMP_CWORD=2
        _realdb_completion realdb
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env=os.environ | {"PATH": path},
    )
    assert done.stdout.split() == ["contested", "contested_images"]
    assert not done.stderr


def test_zsh_evaluates_names_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_REALDB_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "realdb export contest")
    done = commands.run([])
    assert done.returncode == 0
    assert done.stdout.split("((")[1].split("))")[0].split() == [
        '"contested"',
        '"contested_images"',
    ]
