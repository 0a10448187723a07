"""The terminal: messages, progress bars, signals, exit codes, and a fast exit."""

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

# The commands that always open the store. Startup is most of their run time.
ASKING = (
    *("accuracy", "agreement", "compare", "demo", "doctor", "explain", "leaderboard", "scores"),
    "sql",
)
_HELP = {"-h", "--help"}
_PAIR = re.compile(r"""["'](\w+)["']: ?["']([^"']*)["']""")


# Start and end of a command


def prepare() -> None:
    """Prepare for a command before the command line is imported.

    DuckDB starts in a thread if the command will use it, which saves 13 ms. Disabling garbage
    collection saves 10 ms; a short command does not need it.
    """
    gc.disable()
    if sys.argv[1:2] and sys.argv[1] in ASKING and _HELP.isdisjoint(sys.argv):
        from .store import store as stores

        stores.open_ahead()


def run(app: Typer) -> NoReturn:
    """Run the command line, and exit with its exit code.

    The codes are 0 for success, 1 for invalid data or an invalid query, 2 for usage, 3 for a store
    that cannot be read or written, 130 and 143 for a signal. Every error is printed as one message.
    REALDB_DEBUG=1 shows the traceback instead.
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
    # A pipe on Windows or under LANG=C can encode only names in cp1252 or ASCII.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    # Print a warning as one line on stderr, without the source line that Python adds.
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
    """Print an unexpected error in one line; return the exit code."""
    if os.environ.get("REALDB_DEBUG") == "1":
        raise error
    if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
        # DuckDB raises this error after a signal.
        say("interrupted")
        return _ended_by or 128 + signal.SIGINT
    text = str(error).strip().partition("\n")[0]
    kind = type(error).__name__
    if isinstance(error, BrokenPipeError):  # the reader closed the pipe
        return 1
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, MemoryError):
        text = "There is not enough memory"
    elif isinstance(error, RecursionError):
        text = "The input is nested too deeply"
    else:
        text = f"{kind}: {text}" if text else kind
    say(f"{text}. Set REALDB_DEBUG=1 to see the traceback")
    return 1


# The exit code for the signal that was received; 0 without a signal.
_ended_by = 0


def _end_on_signals() -> None:
    """Make Ctrl-C and SIGTERM end the command within a second.

    Python handles a signal only between its own instructions, and a call of DuckDB can take long.
    So a thread also waits for signals, and exits half a second later if the command still runs. The
    next command removes incomplete files.
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
    """Print the report of one diagnosis. Of several, print the faulty ones and then a table."""
    if len(diagnoses) == 1:
        print(visible(report(app, diagnoses[0])))
        return
    from .api.doctor import verdict_table

    for each in diagnoses:
        if each.is_readable and each.verdict != "sound":
            print(visible(report(app, each)), end="\n\n")
    _table(verdict_table(diagnoses), fold=(), keep=())


def report(app: Typer, diagnosis: Diagnosis) -> str:
    """Return the doctor's report, with the options of the command."""
    text = str(diagnosis).replace(diagnosis.where, visible_cell(diagnosis.where))
    return in_terms_of_the_command(app, text)


def in_terms_of_the_command(app: Typer, text: str) -> str:
    """Return a message of the library with the options of the command that runs."""
    if "`" not in text:
        return text
    return as_options(text, _options(app, sys.argv[1:]))


def refusal(error: RealdbError, options: dict[str, str]) -> str:
    """Return the text of an error for a command. `options` maps its parameters to its options.

    Suggestions with parameters that the command does not have are left out. Parameters of reading a
    prediction file become options of `realdb add`, because the command can use a stored model.
    """
    remedy = possible(error.remedy or "", options.__contains__)
    text = f"{error.message}. {remedy}" if remedy else error.message
    return as_options(text, options)


def as_options(text: str, options: dict[str, str]) -> str:
    """Return a message of the library with command line options in place of its parameters.

    `options` maps the parameters of the command to its options. A parameter without an option loses
    its backticks.
    """

    def option(found: re.Match[str]) -> str:
        name, value = found.groups()
        return _as_option(options[name], value) if name in options else found[0].strip("`")

    def command(found: re.Match[str]) -> str:
        # Options of another command have the names of its parameters.
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
    """Return the options of the command in a command line, by parameter."""
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
    """Make typer build the command `name` only. Building all takes longer than most commands."""
    commands = [
        each
        for each in app.registered_commands
        if name == (each.name or str(getattr(each.callback, "__name__", "")))
    ]
    groups = [each for each in app.registered_groups if name == each.name]
    if commands or groups:
        app.registered_commands, app.registered_groups = commands, groups


def _leave(code: int) -> NoReturn:
    """Exit without shutting the interpreter down, which would take 20 ms.

    All files are written and closed by then.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
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
    """Yield a function that shows progress bars on a terminal, or None if there is no terminal."""
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
    """Print rows as table, json, csv, markdown or parquet.

    The default is table on a terminal, else csv. csv and parquet are streamed. If a stored model is
    removed before the first rows arrive, `again` runs the query a second time. `fold` and `keep`
    are columns as in `tables.print_rows`. Raises QueryError if the query fails, UsageError for
    Parquet on a terminal.
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
            from .store import kept

            if again is None or not kept.is_removal(error):
                raise
            write(again())
    except duckdb.Error as error:
        raise QueryError(str(error)) from None


def chosen(form: str | None) -> str:
    """Return the format that is set, else the default: table for a terminal, csv for a pipe."""
    return form or ("table" if sys.stdout.isatty() else "csv")


# The printed relations. Closing their connection would take 5 ms, and the process ends anyway.
_kept: list[object] = []


class _LateError(QueryError):
    """A query failed after its first rows were printed."""


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
    """Print one array, or nothing if the query fails."""
    from .exports import json, place, registry

    registry.require_distinct(relation.columns)
    with place.standard_output("json", is_text=True) as path:
        json.write_rows(relation, path)


def _table(relation: duckdb.DuckDBPyRelation, *, fold: Sequence[str], keep: Sequence[str]) -> None:
    for note in tables.print_rows(relation, fold=fold, keep=keep):
        say(note)


def emit_explanation(explanation: Explanation, form: str | None) -> None:
    """Print an explanation: as tables, as nested JSON, or as one row for each vote."""
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
        return "No rater was asked about this image. It keeps its original label."
    return "This store has no votes on this image. The votes are read from raters.npz."


def _markdown(relation: duckdb.DuckDBPyRelation) -> None:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    rows = relation.fetchall()
    sys.stdout.write(line([visible_cell(name) for name in relation.columns]))
    sys.stdout.write(line(["---"] * len(relation.columns)))
    for row in rows:
        sys.stdout.write(line([tables.short(value) for value in row]))
