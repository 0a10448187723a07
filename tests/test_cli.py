from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

import commands
import realdb
from realdb import cli, terminal
from realdb.store.store import Store

SCRIPT = Path(sysconfig.get_path("scripts")) / ("realdb.exe" if os.name == "nt" else "realdb")
REALDB = [str(SCRIPT)] if SCRIPT.is_file() else [sys.executable, "-m", "realdb"]
GROUP: Any = typer.main.get_command(cli.app)
COMMANDS = sorted(GROUP.commands)
# What a command is called in the library, where that is another name.
TWINS = {"labels": "label_sets", "sql": "query"}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(synthetic_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs realdb in an empty folder with a store and checks the exit code.

    Whatever happens, there is no traceback.
    """
    monkeypatch.setenv("REALDB_HOME", str(synthetic_store.root))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: object, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = commands.run(arguments, stdin=stdin, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def model_a(synthetic: Path) -> Path:
    return synthetic / "predictions" / "model_a.csv"


@pytest.fixture(scope="module")
def expected(model_a: Path, synthetic_store: Store) -> dict[str, Any]:
    return asdict(realdb.accuracy(model_a, store=synthetic_store.root))


# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_and_a_twin(command: str, run: Run) -> None:
    done = run(command, "--help")
    assert f"Example: realdb {command}" in done.stdout
    assert not done.stderr
    assert TWINS.get(command, command) in realdb.__all__


def test_every_call_has_a_command_or_is_listed() -> None:
    twins = {TWINS.get(command, command) for command in COMMANDS}
    calls = {name for name in realdb.__all__ if name.islower()}
    assert calls - twins == {
        *("accuracy_table", "connect", "real_labels", "view_sql"),
        "charts",  # the module
        "verify_scores",  # realdb scores verify
        # realdb labels add, compare, remove; realdb groups add, remove
        *("add_labels", "compare_labels", "remove_labels", "add_groups", "remove_groups"),
    }


def test_help(run: Run) -> None:
    done = run("--help")
    assert all(f"\n  {command} " in done.stdout for command in COMMANDS)
    assert run("-h").stdout == done.stdout


@pytest.mark.parametrize("command", [["accuracy"], ["scores", "verify"]])
def test_a_command_built_alone_is_the_same(command: list[str], run: Run) -> None:
    whole = CliRunner().invoke(cli.app, [*command, "--help"], prog_name="realdb")
    # Where lines break depends on the terminal.
    assert run(*command, "--help").stdout.split() == whole.stdout.split()


@pytest.mark.skipif(os.name == "nt", reason="there are no such terminals on Windows")
@pytest.mark.parametrize("columns", [80, 120])
def test_summaries_are_whole(columns: int) -> None:
    text = " ".join(on_a_terminal([*REALDB, "--help"], columns).split())
    for command in COMMANDS:
        summary = " ".join(command_of([command]).help.split()).partition(".")[0]
        assert f" {command} {summary}." in text


def on_a_terminal(command: Sequence[str], columns: int) -> str:
    """Return what a command prints on a terminal of that width; no line of it is too wide."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        read = b""
        try:
            while more := os.read(ours, 1 << 16):
                read += more
        except OSError:  # the terminal is closed, on Linux
            pass
        assert process.wait() == 0
    os.close(ours)
    text = read.decode().replace("\r\n", "\n")
    assert max(map(len, text.splitlines())) <= columns
    return text


def test_a_misspelt_command_gets_suggestions(run: Run) -> None:
    assert "Did you mean 'accuracy'?" in run("acuracy", code=2).stderr


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"realdb {realdb.__version__}\n"


# Output


def from_csv(text: str) -> dict[str, str]:
    (row,) = csv.DictReader(io.StringIO(text))
    return row


def from_json(text: str) -> dict[str, Any]:
    (row,) = json.loads(text)
    return dict(row)


def from_markdown(text: str) -> dict[str, str]:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    header, _, row = rows
    return dict(zip(header, row, strict=True))


def from_table(text: str) -> dict[str, str]:
    """Read the table turned on its side, as it stands on 100 columns."""
    lines = [line.split() for line in text.splitlines() if line.strip(" ─")]
    return {line[0]: " ".join(line[1:]) for line in lines}


@pytest.mark.parametrize(
    ("form", "parse", "places"),
    [
        ((), from_csv, 1e-15),
        (("--format", "csv"), from_csv, 1e-15),
        (("--format", "json"), from_json, 1e-15),
        (("--format", "markdown"), from_markdown, 1e-6),
        (("--format", "table"), from_table, 1e-6),
    ],
)
def test_every_format_gives_the_same_numbers(
    form: tuple[str, ...],
    parse: Callable[[str], dict[str, Any]],
    places: float,
    run: Run,
    model_a: Path,
    expected: dict[str, Any],
) -> None:
    done = run("accuracy", model_a, *form)
    row = parse(done.stdout)
    shown = [name for name, value in expected.items() if "table" not in form or value is not None]
    assert list(row) == shown
    assert bool(done.stderr) == (len(shown) < len(expected))
    assert row.pop("model") == "model_a"
    numbers = {name: None if cell in ("", None) else float(cell) for name, cell in row.items()}
    assert numbers == pytest.approx({name: expected[name] for name in row}, abs=places)


@pytest.mark.usefixtures("run")  # for its environment
def test_parquet(model_a: Path, tmp_path: Path, expected: dict[str, Any]) -> None:
    command = [*REALDB, "accuracy", str(model_a), "--format", "parquet"]
    with (tmp_path / "out.parquet").open("wb") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=True)
    assert not done.stderr
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [expected]


