"""Names are data: control characters in them do not reach a terminal."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import commands
import realdb
from realdb.errors import DataError, UsageError
from realdb.exports.lines import visible, visible_cell
from realdb.store.store import Store

pty = pytest.importorskip("pty", reason="there are no terminals like this on Windows")

# Clear the screen; turn the text around; go back; end the line; a newline; an older escape.
NASTY = "a\x1b[2J\u202eb\u2066\rc\nd\x9b1m"
COLOURS = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture
def store(synthetic_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REALDB_HOME", str(synthetic_store.root))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "named.parquet"
    rows = {"model": [NASTY] * 100, "image": range(1, 101), "label": [1] * 100}
    pq.write_table(pa.table(rows), path)
    return path


def on_a_terminal(*words: str) -> str:
    """Run a command whose three streams are a terminal; return all that it writes there."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
    process = commands.Process(words, (theirs, theirs, theirs), env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:
            break
        if not part:
            break
        written += part
    process.wait()
    os.close(ours)
    text = written.decode().replace("\r\n", "\n")
    # A progress bar hides and shows the cursor, and clears its own line.
    return re.sub("\x1b\\[(\\?25[lh]|2K|1A)|\r", "", COLOURS.sub("", text))


def assert_harmless(text: str) -> None:
    assert text == visible(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
def test_the_name_of_a_model(form: str, store: Path) -> None:
    for words in (["accuracy"], ["explain", "7"], ["sql", "from predictions limit 3"]):
        if words[0] == "explain" and form == "markdown":
            continue
        text = on_a_terminal(*words, str(store), "--format", form)
        assert_harmless(text)
        assert "Traceback" not in text
        if words[0] != "explain":
            assert "\\u202e" in text


def test_the_name_of_a_model_in_a_diagnosis(store: Path) -> None:
    assert_harmless(on_a_terminal("doctor", str(store)))


def test_the_name_of_a_file(store: Path) -> None:
    nasty = store.with_name(f"{NASTY}.csv")
    nasty.write_text("image,label\n0,1\n", encoding="utf-8")
    for words in (["accuracy"], ["doctor"], ["explain", "7"], ["sql", "from predictions"]):
        text = on_a_terminal(*words, str(nasty))
        assert_harmless(text)
        assert "\\u202e" in text
        assert not re.search("^d", text, re.MULTILINE), "the name ends its line"


def test_names_are_not_escaped_in_a_pipe(store: Path) -> None:
    done = commands.run_binary(["sql", "select model from predictions limit 1", store])
    assert done.returncode == 0
    assert done.stdout.decode() == f'model\n"{NASTY}"\n'


def test_a_file_name_that_is_not_utf8(store: Path) -> None:
    odd = os.fsencode(store.parent) + b"/\xff.csv"
    try:
        Path(os.fsdecode(odd)).write_text("image,label\n1,1\n", encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    for words in (["accuracy"], ["doctor"], ["add"], ["sql", "from predictions"]):
        done = commands.run_binary([*words, odd])
        assert b"Traceback" not in done.stderr
        assert done.returncode in (0, 1)
    assert_harmless(on_a_terminal("accuracy", os.fsdecode(odd)))


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_an_empty_name_is_refused(name: str, store: Path, synthetic: Path) -> None:
    model = synthetic / "predictions" / "model_a.csv"
    for call in (realdb.accuracy, realdb.add, realdb.accuracy_table):
        with pytest.raises(UsageError) as caught:
            call(model, model=name)
        assert caught.value.parameter == "model"
    rows = pa.table({"model": [name] * 100, "image": range(1, 101), "label": [1] * 100})
    with pytest.raises(DataError) as error:
        realdb.accuracy_table(rows)
    assert (error.value.column, error.value.row, error.value.count) == ("model", 1, 100)
    assert store.exists()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ViT-B/16 é 鶴 😀", "ViT-B/16 é 鶴 😀"),
        ("a\tb\nc", "a\\tb\\nc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202e\u2069\u200f\u061c", "\\u202e\\u2069\\u200f\\u061c"),
        ("\x9b\u2028\udcff", "\\x9b\\u2028\\udcff"),
    ],
)
def test_visible_text_is_kept(text: str, shown: str) -> None:
    assert visible_cell(text) == shown
    assert visible_cell(shown) == shown
