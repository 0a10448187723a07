"""The process that runs the queries of the SQL console: python -m realdb.browse.worker.

DuckDB's own limits do not hold: `interrupt` does not end a long function call, and `memory_limit`
does not count all memory. So the server kills this process at the time limit, and the operating
system bounds its memory where it can (RLIMIT_AS).

The first line of standard input says what to open, each further line is a query. An answer is a
line of JSON; the bytes of a download follow it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..api.console import Console
from ..errors import RealdbError
from ..store import temporary

if TYPE_CHECKING:
    import duckdb

# What a query may use beyond the memory that the process has after its start.
_MEMORY = 1 << 30
_OUT_OF_MEMORY = "Out of Memory Error"
_BATCH = 200
_LONGEST_CELL = 2_000


class TooLargeError(Exception):
    """The result has more bytes than allowed."""


def main() -> None:
    """Answer queries until standard input is closed."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library prints must not be part of an answer.
    os.dup2(2, sys.stdout.fileno())
    warnings.simplefilter("ignore")
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=[lines], daemon=True).start()
    try:
        console = _opened(json.loads(lines.get()))
    except RealdbError as error:
        _answer(out, {"error": str(error)})
        return
    _bound_memory()
    _answer(out, {"ready": True})
    while True:
        answer, content = _answered(console, json.loads(lines.get()))
        _answer(out, {**answer, "bytes": len(content)}, content)


def _read(lines: queue.SimpleQueue[bytes]) -> None:
    """Read the lines of standard input. A closed one ends the process, whatever it is doing."""
    for line in sys.stdin.buffer:
        lines.put(line)
    temporary.remove_all()
    os._exit(0)


def _opened(about: dict[str, Any]) -> Console:
    predictions = about["predictions"]
    return Console(
        about["root"],
        predictions=Path(predictions) if predictions else None,
        models=about["models"],
    )


def _bound_memory() -> None:
    """Bound the memory of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + _MEMORY, now + _MEMORY))


def _answer(out: BinaryIO, about: dict[str, object], content: bytes = b"") -> None:
    out.write(json.dumps(about).encode() + b"\n" + content)
    out.flush()


def _answered(console: Console, query: dict[str, Any]) -> tuple[dict[str, object], bytes]:
    """Return the answer to a query, and the bytes that follow it."""
    import duckdb

    try:
        rows = console.run(query["sql"])
        if query["form"] == "page":
            return _page(rows, query["rows"], query["bytes"]), b""
        return {}, _file(rows, query["form"], query["rows"], query["bytes"])
    except TooLargeError:
        return {"error": _too_large(query)}, b""
    except (RealdbError, duckdb.Error) as error:
        # After such an error less memory is left for other queries.
        return {"error": str(error), "is_spent": str(error).startswith(_OUT_OF_MEMORY)}, b""
    except MemoryError:
        text = "The query needs more memory than the console has"
        return {"error": text, "is_spent": True}, b""
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}, b""


def _too_large(query: dict[str, Any]) -> str:
    return (
        f"The result has more than {query['rows']:,} rows or {query['bytes'] >> 20} MB. Add a "
        "LIMIT, or use: realdb sql"
    )


def _page(rows: duckdb.DuckDBPyRelation, most: int, size: int) -> dict[str, object]:
    """Return the first rows as text, and whether there are more."""
    from ..exports import lines

    columns, kinds = rows.columns, [str(kind) for kind in rows.types]
    # Text, as DuckDB writes the values. Names may repeat, so the columns are numbered.
    cells = ", ".join(
        f"case when length(#{place}::varchar) > {_LONGEST_CELL} "
        f"then left(#{place}::varchar, {_LONGEST_CELL}) || '…' else #{place}::varchar end "
        f"as c{place}"
        for place in range(1, len(columns) + 1)
    )
    found: list[list[str | None]] = []
    used = 0
    reader = rows.project(cells).limit(most + 1).to_arrow_reader(_BATCH)
    for batch in lines.arrow_batches(reader):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            used += sum(map(len, filter(None, row)))
            if len(found) == most or used > size:
                return _shown(columns, kinds, found, has_more=True)
            found.append([*row])
    return _shown(columns, kinds, found, has_more=False)


def _shown(
    columns: list[str], kinds: list[str], rows: list[list[str | None]], *, has_more: bool
) -> dict[str, object]:
    return {"columns": columns, "kinds": kinds, "rows": rows, "has_more": has_more}


def _file(rows: duckdb.DuckDBPyRelation, form: str, most: int, size: int) -> bytes:
    """Return the rows as CSV or Parquet; TooLargeError if they are too many."""
    from ..exports import csv, parquet, registry

    registry.require_distinct(rows.columns)
    file = _Bounded(size)
    if form == "csv":
        count = -1  # the header
        for batch in csv.batches(rows):
            file.write("".join(f"{line}\n" for line in batch).encode())
            count += len(batch)
            if count > most:
                raise TooLargeError
    else:
        parquet.write_stream(rows.limit(most + 1), file, contextlib.nullcontext)
        if parquet.count_in(file) > most:
            raise TooLargeError
    return file.getvalue()


class _Bounded(io.BytesIO):
    """A file in memory that refuses to grow beyond a size."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def write(self, content: Any, /) -> int:
        if self.tell() + len(content) > self._size:
            raise TooLargeError
        return super().write(content)


if __name__ == "__main__":
    main()