def test_messages_go_to_stderr(run: Run, tmp_path: Path) -> None:
    (tmp_path / "part.csv").write_text("image,label\n1,2\n", encoding="utf-8")
    done = run("accuracy", "part.csv", "--format", "json")
    assert from_json(done.stdout)["predicted_images"] == 1
    assert "1 of the 50,000 images" in done.stderr
    assert all(line.startswith("realdb: ") for line in done.stderr.splitlines())


@pytest.mark.usefixtures("run")
def test_a_closed_pipe_is_no_error() -> None:
    command = [*REALDB, "sql", "select * from labels"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().split() == [b"image_id,label,position"]
        process.stdout.close()
        talk = process.stderr.read()
    assert b"Traceback" not in talk
    assert b"Exception" not in talk


def test_a_query_that_fails_as_it_runs_prints_nothing(run: Run) -> None:
    done = run("sql", "select label, error('no') from labels", code=1)
    assert (done.stdout, done.stderr) == ("", "realdb: Invalid Input Error: no\n")


# Commands


def test_accuracy_of_several_files(run: Run, synthetic: Path) -> None:
    done = run("accuracy", *(synthetic / "predictions").glob("*.csv"), "--by", "animal")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["model"], row["is_animal"]) for row in rows] == [
        (model, is_animal) for model in ("model_a", "model_b") for is_animal in ("false", "true")
    ]


def test_accuracy_with_every_option(run: Run, model_a: Path, synthetic_store: Store) -> None:
    text = model_a.read_text(encoding="utf-8").replace("predicted_class", "top1")
    options = ["--threshold", 0.5, "--empty", "wrong", "--require-complete", "--model", "m"]
    options += ["--columns", "label=top1, image=file_name", "--input-format", "csv"]
    done = run("accuracy", "-", *options, stdin=text)
    result = realdb.accuracy(model_a, threshold=0.5, empty="wrong", store=synthetic_store.root)
    found = from_csv(done.stdout)
    assert found["model"] == "m"
    assert float(found["real_accuracy"]) == result.real_accuracy
    assert int(found["scored_images"]) == 50_000


def test_accuracy_of_standard_input(run: Run, model_a: Path, expected: dict[str, Any]) -> None:
    done = run("accuracy", "-", stdin=model_a.read_text(encoding="utf-8"))
    assert from_csv(done.stdout)["model"] == "stdin"
    assert float(from_csv(done.stdout)["real_accuracy"]) == expected["real_accuracy"]


def test_sql(run: Run, model_a: Path) -> None:
    by_stem = run("sql", "select count(*) as n from model_a", model_a)
    assert by_stem.stdout == "n\n50000\n"
    from_stdin = run("sql", "-", model_a, stdin="select count(*) as n\nfrom predictions\n")
    assert from_stdin.stdout == by_stem.stdout


