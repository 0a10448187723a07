"""Full disks, closed streams and signals: a command never prints a traceback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import commands
from realdb.store.store import Store

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the faults are those of POSIX systems")
COMMANDS = [
    ["accuracy", "{model}"],
    ["sql", "from labels"],
    ["sql", "from labels", "--format", "json"],
    ["views"],
    ["views", "accuracy", "--sql"],
    ["info"],
    ["explain", "1"],
    ["export", "labels", "-", "--format", "csv"],
    ["demo", "--synthetic"],
    ["--help"],
    ["--version"],
]


@pytest.fixture
def model(synthetic: Path, synthetic_store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REALDB_HOME", str(synthetic_store.root))
    return synthetic / "predictions" / "model_a.csv"


def shell(arguments: list[str], model: Path, redirection: str) -> subprocess.CompletedProcess[str]:
    words = [argument.format(model=model) for argument in arguments]
    script = f'exec "$@" {redirection}'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "realdb", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.cases(6)
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_standard_output_is_full(arguments: list[str], model: Path) -> None:
    done = shell(arguments, model, "> /dev/full")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.cases(4)
@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", COMMANDS[:3], ids=" ".join)
def test_a_stream_is_closed(arguments: list[str], redirection: str, model: Path) -> None:
    done = shell(arguments, model, redirection)
    assert "Traceback" not in done.stderr
    # Lost output is reported.
    assert done.returncode == (1 if ">&- " in f"{redirection.replace('2>&-', '')} " else 0)
    assert bool(done.stdout) == (done.returncode == 0)


def test_standard_input_is_closed(model: Path) -> None:
    for arguments in (["sql", "-"], ["accuracy", "-"]):
        done = shell(arguments, model, "<&-")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_closes_the_pipe_is_no_error(model: Path) -> None:
    words = [sys.executable, "-m", "realdb", "sql", "from votes"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"round,image_id,label,rater_id,answer\n"
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 1
    assert model.exists()


QUERIES = {
    "between steps": "select count(*) from range(100000000) as a, range(100000) as b "
    "where a.range + b.range = 7",
    "within a step": "select max(length(repeat('x', 2000000000 + i))) from range(100) t(i)",
}


@pytest.mark.cases(2)
@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("between steps", signal.SIGINT),
        ("between steps", signal.SIGTERM),
        ("within a step", signal.SIGTERM),
        ("within a step", signal.SIGINT),
    ],
)
@pytest.mark.usefixtures("model")
def test_a_signal_ends_a_query(
    query: str, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    words = [sys.executable, "-m", "realdb", "sql", QUERIES[query]]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # The folder for the files that a query spills is made just before the query.
        while not [*tmp_path.glob("realdb-*")] and process.poll() is None:
            time.sleep(0.02)
        time.sleep(0.3)
        assert process.poll() is None, "it ended by itself"
        began = time.monotonic()
        process.send_signal(number)
        out, complaint = process.communicate(timeout=60)
        took = time.monotonic() - began
    assert process.returncode == 128 + number
    assert (out, complaint) == (b"", b"realdb: interrupted\n")
    assert took < 10, "the watcher leaves after half a second, on a busy machine a little later"


def test_the_home_folder(tmp_path: Path, synthetic: Path, short_predictions: list[Path]) -> None:
    """realdb expands `~` once if no shell has done so. A file name may start with `~`."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (home / "ViT.csv").write_bytes(short_predictions[0].read_bytes())
    (work / "~.csv").write_bytes(short_predictions[0].read_bytes())
    (work / "~nobody.parquet").mkdir()
    (tmp_path / "source").mkdir()
    shutil.copy(synthetic / "real.json", tmp_path / "source")
    environment = {**os.environ, "HOME": str(home), "REALDB_HOME": "~/store"}

    def done(*words: str) -> str:
        found = commands.run(words, cwd=work, env=environment)
        assert found.returncode == 0, found.stderr
        return found.stdout

    done("ingest", str(tmp_path / "source"))
    assert (home / "store" / "CURRENT").is_file()
    for file in ("~/ViT.csv", "~.csv", "./~.csv"):
        assert "2000" in done("accuracy", file)
    assert "2000" in done("accuracy", "~/ViT.csv", "--store=~/store", "--offline")
    assert done("sql", "select count(*) from t", "--table", "t=~/ViT.csv").split()[1] == "2000"
    assert done("sql", "select count(*) from t", "--table", "t=~.csv").split()[1] == "2000"
    assert str(home / "ViT.csv") in done("doctor", "~/ViT.csv")
    done("add", "~/ViT.csv")
    for out in ("~/labels.csv", "~.csv.out.csv", "~/labels.parquet", "~x.parquet", "~y.sqlite"):
        done("export", "sources", out)
    assert sorted(path.name for path in home.iterdir()) == [
        *("ViT.csv", "labels.csv", "labels.parquet", "store"),
    ]
    assert sorted(path.name for path in work.iterdir()) == [
        *("~.csv", "~.csv.out.csv", "~nobody.parquet", "~x.parquet", "~y.sqlite"),
    ]
    assert "real.json" in done("sql", "select file_name from t", "--table", "t=~x.parquet")
    missing = commands.run(["accuracy", "~/none.csv"], cwd=work, env=environment)
    assert missing.returncode == 1
    assert str(home / "none.csv") in missing.stderr


def test_a_long_name(tmp_path: Path, model: Path) -> None:
    name = "x" * 248 + ".csv"
    try:
        (tmp_path / name).write_bytes(model.read_bytes())
    except OSError:
        pytest.skip("this file system takes no such name")
    for words in (
        ["accuracy", str(tmp_path / name)],
        ["export", "labels", str(tmp_path / f"y{name[1:]}")],
        ["export", "labels", str(tmp_path / ("z" * 300 + ".csv"))],
        ["add", str(tmp_path / name), "--store", str(tmp_path / "none")],
    ):
        done = commands.run(words)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 3), done.stderr
        assert "z" in words[-1] or "none" in words[-1] or done.returncode == 0, done.stderr


@pytest.mark.usefixtures("model")
def test_spilling_stays_out_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that spills to disk is stopped, and leaves no temporary file."""
    work, scratch = tmp_path / "work", tmp_path / "scratch"
    work.mkdir()
    scratch.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TMPDIR", str(scratch))
    query = "select hash(i) as a from range(60000000) as t(i) order by a"
    # As on a machine with little memory.
    code = (
        "import sys; from realdb.store import store; settled = store.settle\n"
        "def small(con): con.execute(\"set memory_limit = '50MB'\"); return settled(con)\n"
        "store.settle = small\n"
        f"sys.argv = ['realdb', 'sql', {query!r}]\n"
        "from realdb.__main__ import main; main()"
    )
    for number in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            until = time.monotonic() + 30
            while not any(path.is_file() for path in scratch.glob("realdb-*/*/*")):
                assert process.poll() is None, "it ended without spilling"
                assert time.monotonic() < until
                time.sleep(0.02)
            process.send_signal(number)
            process.communicate(timeout=60)
        assert [*work.iterdir()] == []
        if number == signal.SIGTERM:
            assert process.returncode == 143
            assert [*scratch.iterdir()] == []
    # A killed command leaves its files, and the next command removes them.
    assert [*scratch.iterdir()] != []
    assert commands.run(["sql", "select 1"]).returncode == 0
    assert [*scratch.iterdir()] == []
