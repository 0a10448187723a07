"""Tables for people: no number is cut at any width."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import realdb
from campaigns import some
from realdb import cli, terminal
from realdb.store.store import Store
from shown import cell, shows

Capture = pytest.CaptureFixture[str]
Table = Callable[..., tuple[str, str]]


@pytest.fixture
def table(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Table:
    """Return a function that prints a query's rows as a table: what goes to stdout and stderr."""

    def table(rows: Any, width: int = 80, **columns: list[str]) -> tuple[str, str]:
        monkeypatch.setenv("COLUMNS", str(width))
        terminal.emit(duckdb.query(rows) if isinstance(rows, str) else rows, "table", **columns)
        return tuple(capsys.readouterr())  # type: ignore[return-value]

    return table


# Any rows


@pytest.mark.parametrize("count", [1, 6])
def test_six_columns_of_texts_and_numbers(count: int, table: Table) -> None:
    """On 80 columns 123456 was printed as `1`."""
    query = f"""
        select
            'two short words' as a,
            'three short words' as b,
            123456 as n,
            987654321 as c,
            'and another few words' as d,
            'and yet some more text' as e
        from range({count})
    """
    for width in some(range(40, 201), 40):
        words = table(query, width)[0].split()
        assert words.count("123456") == words.count("987654321") == count


# Without digits and spaces, so that the numbers of the output are the table's numbers.
LETTERS = st.sampled_from("abcxyzÄßя鶴亀한😀é")
WORDS = st.text(LETTERS, min_size=1, max_size=20)
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    pa.string(): WORDS | TEXTS,
    pa.int64(): st.integers(-(2**63), 2**63 - 1) | st.integers(0, 50_000),
    pa.float64(): st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, 1),
    pa.bool_(): st.booleans(),
    pa.timestamp("us"): st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
}
NAMES = st.lists(
    st.text("abcdefgh_", min_size=1, max_size=20).filter(lambda name: name.strip("_")),
    min_size=1,
    max_size=12,
    unique=True,
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    names = draw(NAMES)
    kinds = [draw(st.sampled_from(list(VALUES))) for _ in names]
    count = draw(st.integers(0, 6))
    columns = [
        pa.array([draw(st.none() | VALUES[kind]) for _ in range(count)], kind) for kind in kinds
    ]
    return pa.table(columns, names=names)


def in_full(text: str, output: str) -> bool:
    return re.search(rf"(?<!\S){re.escape(text)}(?!\S)", output) is not None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tables(), width=st.integers(40, 200))
@example(rows=pa.table({"a": ["鶴" * 40], "n": [123456]}), width=41)
@example(rows=pa.table({"a": pa.array([None, None], pa.string())}), width=40)
def test_no_digit_is_cut(rows: pa.Table, width: int, table: Table) -> None:
    relation = duckdb.from_arrow(rows)
    out, err = table(relation, width)
    values = [value for column in rows.to_pydict().values() for value in column]
    numbers = [value for value in values if value is not None and not isinstance(value, str)]
    shown = [word for number in numbers for word in cell(number).split()]
    # Each number as often as there are rows with it, and none besides: a part of one, say.
    words = out.replace("…", " ").split()
    of_numbers = [word for word in words if re.search(r"\d", word) or word in ("True", "False")]
    assert Counter(of_numbers) == Counter(shown)

    # Each text is whole, or it begins in the same way and ends in `…`.
    cut = re.findall(r"(\S[^…─\n]*)…", out)
    for value in filter(None, (v for v in values if isinstance(v, str))):
        assert in_full(value, out) or any(
            value.startswith(part) for text in cut for part in endings(text)
        )
    for text in cut:
        assert any(
            str(value).startswith(part) for value in values for part in endings(text) if part
        )

    # No line is wider than the terminal, where names and numbers leave a choice.
    parts = [part for name in rows.column_names for part in name.split("_")]
    least = max(map(cell_len, parts)) + 3 + max([1, *map(cell_len, map(cell, numbers))])
    assert all(cell_len(line) <= max(width, least) for line in out.splitlines())

    # Columns are left out where they are empty, and the note says so.
    empty = [name for name, column in rows.to_pydict().items() if not any(map(cell, column))]
    if rows.num_rows == 0 or len(empty) == rows.num_columns:
        empty = []
    assert bool(err) == bool(empty)
    if empty:
        assert err.rstrip("\n").endswith(": " + ", ".join(empty))


def endings(text: str) -> list[str]:
    """Return what may be the cell at the end of a part of a line."""
    return [text[place:].rstrip() for place in range(len(text)) if text[place - 1 : place] in " "]


def test_shortened_names_stay_distinct(table: Table) -> None:
    """If shortened names were equal, the rows are printed as blocks."""
    numbers = ", ".join(f"i / 7 as number_{place}" for place in range(5))
    alike = f"select 'vit_base_patch16_' || i as model, {numbers} from range(20) as r(i)"
    different = f"select i || '_vit_base_patch16' as model, {numbers} from range(20) as r(i)"
    lines = table(different, 60)[0].splitlines()
    assert sum("…" in line for line in lines) == 20
    out = table(alike, 60)[0]
    assert all(re.search(rf"\bvit_base_patch16_{i}\b", out) for i in range(20))