def test_info_and_views(run: Run, synthetic_store: Store) -> None:
    info = list(csv.DictReader(io.StringIO(run("info").stdout)))
    assert {row["table"]: int(row["rows"]) for row in info} == synthetic_store.tables
    views = [row["name"] for row in csv.DictReader(io.StringIO(run("views").stdout))]
    assert views == [name for _, name, _, _ in realdb.views().fetchall()]
    columns = [row["column"] for row in csv.DictReader(io.StringIO(run("views", "labels").stdout))]
    assert columns == ["image_id", "label", "position"]
    assert run("views", "accuracy", "--sql").stdout == realdb.view_sql("accuracy")


def test_a_pipe_that_is_not_utf8(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    assert run("sql", "select '鶴' as crane").stdout == "crane\n鶴\n"


def test_ingest(run: Run, synthetic: Path, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    for name in ("real.json", "validation_labels.txt", "labels.txt"):
        shutil.copy(synthetic / name, tmp_path / "few")
    done = run("ingest", "few", "--store", "made")
    assert not done.stdout
    *warned, last = done.stderr.splitlines()
    assert last.startswith("realdb: made: 50,000 images, ")
    assert "few does not have all files, " in warned.pop()
    assert all(" differs from the published " in line for line in warned)
    assert len(warned) == 3
    assert "images,50000," in run("info", "--store", "made").stdout


def test_demo_on_synthetic_data(run: Run) -> None:
    """The demo needs no network and no store, and creates no store."""
    done = run("demo", "--synthetic", "--store", "none")
    assert all("_top5_accuracy" in line for line in done.stderr.splitlines())  # they are empty
    assert done.stdout.count("?\n") == 4
    assert "original labels" in done.stdout


def test_demo_with_the_store(run: Run) -> None:
    assert "real_accuracy " in run("demo").stdout


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "code", "facts"),
    [
        (["accuracy", "absent.csv"], 1, ("absent.csv",)),
        (["accuracy", "no*.csv"], 1, ("no*.csv",)),
        (["accuracy", "text.md"], 1, ("text.md", "image")),
        (["accuracy", "wrong.csv"], 1, ("wrong.csv", "1 of 1 rows", "label", "'1000'")),
        (["accuracy", "one.csv", "--require-complete"], 1, ("one", "--require-complete", "50,000")),
        (["accuracy", "one.csv", "one.csv"], 1, ("one.csv", "'one'")),
        (["accuracy", "one.csv", "--columns", "label=top1"], 1, ("one.csv", "'top1'")),
        (["accuracy", "one.csv", "--columns", "label"], 2, ("image=NAME,label=NAME", "'label'")),
        (["accuracy", "one.csv", "--columns", "file=image"], 2, ("'file'", "image", "label")),
        (["accuracy", "one.csv", "--input-format", "xls"], 2, ("'xls'", "parquet, ")),
        (["accuracy", "one.csv", "--threshold", "2"], 2, ("--threshold", "2.0")),
        (["accuracy", "one.csv", "--store", "none"], 3, (" none", "realdb ingest")),
        (["accuracy", "one.csv", "--store", "one.csv"], 3, ("one.csv",)),
        (["sql", "drop table labels"], 1, ("SELECT",)),
        (["sql", "select 1", "labels.csv"], 1, ("labels.csv", "'labels'")),
        (["sql", "select 1", "--store", "none"], 3, (" none", "realdb ingest")),
        (["views", "labls"], 1, ("'labls'", " labels")),
        (["views", "labls", "--sql"], 1, ("'labls'", " labels")),
        (["views", "--sql"], 2, ("--sql", "realdb views accuracy --sql")),
        (["info", "--store", "none"], 3, (" none", "realdb ingest")),
        (["ingest", "absent"], 1, ("absent",)),
        (["ingest", "one.csv"], 1, ("one.csv",)),
        (["ingest", "."], 1, (".", "real.json")),
        (["demo", "--store", "none"], 3, (" none", "realdb ingest")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gives_one_line(
    arguments: list[str], code: int, facts: tuple[str, ...], run: Run, tmp_path: Path
) -> None:
    for name, label in (("one.csv", 2), ("wrong.csv", 1000), ("labels.csv", 2)):
        (tmp_path / name).write_text(f"image,label\n1,{label}\n", encoding="utf-8")
    (tmp_path / "text.md").write_text("# Predictions\n", encoding="utf-8")
    done = run(*arguments, code=code)
    assert not done.stdout
    *warned, last = done.stderr.splitlines()
    assert last.startswith("realdb: ")
    assert all(fact in last for fact in facts), last
    assert "`" not in last, "a parameter is named as a call takes it"
    assert not warned


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Commands:"),
        (["acuracy"], "No such command 'acuracy'"),
        (["accuracy"], "Missing argument"),
        (["accuracy", "one.csv", "--by", "rank"], "class, label-count, animal"),
        (["accuracy", "one.csv", "--empty", "no"], "'skip', 'wrong', 'original'"),
        (["accuracy", "one.csv", "--threshold", "high"], "not a valid float"),
        (["accuracy", "one.csv", "--format", "xml"], "'table', 'json', 'csv', 'markdown'"),
        (["sql"], "Missing argument"),
        (["info", "more"], "more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage(arguments: list[str], said: str, run: Run) -> None:
    done = run(*arguments, code=2)
    assert not done.stdout
    assert said in done.stderr


def test_a_query_error_is_explained(run: Run) -> None:
    done = run("sql", "select labl from labels", code=1)
    assert done.stderr.startswith('realdb: Binder Error: Referenced column "labl" not found')
    assert '"label"' in done.stderr
    assert "LINE 1: selec label" in run("sql", "selec label", code=1).stderr


LEAVES = [*([command] for command in COMMANDS), ["scores", "verify"]]
# Options that may be repeated.
REPEATED = {
    *(("sql", "--table"), ("export", "--table")),
    *(("scores", "--predictions"), ("export", "--predictions")),
}


def command_of(words: list[str]) -> Any:
    """Return the command that the words call."""
    command = GROUP
    for word in words:
        command = command.commands[word]
    return command


def options_of(words: list[str]) -> list[Any]:
    """Return the options that a command takes, but for its help."""
    return [param for param in command_of(words).params if param.param_type_name == "option"]


@pytest.mark.cases(7)
@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_a_repeated_option_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for option in options_of(words):
        (name, *_) = option.opts
        # Any value, because repeated options are refused before their values are read.
        given = [name] if option.is_flag else [name, "1"]
        with pytest.raises(SystemExit) as done:
            GROUP.main([*words, *given, *given, "--help"], prog_name="realdb")
        is_refused = (words[0], name) not in REPEATED
        assert done.value.code == (2 if is_refused else 0), name
        assert (f"'{name}'" in capsys.readouterr().err) == is_refused


def test_a_repeated_option_is_refused_in_any_form(run: Run) -> None:
    done = run("sql", "select 1", "--format=csv", "--format", "json", code=2)
    assert not done.stdout
    assert "'--format'" in done.stderr


def test_an_option_before_the_wrong_command_is_refused(run: Run) -> None:
    """The option would not be used before `verify`, and another store would be verified."""
    done = run("scores", "--store", "none", "verify", code=2)
    assert "'--store'" in done.stderr
    assert "'verify'" in done.stderr
    assert run("scores", "verify", "--store", "none", code=3).stdout == ""


# The environment


def test_the_store_option_goes_before_the_environment(
    run: Run, bare_store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    query = ("sql", "select count(original_label) as n from images")
    assert run(*query).stdout == "n\n50000\n"
    assert run(*query, "--store", bare_store.root).stdout == "n\n0\n"
    monkeypatch.setenv("REALDB_HOME", str(bare_store.root))
    assert run(*query).stdout == "n\n0\n"
    monkeypatch.setenv("REALDB_HOME", str(tmp_path / "none"))
    assert f"there is no store in {tmp_path / 'none'}" in run(*query, code=3).stderr


def test_offline_by_option_and_by_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is downloaded, and the cache is empty."""
    monkeypatch.setenv("REALDB_HOME", str(tmp_path / "none"))
    assert "REALDB_OFFLINE" in run("demo", code=3).stderr
    assert "cannot download the files" in run("ingest", code=1).stderr
    monkeypatch.setenv("REALDB_OFFLINE", "0")
    assert "REALDB_OFFLINE" in run("demo", "--offline", code=3).stderr
    assert "cannot download the files" in run("ingest", "--offline", code=1).stderr
    assert not (tmp_path / "none" / "CURRENT").exists()


# Imports

WATCHED = {"duckdb", "numpy", "pyarrow", "pandas", "polars", "rich", "pooch", "platformdirs"}
# Python lists each import on stderr.


def test_only_existing_commands_open_duckdb_ahead() -> None:
    assert set(terminal.ASKING) <= set(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["accuracy", "--help"], set()),
        (["accuracy", "-h"], set()),
        (["views", "--help"], set()),
        (["accuracy", "{model_a}"], {"duckdb"}),
        (["accuracy", "{folder}/a.parquet"], {"duckdb"}),
        (["accuracy", "{folder}/a.npy"], {"duckdb", "numpy"}),
        (["accuracy", "{model_a}", "--format", "json", "--by", "class"], {"duckdb"}),
        (["sql", "from images limit 1"], {"duckdb"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("run")  # for its environment
def test_commands_import_only_what_they_need(
    arguments: list[str], allowed: set[str], model_a: Path, tmp_path: Path
) -> None:
    pq.write_table(pc.read_csv(model_a), tmp_path / "a.parquet")
    np.save(tmp_path / "a.npy", np.arange(50_000) % 1000)
    given = [argument.format(model_a=model_a, folder=tmp_path) for argument in arguments]
    command = [sys.executable, "-X", "importtime", "-m", "realdb", *given]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert imported & WATCHED == allowed


# Scores at the threshold that keeps as many labels as were published


@pytest.mark.parametrize("method", ["pipeline", "majority", "weighted"])
def test_same_count(
    method: str, run: Run, model_a: Path, synthetic_store: Store, tmp_path: Path
) -> None:
    found = realdb.scores(method=method, threshold="same-count", store=synthetic_store.root)
    done = run(
        *("scores", "--method", method, "--threshold", "same-count", "--out", "x.parquet"),
        *("--predictions", model_a, "--format", "json"),
    )
    for fact in (repr(found.threshold), f"{found.labels.recomputed_labels:,} labels", "x.parquet"):
        assert fact in done.stderr
    recorded = pq.read_metadata(tmp_path / "x.parquet").metadata[b"realdb_threshold"]
    assert recorded == repr(found.threshold).encode()

    # The labels, and the model's accuracy, with the file of scores.
    (moved,) = json.loads(done.stdout)
    words = ("accuracy", model_a, "--scores", "x.parquet", "--format", "json")
    (judged,) = json.loads(run(*words).stdout)
    assert judged["real_accuracy"] == moved["accuracy_on_recomputed_images"]
    assert judged["scored_images"] == moved["recomputed_images"]
    scores: dict[str, Any] = {"scores": tmp_path / "x.parquet", "store": synthetic_store.root}
    counted = realdb.query("select count(*) from labels", **scores).fetchall()
    assert counted == [(found.labels.recomputed_labels,)]
    # Another threshold gives other labels from the same scores.
    other = realdb.accuracy(model_a, threshold=1, **scores)
    assert other.scored_images < judged["scored_images"]


def test_same_count_on_the_real_data(run: Run, real_store: Store, tmp_path: Path) -> None:
    words = ("scores", "--method", "majority", "--threshold", "same-count", "--format", "csv")
    done = run(*words, "--out", tmp_path / "x.parquet", "--store", real_store.root)
    assert " 0.4:" in done.stderr
    assert "60,074 labels" in done.stderr
    count = run(
        *("sql", "select count(*) as n from labels", "--scores", tmp_path / "x.parquet"),
        *("--store", real_store.root, "--format", "csv"),
    )
    assert count.stdout.split() == ["n", "60074"]


@pytest.mark.parametrize("threshold", ["samecount", "same_count", "1.5", "nan"])
def test_an_invalid_threshold_is_refused(threshold: str, run: Run) -> None:
    done = run("scores", "--threshold", threshold, code=2)
    assert "--threshold" in done.stderr
    assert threshold in done.stderr
    assert not done.stdout
