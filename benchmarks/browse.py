"""Measure the web pages: start, image pages with several clients, memory, the limit of a query.

    python -m benchmarks.browse [--models N] [--requests N] [--data FOLDER]

The store is built from the upstream files in FOLDER, by default `shared/upstream` beside the
checkout or in REALDB_TEST_DATA, else from generated files. The models are made by changing original
labels at random. It needs the extra `browse`, and Linux to measure memory.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from urllib.parse import quote

import numpy as np

import realdb
from realdb.ingest.synthetic import write_synthetic

CLIENTS = 8
LIMIT = 2.0
SLOW = "select count(*) from range(9000000) a, range(9000000) b where hash(a.range, b.range) = 0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--requests", type=int, default=1_600)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REALDB_CACHE"] = f"{folder}/cache"
        root = Path(folder) / "store"
        _build(root, options.data, options.models)
        begin = time.monotonic()
        process, port = _start(root)
        print(f"prepared and started: {time.monotonic() - begin:.1f} s")
        size = sum(path.stat().st_size for path in Path(f"{folder}/cache").rglob("*.duckdb"))
        print(f"prepared tables: {size / 1e6:.0f} MB")
        _end(process)
        starts = []
        for _ in range(5):
            begin = time.monotonic()
            process, port = _start(root)
            _get(port, "/images")
            starts.append(time.monotonic() - begin)
            _end(process)
        print(f"start to first page: {min(starts):.2f} to {max(starts):.2f} s")
        process, port = _start(root)
        _pages(port, options.requests, "")
        _pages(port, options.requests, "?rated=yes&sort=disagreement")
        for page in (
            "/images?rated=yes&wrong=model_0",
            "/classes",
            "/model?model=model_0",
            "/compare",
            "/label-sets",
            "/raters",
            "/images.csv",
        ):
            seconds = _timed(port, page)
            again = _timed(port, page)
            memory = _memory(process.pid)
            print(f"{page}: {1000 * seconds:.0f} ms, again {1000 * again:.0f} ms, {memory:.0f} MB")
        print(f"memory of the server: {_memory(process.pid):.0f} MB at most")
        _query(port)
        workers = _children(process.pid)
        print(f"memory of the console's process: {sum(map(_memory, workers)):.0f} MB at most")
        _end(process)


def _build(root: Path, data: Path | None, models: int) -> None:
    shared = Path(os.environ.get("REALDB_TEST_DATA", Path(__file__).parents[2] / "shared"))
    source = data or shared / "upstream"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not source.is_dir():
            source = root.parent / "synthetic"
            write_synthetic(source)
        realdb.ingest(source, store=root, parquet_only=True)
        query = "select original_label from images order by image_id"
        originals = realdb.query(query, store=root).fetchnumpy()["original_label"]
        generator = np.random.default_rng(0)
        for number in range(models):
            is_changed = generator.random(len(originals)) < 0.15 + 0.01 * number
            others = generator.integers(0, 1_000, len(originals))
            path = root.parent / f"model_{number}.npy"
            np.save(path, np.where(is_changed, others, originals).astype(np.uint16))
            realdb.add(path, order="file-name", store=root)


def _start(root: Path) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "realdb", "browse", "--store", str(root), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--sql-limit", str(LIMIT)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().split()[0]
    return process, int(address.rstrip("/").rpartition(":")[2])


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait()


def _get(port: int, path: str) -> bytes:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    link.request("GET", path)
    answer = link.getresponse()
    content = answer.read()
    assert answer.status == 200, (path, answer.status)
    link.close()
    return content


def _timed(port: int, path: str) -> float:
    begin = time.monotonic()
    _get(port, path)
    return time.monotonic() - begin


def _pages(port: int, requests: int, query: str) -> None:
    """Print how long image pages take with several clients, each with its own connection."""
    times: list[float] = []

    def ask(seed: int) -> None:
        chosen = random.Random(seed)
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(requests // CLIENTS):
            begin = time.monotonic()
            link.request("GET", f"/image/{chosen.randint(1, 50_000)}{query}")
            answer = link.getresponse()
            answer.read()
            assert answer.status == 200
            times.append(time.monotonic() - begin)

    threads = [threading.Thread(target=ask, args=[seed]) for seed in range(CLIENTS)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(times) / (time.monotonic() - begin)
    half, most = np.percentile(times, [50, 95]) * 1000
    print(
        f"image pages{query}, {CLIENTS} clients: {rate:.0f}/s, median {half:.0f} ms, "
        f"95 % within {most:.0f} ms"
    )


def _query(port: int) -> None:
    """Print when a slow query ends, and how long the next one takes."""
    print(f"first query: {_timed(port, '/sql?q=from+accuracy'):.2f} s")
    slow = _timed(port, f"/sql?q={quote(SLOW)}")
    print(f"query with a limit of {LIMIT:g} s: ended after {slow:.2f} s")
    print(
        f"next query: {_timed(port, '/sql?q=from+accuracy'):.2f} s, then "
        f"{_timed(port, '/sql?q=from+accuracy'):.2f} s"
    )


def _memory(pid: int) -> float:
    """Return the largest resident memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


if __name__ == "__main__":
    main()
