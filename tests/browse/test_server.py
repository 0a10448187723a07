"""Start and end of the server, in the library and on the command line."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import realdb
from needs import needs
from realdb.browse import server as servers
from realdb.errors import StoreError, UsageError
from realdb.store.store import Store


@pytest.fixture(autouse=True)
def _libraries() -> None:
    for module in ("starlette", "jinja2", "uvicorn", "PIL"):
        needs(module)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_in_use(taken: int, pages_store: Path) -> None:
    with pytest.raises(UsageError) as caught:
        realdb.browse(port=taken, store=pages_store)
    assert (caught.value.parameter, caught.value.value) == ("port", str(taken))
    assert "in use" in caught.value.message


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"port": -1}, "port"),
        ({"port": 65_536}, "port"),
        ({"sql_limit": 0}, "sql_limit"),
        ({"sql_limit": float("nan")}, "sql_limit"),
        ({"host": "0.0.0.0"}, "host"),
        ({"host": "example.com"}, "host"),
        ({"images": "no such folder"}, "images"),
    ],
)
def test_options_that_are_refused(
    options: dict[str, Any], parameter: str, pages_store: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        realdb.browse(**{"port": 0, **options}, store=pages_store)
    assert caught.value.parameter == parameter


def test_another_host_needs_a_permission(cache: Path, pages_store: Path) -> None:
    assert cache.is_dir()
    client = needs("starlette.testclient").TestClient
    made = servers.Server(host="0.0.0.0", allow_remote=True, port=0, store=pages_store)
    try:
        assert made.is_remote
        asked = client(made.app, base_url="http://127.0.0.1")
        hosts = {
            f"10.1.2.3:{made.port}": 200,
            f"[fe80::1]:{made.port}": 200,
            f"{socket.gethostname()}:{made.port}": 200,
            f"attacker.example:{made.port}": 421,
            "10.1.2.3": 421,
        }
        for host, status in hosts.items():
            assert asked.get("/models", headers={"host": host}).status_code == status, host
    finally:
        made.close()


def test_a_server_collects_garbage(cache: Path, pages_store: Path) -> None:
    """The command line disables garbage collection, and a server runs for hours."""
    assert cache.is_dir()
    made = servers.Server(port=0, store=pages_store)
    seen: list[object] = []

    def announce(line: str) -> None:
        seen.extend([made.address in line, gc.isenabled()])
        made.stop()

    gc.disable()
    try:
        made.serve(announce)
    finally:
        gc.enable()
    assert seen == [True, True]


def test_a_notebook_has_an_event_loop(cache: Path, pages_store: Path) -> None:
    assert cache.is_dir()
    made = servers.Server(port=0, store=pages_store)
    lines: list[str] = []

    def announce(line: str) -> None:
        lines.append(line)
        made.stop()

    async def cell() -> None:
        made.serve(announce)

    asyncio.run(cell())
    assert made.address in lines[0]


def test_files_are_the_predictions_of_pages_and_queries(
    cache: Path, bare_store: Store, synthetic: Path, tmp_path: Path
) -> None:
    assert cache.is_dir()
    client = needs("starlette.testclient").TestClient
    file = tmp_path / "mine.csv"
    shutil.copy(synthetic / "predictions" / "model_b.csv", file)
    made = servers.Server(file, port=0, store=bare_store.root)
    try:
        asked = client(made.app, base_url=made.address)
        assert str(file) in asked.get("/model?model=mine").text
        for table in ("predictions", "mine"):
            sql = f"select model, count(*) from {table} group by model"
            expected = ["model,count_star()", "mine,50000"]
            assert asked.get("/sql.csv", params={"q": sql}).text.splitlines() == expected
    finally:
        made.close()


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        realdb.browse(port=0, store=tmp_path / "none", offline=True)


@pytest.mark.parametrize("module", ["starlette", "jinja2", "uvicorn", "PIL"])
def test_a_missing_library(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError) as caught:
        realdb.browse()
    assert "realdb[browse]" in str(caught.value)


def test_the_libraries_are_imported_only_when_used() -> None:
    code = (
        "import sys, realdb, realdb.cli; realdb.accuracy, realdb.browse; "
        "print([name for name in ('starlette', 'jinja2', 'uvicorn', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_command_refuses_as_the_call(taken: int, pages_store: Path) -> None:
    command = [sys.executable, "-m", "realdb", "browse", "--store", str(pages_store)]
    for options in (["--port", str(taken)], ["--host", "0.0.0.0"]):
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert options[1] in line
        assert ("--allow-remote" in line) == (options[0] == "--host")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_and_ends_cleanly(
    cache: Path, pages_store: Path, number: signal.Signals, tmp_path: Path
) -> None:
    needs("uvicorn")
    command = [sys.executable, "-m", "realdb", "browse", "--port", "0", "--store", str(pages_store)]
    environment = {**os.environ, "REALDB_CACHE": str(cache), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    address = line.split()[0]
    assert "50,000 images, 3 models" in line
    for page in ("models", "sql?q=select+1"):
        with urllib.request.urlopen(f"{address}{page}") as answer:
            assert answer.status == 200
    port = int(address.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"GET /images HTTP/1.1\r\n")  # a request that is never complete
        process.send_signal(number)
        assert process.wait(20) == 128 + number
    assert process.stderr.read() == "realdb: interrupted\n"
    process.stdout.close()
    process.stderr.close()
    assert [path.name for path in tmp_path.iterdir()] == []