def test_a_list_is_wrapped_between_values(table: Table) -> None:
    out, _ = table("select range(100000, 100040) as numbers, 'a b' as c", 40)
    assert [int(number) for number in re.findall(r"\d+", out)] == [*range(100000, 100040)]
    assert all(len(line) <= 40 for line in out.splitlines())


def test_prose_is_wrapped_between_words(table: Table) -> None:
    prose = " ".join(f"word{place}" for place in range(40))
    rows = f"select 'a' as name, '{prose}' as about, '{prose}' as other"
    out, err = table(rows, 60, fold=["about"])
    assert all(re.search(rf"\bword{place}\b", out) for place in range(40))
    assert "…" in out, "the other is shortened"
    assert not err


@pytest.mark.parametrize(("count", "width"), [(9, 60), (9, 500), (3, 60), (9, 15)])
def test_columns_of_many_rows_that_do_not_fit(count: int, width: int, table: Table) -> None:
    """No column is left out with few rows, or if the remaining columns do not fit either."""
    longest = "a text of some forty characters, or more " * 2
    texts = ", ".join(f"'{longest}' || i as text_{place}" for place in range(4))
    rows = f"select 1000 + i as id, {texts}, 123456789012 + i as n from range({count}) as r(i)"
    out, err = table(rows, width, keep=["id", "n"])
    is_short = (count, width) == (9, 60)
    assert names_left_out(err) == ({f"text_{i}" for i in range(4)} if is_short else set())
    assert ("text" in out) != is_short
    for place in range(count):
        assert in_full(str(1000 + place), out)
        assert in_full(str(123456789012 + place), out)


@pytest.mark.parametrize("width", [40, 200])
def test_a_table_of_no_rows_has_its_columns(width: int, table: Table) -> None:
    names = [f"a_long_name_{place}" for place in range(9)]
    columns = ", ".join(f"{place} as {name}" for place, name in enumerate(names))
    out, err = table(f"select {columns} limit 0", width)
    assert all(name in out for name in names)
    assert not err


def test_columns_that_are_all_empty_stay(table: Table) -> None:
    out, err = table("select null as a, '' as b", 80)
    assert out.split()[:2] == ["a", "b"]
    assert not err


def test_control_characters_in_names_and_notes_are_escaped(table: Table) -> None:
    out, err = table("""select 1 as "a\x1b[2J", null as "b\x1b[2J" """)
    assert "a\\x1b[2J" in out
    assert "b\\x1b[2J" in err
    assert "\x1b" not in out + err


# All commands


@pytest.fixture(scope="module")
def store(
    synthetic_store: Store, synthetic: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a store with twenty models, all but two with predictions for 2,000 images."""
    root = tmp_path_factory.mktemp("tables") / "store"
    # Nothing reads realdb.duckdb.
    shutil.copytree(synthetic_store.root, root, ignore=shutil.ignore_patterns("realdb.duckdb"))
    file = tmp_path_factory.mktemp("models") / "twenty.parquet"
    files = [str(synthetic / "predictions" / f"model_{name}.csv") for name in "ab"]
    # In one file, as twenty files are read and judged one by one.
    duckdb.read_csv(files, filename=True).query(
        "given",
        "select parse_filename(filename, true) || '.' || n as model, * exclude (filename) "
        "from given cross join range(10) as numbers(n) "
        "where n = 0 or file_name <= 'ILSVRC2012_val_00002000.JPEG'",
    ).write_parquet(str(file))
    with pytest.warns(realdb.RealdbWarning, match="2,000 of the 50,000 images"):
        realdb.add(file, store=root)
    return root


# {a} and {b} are prediction files.
COMMANDS = [
    "accuracy {a}",
    "accuracy {a} {b}",
    "accuracy {a} --by class",
    "accuracy {a} {b} --by label-count",
    "accuracy {a} {b} --by animal",
    "add {a} --model model_a.0",
    "agreement --bootstrap 0",
    "agreement --bootstrap 9 --by animal",
    "agreement --bootstrap 0 --by class",
    "info",
    "leaderboard",
    "models",
    "scores",
    "scores --golden-majority 4",
    "scores --golden-majority 4 --changes",
    "scores verify",
    "verify",
    "views",
    "views accuracy",
    "views scored_predictions",
]
# The columns that are left out of many rows at 80 columns.
DOES_NOT_FIT = {
    "accuracy {a} --by class": [
        *("wordnet_id", "real_accuracy_low", "real_accuracy_high", "correct_images"),
        "predicted_images",
    ],
    "info": ["sha256", "origin"],
    "leaderboard": [
        *("real_accuracy_low", "real_accuracy_high", "scored_images", "original_accuracy"),
        "is_ground_truth",
    ],
    "models": ["rows", "format", "bytes", "sha256"],
    "views": ["grain"],
}
QUERIES = [
    "from pipeline_rules",
    "from rated_questions limit 30",
    "from sources",
    "from build",
]


def run(words: list[str], form: str | None, capsys: Capture) -> tuple[str, str]:
    """Run a command in this process, as on a terminal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.stdout, "isatty", lambda: True)
        cli.app([*words, *(["--format", form] if form else [])], standalone_mode=False)
    out, err = capsys.readouterr()
    return re.sub("\x1b\\[[0-9;]*m", "", out), err


