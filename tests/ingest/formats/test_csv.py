from __future__ import annotations

import csv
import gzip
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from realdb.errors import DataError, RealdbWarning
from realdb.ingest import predictions
from realdb.schema.tables import create_table
from refusals import refused

TEXT = "file_name,label\nval/1.JPEG,0\nval/2.JPEG,1\nval/3.JPEG,999\n".replace(
    "val/", "val/ILSVRC2012_val_0000000"
)
TAKEN = [(1, 0), (2, 1), (3, 999)]


@pytest.fixture
def take(predictions_table: duckdb.DuckDBPyConnection, tmp_path: Path) -> Callable[..., Any]:
    """Return a function from a file's content to the images and labels taken from it."""

    def take(content: bytes) -> list[tuple[int, int]]:
        (tmp_path / "mine.csv").write_bytes(content)
        predictions.add(predictions_table, tmp_path / "mine.csv")
        return predictions_table.execute("select image_id, label from predictions").fetchall()

    return take


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT + "\n\n",
        TEXT.replace("0\n", "0,\n"),
        "\N{BYTE ORDER MARK}" + TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        "\N{BYTE ORDER MARK}" + TEXT.replace("\n", "\r\n"),
        '"' + TEXT.strip().replace(",", '","').replace("\n", '"\n"') + '"\n',
        TEXT.replace("JPEG,", "JPEG, "),
        TEXT.replace(",", ",x,").replace("x", "note", 1),
        TEXT.replace("val/ILS", '"a ""val"", mine/ILS').replace("JPEG", 'JPEG"'),
        TEXT.replace("val/ILS", "Prüfung/ILS"),
        "," + TEXT.replace("\nval", "\n0,val"),
        ",Unnamed: 0," + TEXT.replace("\nval", "\n0,0,val"),
    ],
    ids=[
        "plain",
        "blank lines at the end",
        "a comma at the end of a line",
        "BOM",
        "CRLF",
        "CR",
        "BOM and CRLF",
        "quoted cells",
        "blanks",
        "another column",
        "quotes and commas in a cell",
        "beyond ASCII",
        "pandas' index",
        "pandas' index, twice",
    ],
)
def test_equivalent_files_give_the_same_rows(text: str, take: Callable[..., Any]) -> None:
    assert take(text.encode()) == TAKEN


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (TEXT.replace("JPEG,1", "JPEG").encode(), "Line: 3; .*Expected Number of Columns: 2 Found"),
        (TEXT.replace("JPEG,1", "JPEG,1,2").encode(), "Line: 3; .*Columns: 2 Found: 3"),
        (TEXT.replace("JPEG,1", 'JPEG,"1').encode(), "Line: 3; .*unterminated quote"),
        (TEXT.rpartition(",")[0].encode(), "Line: 4; .*Columns: 2 Found: 1"),
        (TEXT.replace("2.", "é.").encode("latin-1"), {"value": "0xe9"}),
        (TEXT.replace("label", "lábel").encode("latin-1"), {"value": "0xe1"}),
        (TEXT.partition("\n")[0].encode(), {"count": 0}),
        (TEXT.replace("file_name", "label").encode(), {"column": "label", "count": 2}),
        (
            ("," + TEXT.replace("\nval", "\n0,val").replace("\n", ",\n")).encode(),
            {"column": "unnamed", "count": 2},
        ),
        (TEXT.replace("label", "label,").encode(), {"count": 2}),
    ],
    ids=[
        "a cell too few",
        "a cell too many",
        "a quote that stays open",
        "cut in its last line",
        "Latin-1",
        "Latin-1 in the header",
        "only a header",
        "a name twice",
        "no name twice",
        "a name too many",
    ],
)
def test_refused(
    content: bytes, facts: str | dict[str, object], tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    """`facts` are the fields, or a pattern of what the message names: DuckDB's own where it has."""
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    error = refuse(path)
    assert error.file == str(path)
    fields = {} if isinstance(facts, str) else facts
    assert re.search(facts if isinstance(facts, str) else "", str(error))
    for name in ("row", "column", "value", "count", "parameter"):
        assert getattr(error, name) == fields.get(name)


@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz"])
def test_a_last_line_without_a_line_break(name: str, tmp_path: Path) -> None:
    """The last value may be 999, or a cut 9990 or 999.5, so there is a warning."""
    content = TEXT.rstrip("\n").encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with duckdb.connect() as con:
        create_table(con, "predictions")
        with pytest.warns(RealdbWarning) as said:
            predictions.add(con, path)
        assert con.execute("select image_id, label from predictions").fetchall() == TAKEN
    (warning,) = said
    assert str(warning.message).startswith("mine.csv ")
    assert "'val/ILSVRC2012_val_00000003.JPEG,999'" in str(warning.message)


def test_an_unclosed_quote_in_a_large_file(
    tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    """DuckDB reads the rest of the file as the cell. The message does not contain it."""
    path = tmp_path / "mine.csv"
    rows = "".join(f"{image},{image % 1000}\n" for image in range(1, 50_001))
    path.write_text(f'image,label\n"{rows}', encoding="utf-8")
    assert len(str(refuse(path))) < 500


def test_only_the_chosen_separator_separates(take: Callable[..., Any]) -> None:
    """The separator is not guessed: a tab in a .csv is text."""
    assert take(TEXT.replace("val/", "val\t/").encode()) == TAKEN


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Return a function that puts bytes on standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


def test_standard_input(
    stdin: Callable[[bytes], None], predictions_table: duckdb.DuckDBPyConnection
) -> None:
    stdin(TEXT.encode())
    assert predictions.add(predictions_table, "-") == ["stdin"]
    taken = predictions_table.execute("select image_id, label from predictions").fetchall()
    assert taken == TAKEN


def test_errors_name_standard_input(
    stdin: Callable[[bytes], None], predictions_table: duckdb.DuckDBPyConnection
) -> None:
    stdin(TEXT.replace("999", "1000").encode())
    with refused(DataError, "1 of 3", file="standard input", row=3, value="1000", count=1):
        predictions.add(predictions_table, Path("-"))


def large(note: Callable[[int], str]) -> bytes:
    """Return predictions of 50,000 images, class 7 for image 7, larger than a thread reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "note", "label"])
    writer.writerows([image, note(image), image % 1000] for image in range(1, 50_001))
    return text.getvalue().encode()


@pytest.mark.parametrize(
    "note",
    [
        lambda image: f"{image:060}",
        lambda image: "one,\ntwo " * (image % 9),
        lambda image: f"7,7,7\n{image + 1},'',8" if image % 5 == 0 else '"\n' * (image % 7 * 4),
        lambda image: f'"said"\n{image + 1},,8\n' * (image % 30),
        lambda image: f'"said"\n{image + 1},,8\n' * (image % 80),
    ],
    ids=["no quotes", "line breaks in cells", "cells that look like lines", "14 MB", "36 MB"],
)
def test_a_file_is_read_by_several_threads(
    note: Callable[[int], str], take: Callable[..., Any]
) -> None:
    content = large(note)
    assert len(content) > 2 * 2**20
    assert take(content) == [(image, image % 1000) for image in range(1, 50_001)]
