"""What only a terminal needs: messages, progress bars, signals, exit codes, and a fast exit."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from . import tables
from .errors import COMMAND, PARAMETER, QueryError, RealdbError, possible
from .exports.lines import visible, visible_cell
from .store import temporary

if TYPE_CHECKING:
    import duckdb
    from typer import Typer

    from .api.doctor import Diagnoses, Diagnosis
    from .api.explain import Explanation
    from .ingest.progress import Progress

# The commands that ask the store whatever their options are: most of their time is the start.
ASKING = (
    *("accuracy", "agreement", "compare", "demo", "doctor", "explain", "leaderboard", "scores"),
    "sql",
)
_HELP = {"-h", "--help"}
_PAIR = re.compile(r"""["'](\w+)["']: ?["']([^"']*)["']""")


# Start and end of a command


def prepare() -> None:
    """Prepare for a command before the command line is imported.

    DuckDB starts in a thread where the command will ask it: 13 ms. One short command makes no
    garbage worth collecting: 10 ms.
    """
    gc.disable()
    if sys.argv[1:2] and sys.argv[1] in ASKING and _HELP.isdisjoint(sys.argv):
        from .store import store as stores

        stores.open_ahead()


def run(app: Typer) -> NoReturn:
    """Run the command line, and leave with its exit code.

    0 done, 1 data or a query refused, 2 usage, 3 no store that can be read or written, 130 and 143
    ended by a signal. Whatever goes wrong becomes one message here; REALDB_DEBUG=1 shows the
    traceback instead.
    """
    try:
        _leave(_run(app))
    except KeyboardInterrupt:
        _leave(128 + signal.SIGINT)


def _run(app: Typer) -> int:
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115, for good
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115, for good
    if sys.stdout is None:
        say("standard output is closed")
        return 1
    # A pipe on Windows, or one under LANG=C, would take no name beyond ASCII or cp1252.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    # A warning is one line on stderr, without Python's line of code.
    warnings.showwarning = lambda message, *_, **__: say(in_terms_of_the_command(app, str(message)))
    warnings.simplefilter("always")
    _end_on_signals()
    _build_only(app, sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        app(prog_name="realdb")
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > 128:
            say("interrupted")
        return end.code if isinstance(end.code, int) else 0
    except RealdbError as error:
        text = refusal(error, _options(app, sys.argv[1:]))
        if error.file:
            text = text.replace(error.file, visible_cell(error.file))
        say(text)
        return error.exit_code
    except Exception as error:
        return _unforeseen(error)
    return 0


def _unforeseen(error: Exception) -> int:
    """Print what went wrong in one line; return the exit code."""
    if os.environ.get("REALDB_DEBUG") == "1":
        raise error
    if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
        # What DuckDB makes of a signal.
        say("interrupted")
        return _ended_by or 128 + signal.SIGINT
    text = str(error).strip().partition("\n")[0]
    kind = type(error).__name__
    if isinstance(error, BrokenPipeError):  # the reader of the pipe has seen enough
        return 1
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, MemoryError):
        text = "not enough memory"
    elif isinstance(error, RecursionError):
        text = "the input is nested too deeply"
    else:
        text = f"{kind}: {text}" if text else kind
    say(f"{text}. REALDB_DEBUG=1 shows where")
    return 1


# The exit code of the signal that has asked the command to end; 0 without any.
_ended_by = 0


def _end_on_signals() -> None:
    """Have Ctrl-C and SIGTERM end the command within a second, whatever it is doing.

    Python handles a signal only between its own steps, and some of DuckDB's take long. So a thread
    watches for it as well, and leaves half a second later if the command has not. The next command
    removes what is half written.
    """
    import threading
    import time

    def end(number: int, _: object) -> NoReturn:
        global _ended_by
        _ended_by = 128 + number
        sys.exit(_ended_by)

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        signal.signal(number, end)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch() -> None:
        while True:
            number = os.read(reading, 1)[0]
            if number in numbers:
                time.sleep(0.5)
                say("interrupted")
                temporary.remove_all()
                os._exit(128 + number)

    threading.Thread(target=watch, daemon=True).start()


def say(text: str) -> None:
    """Print a message on stderr."""
    print(f"realdb: {visible(text)}", file=sys.stderr)


def print_reports(app: Typer, diagnoses: Diagnoses) -> None:
    """Print the report of one diagnosis; of several a table, below the reports of the faulty."""
    if len(diagnoses) == 1:
        print(visible(report(app, diagnoses[0])))
        return
    from .api.doctor import verdict_table

    for each in diagnoses:
        if each.is_readable and each.verdict != "sound":
            print(visible(report(app, each)), end="\n\n")
    _table(verdict_table(diagnoses), fold=(), keep=())


def report(app: Typer, diagnosis: Diagnosis) -> str:
    """Return what the doctor has found, with the options of the command."""
    text = str(diagnosis).replace(diagnosis.where, visible_cell(diagnosis.where))
    return in_terms_of_the_command(app, text)


def in_terms_of_the_command(app: Typer, text: str) -> str:
    """Return a message of the library with the options of the command that runs."""
    if "`" not in text:
        return text
    return as_options(text, _options(app, sys.argv[1:]))


def refusal(error: RealdbError, options: dict[str, str]) -> str:
    """Return the text of an error for a command with these options, by their parameters.

    What the remedy says of parameters that the command does not have is left out. Those of reading
    a prediction file become options of `realdb add`, as the command takes a stored model as well.
    """
    remedy = possible(error.remedy or "", options.__contains__)
    text = f"{error.message}. {remedy}" if remedy else error.message
    return as_options(text, options)


def as_options(text: str, options: dict[str, str]) -> str:
    """Return a message of the library with its parameters as options of the command line.

    `options` maps the parameters of the command to its options. A parameter that the command does
    not have is named without the backticks.
    """

    def option(found: re.Match[str]) -> str:
        name, value = found.groups()
        return _as_option(options[name], value) if name in options else found[0].strip("`")

    def command(found: re.Match[str]) -> str:
        # Of another command: its options are called as the parameters are.
        found_parameters = PARAMETER.findall(found[2])
        words = [
            _as_option(f"--{name.replace('_', '-')}", value) for name, value in found_parameters
        ]
        return " ".join([found[1], *words])

    return PARAMETER.sub(option, COMMAND.sub(command, text))


def _as_option(option: str, value: str | None) -> str:
    if not value or value == "True":
        return option
    pairs = ",".join(f"{key}={column}" for key, column in _PAIR.findall(value))
    return f"{option} {pairs or value.strip(chr(34) + chr(39))}"


def _options(app: Typer, words: list[str]) -> dict[str, str]:
    """Return the options of the command that the words call, by their parameters."""
    import typer

    command: Any = typer.main.get_command(app)
    found: dict[str, str] = {}
    for word in ["", *words]:
        if word and word not in getattr(command, "commands", {}):
            continue
        command = command.commands[word] if word else command
        found |= {
            param.name: param.opts[0] if param.param_type_name == "option" else param.name.upper()
            for param in command.params
        }
    return found


def _build_only(app: Typer, name: str) -> None:
    """Let typer build the command `name` alone: all of them take longer than most take to run."""
    commands = [
        each
        for each in app.registered_commands
        if name == (each.name or str(getattr(each.callback, "__name__", "")))
    ]
    groups = [each for each in app.registered_groups if name == each.name]
    if commands or groups:
        app.registered_commands, app.registered_groups = commands, groups


def _leave(code: int) -> NoReturn:
    """Exit at once: all is written and closed, and taking the interpreter down costs 20 ms."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of the pipe has seen enough
        code = code or 1
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            say(f"standard output cannot be written: {getattr(error, 'strerror', error)}")
        code = code or 1
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    temporary.remove_all()
    os._exit(code)


@contextlib.contextmanager
def progress() -> Iterator[Progress | None]:
    """Yield what shows progress bars on a terminal, and None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(task: str, done: int, total: int) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task)
            bars.update(tasks[task], completed=done, total=total)

        yield show


# Rows


def emit(
    rows: duckdb.DuckDBPyRelation,
    form: str | None,
    again: Callable[[], duckdb.DuckDBPyRelation] | None = None,
    *,
    fold: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> None:
    """Print rows as table, json, csv, markdown or parquet; by default a table on a terminal.

    csv and parquet are printed as the rows come. Where a stored model is removed before the first
    are there, `again` is called for them. `fold` and `keep` are columns as in `tables.print_rows`.
    Raises QueryError where the query fails as it runs,
    UsageError where Parquet would go to a terminal.
    """
    import duckdb

    _kept.append(rows)
    form = chosen(form)
    own: dict[str, Callable[[duckdb.DuckDBPyRelation], None]] = {
        "table": partial(_table, fold=fold, keep=keep),
        "markdown": _markdown,
        "csv": _csv,
        "parquet": _parquet,
    }
    write = own.get(form) or _json
    try:
        try:
            write(rows)
        except duckdb.Error as error:
            from .store import prediction_sets

            if again is None or not prediction_sets.is_removal(error):
                raise
            write(again())
    except duckdb.Error as error:
        raise QueryError(str(error)) from None


def chosen(form: str | None) -> str:
    """Return the format that is set, else the default: a table on a terminal, csv into a pipe."""
    return form or ("table" if sys.stdout.isatty() else "csv")


# What was printed: to take its connection down takes 5 ms, and the process ends anyway.
_kept: list[object] = []


class _LateError(QueryError):
    """A query has failed after its first rows were printed."""


@contextlib.contextmanager
def _after_first_rows() -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise _LateError(f"the query failed after its first rows: {error}") from None


def _csv(relation: duckdb.DuckDBPyRelation) -> None:
    from .exports import csv

    batches = csv.batches(relation)
    batch: list[str] | None = next(batches)
    is_seen = sys.stdout.isatty()
    with _after_first_rows():
        while batch is not None:
            text = "".join(f"{line}\n" for line in batch)
            sys.stdout.write(visible(text) if is_seen else text)
            batch = next(batches, None)


def _parquet(relation: duckdb.DuckDBPyRelation) -> None:
    from .exports import parquet, place, registry

    registry.require_distinct(relation.columns)
    place.require_no_terminal("parquet")
    parquet.write_stream(relation, sys.stdout.buffer, _after_first_rows)


def _json(relation: duckdb.DuckDBPyRelation) -> None:
    """Print one array, or nothing where the query fails."""
    from .exports import json, place, registry

    registry.require_distinct(relation.columns)
    with place.standard_output("json", is_text=True) as path:
        json.write_rows(relation, path)


def _table(relation: duckdb.DuckDBPyRelation, *, fold: Sequence[str], keep: Sequence[str]) -> None:
    for note in tables.print_rows(relation, fold=fold, keep=keep):
        say(note)


def emit_explanation(explanation: Explanation, form: str | None) -> None:
    """Print all that is known of an image: tables for people, nested in JSON, or a row a vote."""
    from .api.explain import vote_table

    form = form or ("table" if sys.stdout.isatty() else "csv")
    if form == "table":
        for note in tables.print_explanation(explanation, _why_no_questions(explanation)):
            say(note)
    elif form == "json":
        import json

        text = json.dumps(explanation.as_dict(), indent=2, ensure_ascii=False) + "\n"
        sys.stdout.write(visible(text) if sys.stdout.isatty() else text)
    else:
        emit(vote_table(explanation), form)
        if not explanation.questions:
            say(_why_no_questions(explanation))


def _why_no_questions(explanation: Explanation) -> str:
    if explanation.is_rated is False:
        return "No rater was asked about this image: it keeps its original label."
    return "This store has no votes on it: they come from raters.npz."


def _markdown(relation: duckdb.DuckDBPyRelation) -> None:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    rows = relation.fetchall()
    sys.stdout.write(line([visible_cell(name) for name in relation.columns]))
    sys.stdout.write(line(["---"] * len(relation.columns)))
    for row in rows:
        sys.stdout.write(line([tables.short(value) for value in row]))