@pytest.fixture
def at_80_columns(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("REALDB_HOME", str(store))


@pytest.mark.cases(4)
@pytest.mark.usefixtures("at_80_columns")
@pytest.mark.filterwarnings("ignore:the models are scored on:realdb.RealdbWarning")
@pytest.mark.parametrize("command", [*COMMANDS, *QUERIES])
def test_a_table_shows_the_rows_of_csv_and_json(
    command: str, synthetic: Path, capsys: Capture
) -> None:
    words = ["sql", command] if command in QUERIES else command.split()
    files = {name: synthetic / "predictions" / f"model_{name}.csv" for name in "ab"}
    words = [word.format(**files) for word in words]
    header, *lines = csv.reader(io.StringIO(run(words, "csv", capsys)[0]))
    objects = json.loads(run(words, "json", capsys)[0])
    out, err = run(words, None, capsys)

    assert [list(each.values()) for each in objects] == [
        [same(text, value) for text, value in zip(line, each.values(), strict=True)]
        for line, each in zip(lines, objects, strict=True)
    ]
    assert all(list(each) == header for each in objects)

    rows = [[steady(cell(each[name])) for name in header] for each in objects[:1000]]
    left_out = names_left_out(err)
    full = [place for place, name in enumerate(header) if name not in left_out]
    assert shows(
        steady(out),
        [header[place] for place in full],
        [[row[place] for place in full] for row in rows],
    ), out
    empty = {
        name for place, name in enumerate(header) if rows and not any(row[place] for row in rows)
    }
    assert empty <= left_out
    assert left_out - empty == {*DOES_NOT_FIT.get(command, ())}
    assert all(cell_len(line) <= 80 for line in out.splitlines())


def names_left_out(notes: str) -> set[str]:
    """Return the names of the columns that a table is printed without."""
    found = re.findall(r"left out: ([a-z0-9_, ]+)", notes)
    return {name for names in found for name in names.split(", ")}


def steady(text: str) -> str:
    """Make the smallest differences alike: they depend on the order of threads."""
    return re.sub(r"\b\d(\.\d+)?e-1\d\b", "1e-16", text)


def same(text: str, value: Any) -> Any:
    """Return the value if csv has the same, else csv's text."""
    if isinstance(value, bool):
        return value if text == str(value).lower() else text
    if isinstance(value, float):
        return value if float(text) == pytest.approx(value, abs=1e-12) else text
    return value if text == ("" if value is None else str(value)) else text


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_has_a_width(width: int, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without COLUMNS, that of the terminal itself counts."""
    pty = pytest.importorskip("pty", reason="there are no terminals like this on Windows")
    termios = pytest.importorskip("termios")
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, width))
    command = [sys.executable, "-m", "realdb", "models", "--store", str(store)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        out = ""
        with contextlib.suppress(OSError), os.fdopen(ours, encoding="utf-8") as file:
            for line in file:
                out += line
    assert process.returncode == 0
    lines = re.sub("\x1b\\[[0-9;]*m", "", out).splitlines()
    # The rows and the images of each model, or its images alone.
    assert sum(line.split().count("2000") for line in lines) in (18, 2 * 18)
    table = [line for line in lines if not line.startswith("realdb: ")]
    assert max(map(cell_len, table)) in range(width - 30, width + 1)


@pytest.mark.cases(2)
@pytest.mark.usefixtures("at_80_columns")
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_an_explanation_shows_the_values_of_csv_and_json(
    width: int, store: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    ((image,),) = realdb.query("select min(image_id) from golden_truths", store=store).fetchall()
    words = ["explain", str(image)]
    votes = list(csv.DictReader(io.StringIO(run(words, "csv", capsys)[0])))
    said = json.loads(run(words, "json", capsys)[0])
    out, _ = run(words, None, capsys)
    assert len(votes) == sum(len(question["votes"]) for question in said["questions"])
    for vote in votes:
        assert (
            f"{vote['rater_id']}: {vote['answer']} {float(vote['log_likelihood_ratio']):+.3f}"
            in out
        )
        assert in_full(vote["label"], out)
    for question in said["questions"]:
        parts = [question[f"{part}_evidence"] for part in ("raters", "original", "prior")]
        for number in (*parts, sum(parts)):
            assert in_full(f"{number:+.3f}", out)
        assert in_full(f"{question['recomputed_score']:.6f}", out)
    for choice in said["models"]:
        assert choice["model"] in out
    assert all(cell_len(line) <= width for line in out.splitlines())
