"""The SQL console: one process that runs queries, killed at the time limit and started again."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import children

# Limits of a result: on a page, and of a download.
PAGE_ROWS, PAGE_BYTES = 1_000, 2 << 20
FILE_ROWS, FILE_BYTES = 1_000_000, 32 << 20
DEFAULT_LIMIT = 10.0
_LONGEST_QUERY = 100_000
_SECONDS_TO_START = 60.0
_SECONDS_TO_END = 0.3
# How long a query waits for others, beyond the limit of one: the worker may have to start again.
_SECONDS_TO_WAIT = 20.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of a query: its error, or its rows, or the bytes of a file.

    seconds: how long it took
    """

    error: str | None = None
    columns: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)
    has_more: bool = False
    content: bytes = b""
    seconds: float = 0.0


class Console:
    """Runs one query at a time in a worker process."""

    def __init__(self, about: Callable[[], dict[str, Any]], limit: float = DEFAULT_LIMIT) -> None:
        """`about` returns what the worker opens. `limit` is the time of a query in seconds."""
        self.limit = limit
        self._about = about
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._opened: dict[str, Any] | None = None
        self._is_closed = False

    def warm(self) -> None:
        """Start the worker in the background, so that the first query need not wait for it."""
        threading.Thread(target=self._warm, daemon=True).start()

    def run(self, sql: str, form: str = "page") -> Answer:
        """Return the answer to a query. `form` is page, csv or parquet.

        Queries wait for each other, but not much longer than the limit of one.
        """
        if len(sql) > _LONGEST_QUERY:
            return Answer(error=f"The query has more than {_LONGEST_QUERY:,} characters")
        if not self._lock.acquire(timeout=self.limit + _SECONDS_TO_WAIT):
            return Answer(error="Other queries are running. Try again when they have ended")
        try:
            started = self._start()
            if started is not None:
                return started
            return self._ask(sql, form)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the worker."""
        self._is_closed = True
        worker = self._worker
        if worker is not None and worker.stdin is not None:
            # It removes its temporary files.
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                worker.stdin.close()
                worker.wait(_SECONDS_TO_END)
        self._end()

    def _warm(self) -> None:
        with self._lock:
            self._start()

    def _start(self) -> Answer | None:
        """Start the worker unless it runs; return an answer with the error if it does not start."""
        about = self._about()
        if self._worker is not None and self._worker.poll() is None and self._opened == about:
            return None
        self._end()
        if self._is_closed:
            return Answer(error="The server is ending")
        self._worker, self._opened = children.start("worker"), about
        line, _ = self._exchange(about, _SECONDS_TO_START)
        if line is None:
            return Answer(error="The process for queries did not start. Set REALDB_DEBUG=1")
        if "error" in line:
            self._end()
            return Answer(error=line["error"])
        return None

    def _ask(self, sql: str, form: str) -> Answer:
        rows, size = (PAGE_ROWS, PAGE_BYTES) if form == "page" else (FILE_ROWS, FILE_BYTES)
        begin = time.monotonic()
        query = {"sql": sql, "form": form, "rows": rows, "bytes": size}
        line, content = self._exchange(query, self.limit)
        seconds = time.monotonic() - begin
        if line is None:
            self._end()
            self.warm()
            late = seconds >= self.limit
            why = (
                f"The query was ended after {self.limit:g} seconds, the time limit"
                if late
                else "The process of the query ended. The query may need too much memory"
            )
            return Answer(error=why, seconds=seconds)
        line.pop("bytes", None)
        if line.pop("is_spent", False):
            self._end()
            self.warm()
        return Answer(**line, content=content, seconds=seconds)

    def _exchange(
        self, request: dict[str, Any], limit: float
    ) -> tuple[dict[str, Any] | None, bytes]:
        """Send a line to the worker; return its answer, or None if it ended or was killed.

        The worker is killed at the limit.
        """
        worker = self._worker
        assert worker is not None and worker.stdin is not None and worker.stdout is not None
        killer = threading.Timer(limit, worker.kill)
        killer.start()
        try:
            worker.stdin.write(json.dumps(request).encode() + b"\n")
            worker.stdin.flush()
            text = worker.stdout.readline()
            line: dict[str, Any] = json.loads(text)
            size = int(line.get("bytes", 0))
            content = worker.stdout.read(size) if size else b""
            return (line, content) if len(content) == size else (None, b"")
        except (OSError, ValueError):  # the worker has ended
            return None, b""
        finally:
            killer.cancel()

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill()
        for pipe in (worker.stdin, worker.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(10)
