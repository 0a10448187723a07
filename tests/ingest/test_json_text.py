from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from realdb.errors import DataError
from realdb.ingest import formats, json_text
from refusals import refused

VALUE = {"a": [1, 2.5, "n01440764", None, True], "\u00e9\U0001f600": {}}
READ = {"a": ["1", "2.5", "n01440764", None, True], "\u00e9\U0001f600": {}}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_an_encoding(encoding: str, is_ascii: bool, tmp_path: Path) -> None:
    path = tmp_path / "a"
    text = json.dumps(VALUE, ensure_ascii=is_ascii)
    path.write_bytes(text.encode(encoding))
    assert formats.recognise(path) == "json"
    assert json_text.load(path) == READ
    path.write_bytes(f"{text}\n\n{text}\n".encode(encoding))
    assert formats.recognise(path) == "jsonl"
    assert json_text.load_lines(path) == [READ, READ]
    assert json_text.load(path) == [READ, READ]


def test_numbers_keep_their_text(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("[1e2, 5.0, -0, NaN, -Infinity, 1" + "0" * 5000 + "]")
    assert json_text.load(path) == ["1e2", "5.0", "-0", "NaN", "-Infinity", "1" + "0" * 5000]


@pytest.mark.parametrize(
    ("text", "facts", "row"),
    [
        ('{"a": 1,}', ["line 1", "comma"], None),
        ("[1,\n2,\n]", ["line 3", "comma"], None),
        ("{'a': 1}", ["line 1", "Python"], None),
        ('{"a": None}', ["Python"], None),
        ('{"a": 1', ["cut short"], None),
        ('{"a": "b', ["cut short"], None),
        ('{"a": 1}\n{"b": 2,', ["line 2"], None),
        ('{"a": 1} x', ["line 1", "column 10"], None),
        ('{"a": 1}\n{"b": 2]\n', ["line 2"], 2),
        ('{"a": 1}\n{"b": 2} {"c": 3}\n', ["line 2", "column 10"], 2),
    ],
)
def test_invalid_json_is_refused(
    text: str, facts: list[str], row: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    load = json_text.load if row is None else json_text.load_lines
    with refused(DataError, path, *facts, row=row):
        load(path)


@pytest.mark.parametrize(
    "escape", ["\\ud800", "\\udfff", "\\uD83D x", "\\\\\\ud83d", "\\ud800\\u0041"]
)
def test_half_of_a_pair_of_surrogates(escape: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text('{"a":\n"' + escape + '"}')
    with refused(DataError, path, "line 2", count=1) as caught:
        json_text.load(path)
    str(caught.value).encode()
    for fine in ("\\ud83d\\ude00", "\\\\ud800"):
        path.write_text('{"a": "' + fine + '"}')
        assert set(json_text.load(path)) == {"a"}


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    """The time grows with the number of keys, and not with its square."""
    path = tmp_path / "a"
    keys = [f'"{number}": 1' for number in range(200_000)]
    path.write_text("{" + ", ".join([*keys, *keys[5:9]]) + "}")
    start = time.perf_counter()
    with refused(DataError, path, value="5", count=4):
        json_text.load(path)
    assert time.perf_counter() - start < 20
    path.write_text('{"a": 1}\n{"a": 1, "a": 2}\n')
    with refused(DataError, path, value="a", count=1, row=2):
        json_text.load_lines(path)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000])
def test_deep_nesting(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(text)
    with refused(DataError, path, row=None):
        json_text.load(path)
    path.write_text("[1]\n" + text)
    with refused(DataError, path, row=2):
        json_text.load_lines(path)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write(b"[1]")
        os.truncate(file.fileno(), json_text.MOST_BYTES + 1)
    for load in (json_text.load, json_text.load_lines):
        with refused(DataError, path, value=json_text.MOST_BYTES + 1):
            load(path)


@pytest.mark.parametrize("content", [b'{"a": "\xff"}', b'\xff\xfe{\0"\0a\0"\0:\0\x00\xd8}\0'])
def test_bytes_that_are_no_text(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    for load in (json_text.load, json_text.load_lines):
        with refused(DataError, path, "UTF-8"):
            load(path)
