"""The SQL console: its limits, and that the next query works."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from realdb.browse import console as consoles
from realdb.browse.console import Console
from realdb.store.store import Store

LIMIT = 2.0
SIMPLE = "select count(*) from images"


@pytest.fixture(scope="module")
def console(pages_store: Path) -> Iterator[Console]:
    about = {"root": str(pages_store), "predictions": None, "models": {}}
    made = Console(lambda: about, LIMIT)
    yield made
    made.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from range(9000000) a, range(9000000) b where hash(a.range, b.range) = 0",
        "select sum(length(repeat('x', 100000000 + range::int))) from range(100000)",
    ],
)
def test_a_query_ends_at_the_limit_and_the_next_works(
    console: Console, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert console.run(SIMPLE).rows == [["50000"]]
    worker = console._worker
    assert worker is not None
    with monkeypatch.context() as patch:
        patch.setattr(console, "limit", LIMIT / 4)
        found = console.run(sql)
    assert found.error
    # Not a measure of the machine: a query without a limit runs for minutes.
    assert found.seconds < 10 * LIMIT
    if "time limit" in found.error:
        assert found.seconds >= LIMIT / 4
        assert not is_alive(worker.pid)
    assert console.run(SIMPLE).rows == [["50000"]]


@pytest.mark.parametrize(
    "sql",
    [
        "select repeat('x', 4000000000)",
        "select list(range) from range(3000000000)",
        "select string_agg(repeat('x', 10000000), '') from range(400)",
    ],
)
def test_memory_is_bounded_and_the_next_works(console: Console, sql: str) -> None:
    found = console.run(sql)
    assert found.error
    worker = console._worker
    if worker is not None and Path("/proc/self/status").exists():
        status = Path(f"/proc/{worker.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 2_000_000
    assert console.run(SIMPLE).rows == [["50000"]]


def test_rows_and_cells_of_a_page_are_capped(console: Console) -> None:
    found = console.run("select image_id from images order by image_id")
    assert (len(found.rows), found.has_more) == (consoles.PAGE_ROWS, True)
    assert found.rows[-1] == [str(consoles.PAGE_ROWS)]
    exact = console.run(f"select image_id from images limit {consoles.PAGE_ROWS}")
    assert (len(exact.rows), exact.has_more) == (consoles.PAGE_ROWS, False)
    wide = console.run("select repeat('x', 1000000) as a, 'y' as b")
    ((cell, other),) = wide.rows
    assert cell is not None
    assert (cell[-1], len(cell) < 5_000, other) == ("…", True, "y")
    many = console.run("select repeat('x', 1900) from range(1000) as a, range(50)")
    assert sum(len(row[0] or "") for row in many.rows) <= consoles.PAGE_BYTES
    assert many.has_more


def test_downloads_are_whole_or_refused(console: Console) -> None:
    found = console.run("from images order by image_id", "parquet")
    assert pq.read_table(io.BytesIO(found.content)).num_rows == 50_000
    assert len(console.run("from images", "csv").content.splitlines()) == 50_001
    for form in ("csv", "parquet"):
        for sql in ("from range(2000000)", "select range, md5(range::varchar) from range(1900000)"):
            refused = console.run(sql, form)
            assert refused.error
            assert refused.content == b""


def test_values_are_written_as_duckdb_writes_them(console: Console) -> None:
    found = console.run("select null as a, true as b, 0.1::double as b, [1, null] as c, '' as d")
    assert found.columns == ["a", "b", "b", "c", "d"]
    assert found.rows == [[None, "true", "0.1", "[1, NULL]", ""]]


@pytest.mark.parametrize(
    "sql",
    ["explain from images", "describe images", "show tables", "summarize labels", "values (1)"],
)
def test_statements_that_describe(console: Console, sql: str) -> None:
    found = console.run(sql)
    assert found.error is None
    assert found.rows


def test_computed_tables_and_macros(console: Console) -> None:
    for sql in ("from paired_tests", "from labels_at(0.5)", "from comparison", "from predictions"):
        found = console.run(f"{sql} limit 1")
        assert found.rows, found.error


def test_a_long_query_is_refused(console: Console) -> None:
    assert "characters" in str(console.run("select " + "1," * 100_000 + "1").error)


def test_closing_ends_the_worker(bare_store: Store) -> None:
    about: dict[str, Any] = {"root": str(bare_store.root), "predictions": None, "models": {}}
    made = Console(lambda: about, LIMIT)
    made.run(SIMPLE)
    assert made._worker is not None
    pid = made._worker.pid
    made.close()
    assert not is_alive(pid)
    assert made.run(SIMPLE).error


def test_a_store_that_is_gone(tmp_path: Path) -> None:
    about: dict[str, Any] = {"root": str(tmp_path), "predictions": None, "models": {}}
    made = Console(lambda: about, LIMIT)
    assert str(tmp_path) in str(made.run(SIMPLE).error)
    made.close()


def test_the_worker_ends_with_the_server_and_is_replaced(console: Console) -> None:
    console.run(SIMPLE)
    worker = console._worker
    assert worker is not None and worker.stdin is not None
    # As when the server is killed: the pipe closes while a query runs.
    worker.stdin.write(
        b'{"sql": "select count(*) from votes a, votes b, votes c", "form": "page", '
    )
    worker.stdin.write(b'"rows": 1, "bytes": 1}\n')
    worker.stdin.close()
    begin = time.monotonic()
    worker.wait(10)
    assert time.monotonic() - begin < 10
    assert console.run(SIMPLE).rows == [["50000"]]
