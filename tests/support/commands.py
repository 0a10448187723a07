"""Run the command line as a process of its own, in a fraction of the time of a new Python.

A server that has imported realdb forks for each command. A command so has its own file descriptors,
environment, working folder, signals and exit code. On other systems than Linux, and with
REALDB_FAULTS=whole, each command is a new Python.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

PYTHON = [sys.executable, "-m", "realdb"]
FORKS = sys.platform == "linux" and os.environ.get("REALDB_FAULTS") != "whole"


def run(
    words: Sequence[object],
    *,
    stdin: str | bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `realdb` with these words; return its exit code and its output, which is UTF-8."""
    done = run_binary(words, stdin=stdin, cwd=cwd, env=env)
    out, err = (text.decode().replace("\r\n", "\n") for text in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def run_binary(
    words: Sequence[object],
    *,
    stdin: str | bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run `realdb` with these words; return its exit code and its output as bytes."""
    content = stdin.encode() if isinstance(stdin, str) else stdin
    command = [*PYTHON, *map(_text, words)]
    if not FORKS:
        return subprocess.run(
            command, input=content, capture_output=True, cwd=cwd, env=env, check=False
        )
    (their_in, our_in), (our_out, their_out), (our_err, their_err) = (os.pipe() for _ in range(3))
    process = Process(words, (their_in, their_out, their_err), cwd=cwd, env=env)
    for theirs in (their_in, their_out, their_err):
        os.close(theirs)
    errors: list[bytes] = []
    threads = [
        threading.Thread(target=_write, args=(our_in, content)),
        threading.Thread(target=lambda: errors.append(_read(our_err))),
    ]
    for thread in threads:
        thread.start()
    out = _read(our_out)
    for thread in threads:
        thread.join()
    return subprocess.CompletedProcess(command, process.wait(), out, *errors)


class Process:
    """A command that runs, with three file descriptors as its streams."""

    def __init__(
        self,
        words: Sequence[object],
        streams: tuple[int, int, int],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._popen = None
        if not FORKS:
            stdin, stdout, stderr = streams
            command = [*PYTHON, *map(_text, words)]
            self._popen = subprocess.Popen(
                command, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env=env
            )
            return
        request = {
            "words": [*map(_text, words)],
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
        }
        text = json.dumps(request).encode()
        socket.send_fds(_server(), [len(text).to_bytes(4)], streams)
        _server().sendall(text)

    def wait(self) -> int:
        """Return the exit code of the command when it has ended."""
        if self._popen:
            return self._popen.wait()
        code = _server().recv(4)
        assert code, "the server of tests/support/commands.py has ended"
        return int.from_bytes(code, signed=True)


def _text(word: object) -> str:
    return os.fsdecode(word) if isinstance(word, bytes) else str(word)


def _read(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        return file.read()


def _write(descriptor: int, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(descriptor, "wb") as file:
        file.write(content)


# The server


@functools.cache
def _server() -> socket.socket:
    """Start the server; return the socket that it listens to. It ends with this process."""
    ours, theirs = socket.socketpair()
    server = subprocess.Popen(
        # A file, as DuckDB prints a progress bar if the main module has none.
        [sys.executable, __file__, str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONWARNINGS": "error",
            # NumPy starts no threads then.
            "OPENBLAS_NUM_THREADS": "1",
        },
    )
    theirs.close()
    # Closing the socket ends the server.
    atexit.register(lambda: (ours.close(), server.wait()))
    return ours


def serve(descriptor: str) -> None:
    """Run each command that is requested, one after another."""
    # What most commands import. A process with threads cannot fork safely: nothing connects to
    # DuckDB here, and pyarrow is left out, which starts a thread.
    for module in ("duckdb", "numpy", "rich.console", "rich.table", "typer"):
        importlib.import_module(module)
    for module in ("cli", "terminal", "tables", "api", "exports.registry", "ingest.predictions"):
        importlib.import_module(f"realdb.{module}")
    with socket.socket(fileno=int(descriptor)) as channel:
        while True:
            size, streams, _, _ = socket.recv_fds(channel, 4, 3)
            if not size:
                return
            text = b""
            while len(text) < int.from_bytes(size):
                text += channel.recv(1 << 16)
            child = os.fork()
            if not child:
                channel.close()
                _become(streams, **json.loads(text))
            for stream in streams:
                os.close(stream)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            channel.sendall(code.to_bytes(4, signed=True))


def _become(streams: Sequence[int], words: list[str], cwd: str, env: dict[str, str]) -> NoReturn:
    """Turn this process into a command."""
    code: Any = 1
    try:
        for place, stream in enumerate(streams):
            os.dup2(stream, place)
            os.close(stream)
        sys.stdin, sys.stdout, sys.stderr = (_stream(place) for place in range(3))
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = ["realdb", *words]
        from realdb import __main__

        __main__.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _stream(place: int) -> io.TextIOWrapper:
    raw = open(place, "rb" if place == 0 else "wb")  # noqa: SIM115, a descriptor
    errors = "backslashreplace" if place == 2 else "strict"
    return io.TextIOWrapper(
        raw, encoding="utf-8", errors=errors, line_buffering=place == 2 or raw.isatty()
    )


if __name__ == "__main__":
    serve(sys.argv[1])
