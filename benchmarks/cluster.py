"""Run the same query on DuckDB and on small clusters on loopback, and compare all figures.

    python -m benchmarks.cluster FOLDER [sail|spark|all]

`python -m benchmarks.data FOLDER` writes FOLDER: 1,000 flat files with 50 million rows. The
clusters are Sail's local cluster (a driver and two workers) and a Spark standalone master with two
workers of one core. The query is `realdb accuracy` over all files. The times are those of the whole
process, with its start and the check of the rows. Needs `realdb[spark]`, and Java 17 for Spark.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import data

_WORKERS = 2
_MEMORY = "2g"


def main() -> None:
    """Print a Markdown table: engine, seconds, rows per second, and whether the figures agree."""
    folder, which = Path(sys.argv[1]), (*sys.argv, "all")[2]
    with tempfile.TemporaryDirectory() as aside:
        store = Path(aside) / "store"
        _realdb("ingest", str(data.files(Path(aside)) / "upstream"), "--store", str(store))
        pattern = f"{folder.resolve()}/models/*.parquet"
        begin = time.perf_counter()
        expected = _by_duckdb(store, pattern)
        rows = sum(int(row["predicted_images"]) for row in expected.values())
        took = time.perf_counter() - begin
        print(
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()}; ", end=""
        )
        print(", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyspark", "pysail")))
        print(f"\n{len(expected):,} models, {rows:,} rows\n")
        print("| engine | s | million rows/s | the figures of DuckDB |")
        print("| --- | --- | --- | --- |")
        print(f"| DuckDB, in a process | {took:.1f} | {rows / took / 1e6:.1f} | |", flush=True)
        for name, cluster in {"sail": _sail, "spark": _spark}.items():
            if which not in (name, "all"):
                continue
            with cluster(Path(aside)) as engine:
                for nth in ("first", "second"):
                    begin = time.perf_counter()
                    text = _realdb(
                        *("accuracy", pattern, "--engine", engine),
                        *("--store", str(store), "--format", "csv"),
                    )
                    took = time.perf_counter() - begin
                    same = _same(_rows(text), expected)
                    print(
                        f"| {name}, {_WORKERS} workers, {nth} run | {took:.1f} "
                        f"| {rows / took / 1e6:.1f} | {'all the same' if same else 'OTHERS'} |",
                        flush=True,
                    )


def _by_duckdb(store: Path, pattern: str) -> dict[str, dict[str, str]]:
    from realdb.queries import catalog
    from realdb.store.store import resolve

    opened = resolve(store)
    with opened.connect() as con:
        con.execute("drop table predictions")
        con.read_parquet(pattern).create_view("predictions")
        catalog.install(con, opened.names, ["accuracy"])
        found = con.sql("from accuracy")
        columns = found.columns
        rows = [["" if cell is None else str(cell) for cell in row] for row in found.fetchall()]
        return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}


def _rows(text: str) -> dict[str, dict[str, str]]:
    import csv

    return {row["model"]: row for row in csv.DictReader(text.splitlines())}


def _same(found: dict[str, dict[str, str]], expected: dict[str, dict[str, str]]) -> bool:
    """Return whether all figures agree: counts exactly, shares to 1e-12."""

    def is_same(mine: str, theirs: str) -> bool:
        if "." in mine and "." in theirs:
            return math.isclose(float(mine), float(theirs), rel_tol=0, abs_tol=1e-12)
        return mine == theirs

    return found.keys() == expected.keys() and all(
        is_same(found[model][column], expected[model][column])
        for model in expected
        for column in expected[model]
        if column != "model"
    )


def _realdb(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "realdb", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "REALDB_OFFLINE": "1"},
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


@contextlib.contextmanager
def _sail(_: Path) -> Iterator[str]:
    """Yield the address of a Sail server that runs its tasks in separate workers."""
    port = _free_port()
    settings = {
        "SAIL_MODE": "local-cluster",
        "SAIL_CLUSTER__WORKER_INITIAL_COUNT": str(_WORKERS),
        "SAIL_CLUSTER__WORKER_MAX_COUNT": str(_WORKERS),
    }
    command = ["sail", "spark", "server", "--ip", "127.0.0.1", "--port", str(port)]
    with _running([str(Path(sys.executable).parent / command[0]), *command[1:]], settings):
        _wait_for(port)
        yield f"sc://127.0.0.1:{port}"


@contextlib.contextmanager
def _spark(aside: Path) -> Iterator[str]:
    """Yield the address of a Spark master on loopback, with its workers."""
    import pyspark

    home = Path(pyspark.__file__).parent
    settings = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_MASTER_HOST": ""}
    # The driver and the executors read this variable.
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1"}
    run = [str(home / "bin" / "spark-class")]
    port, page = _free_port(), _free_port()
    address = f"spark://127.0.0.1:{port}"
    deploy = "org.apache.spark.deploy"
    with contextlib.ExitStack() as stack:
        master = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)]
        stack.enter_context(_running([*run, f"{deploy}.master.Master", *master], settings))
        _wait_for(port)
        for worker in range(_WORKERS):
            options = ["--host", "127.0.0.1", "--cores", "1", "--memory", _MEMORY]
            options += ["--webui-port", str(_free_port()), "--work-dir", str(aside / str(worker))]
            command = [*run, f"{deploy}.worker.Worker", *options, address]
            stack.enter_context(_running(command, settings))
        time.sleep(8)
        yield address


@contextlib.contextmanager
def _running(command: list[str], settings: dict[str, str]) -> Iterator[subprocess.Popen[Any]]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # End the whole process group: spark-class is a script that starts Java.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(120):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.5)
    sys.exit(f"there is no server on 127.0.0.1:{port}")


if __name__ == "__main__":
    main()
