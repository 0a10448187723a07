"""What the system does to a command: full disks, closed streams, signals. Never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_standard_output_is_full(arguments: list[str], model: Path) -> None:
    done = shell(arguments, model, "> /dev/full")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", COMMANDS[:3], ids=" ".join)
def test_a_stream_is_closed(arguments: list[str], redirection: str, model: Path) -> None:
    done = shell(arguments, model, redirection)
    assert "Traceback" not in done.stderr
    # Nothing is lost without a sign of it.
    assert done.returncode == (1 if ">&- " in f"{redirection.replace('2>&-', '')} " else 0)
    assert bool(done.stdout) == (done.returncode == 0)


def test_standard_input_is_closed(model: Path) -> None:
    for arguments in (["sql", "-"], ["accuracy", "-"]):
        done = shell(arguments, model, "<&-")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_reader_of_the_pipe_has_seen_enough(model: Path) -> None:
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.usefixtures("model")
def test_a_signal_ends_a_query(query: str, number: signal.Signals) -> None:
    words = [sys.executable, "-m", "realdb", "sql", QUERIES[query]]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(1.5)
        assert process.poll() is None, "it ended by itself"
        began = time.monotonic()
        process.send_signal(number)
        out, complaint = process.communicate(timeout=60)
        took = time.monotonic() - began
    assert process.returncode == 128 + number
    assert (out, complaint) == (b"", b"realdb: interrupted\n")
    assert took < 10, "the watcher leaves after half a second, on a busy machine a little later"
