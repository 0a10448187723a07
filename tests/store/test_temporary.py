from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pytest

from realdb.store import temporary
from realdb.store.store import new_connection

Folder = Callable[[], AbstractContextManager[Path]]


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a private folder that replaces the system's temporary folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(temporary, "_spills", [])
    return tmp_path


@pytest.fixture(params=["beside", "scratch"])
def folder(request: pytest.FixtureRequest, system: Path) -> Folder:
    return temporary.scratch if request.param == "scratch" else lambda: temporary.beside(system)


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def test_a_folder_and_its_lock_are_removed(folder: Folder, system: Path) -> None:
    with pytest.raises(ValueError, match="mine"), folder() as made:
        (made / "part").write_text("half")
        assert made.parent == system
        assert len(names(system)) == 2
        if os.name != "nt":
            assert made.stat().st_mode & 0o777 == 0o700
        raise ValueError("mine")
    assert names(system) == []


STOP = """
import os, pathlib, sys
from realdb.store import temporary
how, root = sys.argv[1:]
with temporary.beside(pathlib.Path(root)) if how == "beside" else temporary.scratch() as made:
    (made / "part").write_text("half")
    print(made, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["beside", "scratch"])
def test_only_unused_leftovers_are_removed(how: str, system: Path) -> None:
    command = [sys.executable, "-c", STOP, how, str(system)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        made = Path(process.stdout.readline().strip())
        folder = temporary.scratch if how == "scratch" else lambda: temporary.beside(system)
        with folder():
            assert (made / "part").exists(), "its maker is at work"
        process.kill()
        process.wait(60)
        assert (made / "part").exists()
        with folder() as own:
            assert not made.exists()
            assert len(names(system)) == 2
            assert own.exists()
    assert names(system) == []


def test_foreign_folders_are_kept(folder: Folder, system: Path) -> None:
    precious = system / "thesis"
    precious.mkdir()
    (precious / "chapter").touch()
    for name in ("realdb-notes", ".realdb-notes.partial", "realdb-other"):
        (system / name).mkdir()
    # A folder without a lock has no known owner; a lock that is a link points elsewhere.
    (system / "realdb-notes.lock").symlink_to(precious / "chapter")
    with folder():
        pass
    assert names(system) == [
        ".realdb-notes.partial",
        "realdb-notes",
        "realdb-notes.lock",
        "realdb-other",
        "thesis",
    ]
    assert (precious / "chapter").exists()


def test_everything_is_removed_at_the_end(system: Path) -> None:
    with temporary.scratch() as made:
        spilled = temporary.spill()
        assert spilled is not None
        spilled.mkdir()
        (spilled / "block").write_text("half")
        temporary.remove_all()
        assert not made.exists()
        assert names(system) == []


FORKED = """
import multiprocessing
from pathlib import Path
from realdb.store import temporary

def child(made):
    assert made.exists()
    with temporary.scratch() as own:
        assert own != made
    assert temporary.spill() != made
    temporary.remove_all()
    assert made.exists(), "it is the parent's"

with temporary.scratch() as made:
    process = multiprocessing.get_context("fork").Process(target=child, args=(made,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert made.exists()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows does not fork")
def test_a_forked_process_keeps_the_folders_of_its_parent(system: Path) -> None:
    """In a new Python: a process with threads, as that of the tests, cannot fork safely."""
    subprocess.run([sys.executable, "-c", FORKED], check=True)
    assert names(system) == []


def test_connections_spill_into_separate_folders(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = system / "work"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    held = []
    for number in range(2):
        con = new_connection()
        con.execute("set memory_limit = '40MB'")
        con.execute("set threads = 1")
        con.execute(f"create table big as select hash(i + {number}) as a from range(7000000) t(i)")
        held.append(con)
    (spills,) = (path for path in system.glob("realdb-*") if path.is_dir())
    assert len([*spills.iterdir()]) == 2
    for number, con in enumerate(held):
        assert con.execute(f"select count(*) from big where a = hash(5 + {number})").fetchall() == [
            (1,)
        ]
    assert names(elsewhere) == []
    for con in held:
        con.close()
    temporary.remove_all()
    assert names(system) == ["work"]


def test_without_a_temporary_folder_nothing_is_spilled(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setattr(temporary, "_spills", [])
    con = new_connection()
    assert con.execute("select current_setting('temp_directory')").fetchall() == [("",)]
    con.execute("set memory_limit = '20MB'")
    with pytest.raises(duckdb.OutOfMemoryException):
        con.execute("create table big as select hash(i) as a from range(20000000) t(i)")
