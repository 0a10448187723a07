from __future__ import annotations

import csv
import io
import json
import sys
from typing import Any, get_args

import duckdb
import pytest

from realdb import terminal
from realdb.api import choices
from realdb.errors import QueryError, UsageError

FORMATS = get_args(choices.OutputFormat)


@pytest.fixture
def rows() -> duckdb.DuckDBPyRelation:
    return duckdb.connect().sql(
        """
        select
            'a, "b"' as comma,
            'a|b' as pipe,
            'a' || chr(10) || 'b' as lines,
            '[/x] [bold] :smile:' as markup,
            'Grüße, 鶴' as beyond,
            null as missing,
            cast(1 as double) / 3 as share,
            50000 as whole,
            true as truth,
            repeat('0123456789abcdef', 4) as checksum,
            date '2020-06-12' as day
        """
    )


def printed(
    rows: duckdb.DuckDBPyRelation, form: str | None, capsys: pytest.CaptureFixture[str]
) -> str:
    terminal.emit(rows, form)
    out, err = capsys.readouterr()
    assert bool(err) == (form == "table" and len(rows) > 0)  # a column is empty
    return out


def test_csv(rows: duckdb.DuckDBPyRelation, capsys: pytest.CaptureFixture[str]) -> None:
    header, row = csv.reader(io.StringIO(printed(rows, "csv", capsys)))
    assert header == rows.columns
    found = dict(zip(header, row, strict=True))
    assert (found["comma"], found["lines"], found["missing"]) == ('a, "b"', "a\nb", "")
    assert float(found["share"]) == 1 / 3
    assert (found["whole"], len(found["checksum"])) == ("50000", 64)
    assert found["day"] == "2020-06-12"


def test_json_writes_nan_as_null(capsys: pytest.CaptureFixture[str]) -> None:
    rows = duckdb.connect().sql("select 'nan'::double as a, '-inf'::double as b, 1.5::double as c")
    assert json.loads(printed(rows, "json", capsys)) == [{"a": None, "b": None, "c": 1.5}]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_repeated_column_names_are_refused(form: str) -> None:
    rows = duckdb.connect().sql("select 1 as a, 2 as b, 3 as a")
    with pytest.raises(QueryError) as caught:
        terminal.emit(rows, form)
    assert (caught.value.column, caught.value.count) == ("a", 1)


def test_a_table_ends_after_a_thousand_rows(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.emit(duckdb.connect().sql("from range(1234) as r(i)"), "table")
    out, err = capsys.readouterr()
    assert [line.strip() for line in out.splitlines() if line.strip()][-1] == "999"
    assert "1,000 rows" in err
    assert "--format csv" in err


def test_json(rows: duckdb.DuckDBPyRelation, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(rows, "json", capsys)
    assert "Grüße, 鶴" in text
    (found,) = json.loads(text)
    values: tuple[Any, ...] = (*rows.fetchall()[0][:-1], "2020-06-12")
    assert found == dict(zip(rows.columns, values, strict=True))


def test_markdown(rows: duckdb.DuckDBPyRelation, capsys: pytest.CaptureFixture[str]) -> None:
    header, line, row = printed(rows, "markdown", capsys).splitlines()
    assert header.split(" | ")[1:-1] == rows.columns[1:-1]
    assert line == "| " + " | ".join(["---"] * len(rows.columns)) + " |"
    assert row == (
        '| a, "b" | a\\|b | a\\nb | [/x] [bold] :smile: | Grüße, 鶴 |  | 0.333333 | 50000 | True '
        "| 0123456789ab… | 2020-06-12 |"
    )


@pytest.mark.parametrize("width", ["200", "60"])
def test_table(
    width: str,
    rows: duckdb.DuckDBPyRelation,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row that is too wide is printed as a block. The text of a cell is data in both forms."""
    monkeypatch.setenv("COLUMNS", width)
    text = printed(rows.select("* exclude (lines)"), "table", capsys)
    assert "[/x] [bold] :smile:" in text
    assert "0123456789ab…" in text
    assert "0.333333" in text
    assert "None" not in text
    lines = [line for line in text.splitlines() if line.strip(" ─")]
    assert len(lines) == (2 if width == "200" else len(rows.columns) - 2)
    assert "missing" not in text


def test_no_rows(
    rows: duckdb.DuckDBPyRelation,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    nothing = rows.filter("false")
    assert printed(nothing, "csv", capsys).splitlines() == [",".join(rows.columns)]
    assert json.loads(printed(nothing, "json", capsys)) == []
    assert "comma" in printed(nothing, "table", capsys)


@pytest.mark.parametrize(("is_terminal", "begins"), [(True, " "), (False, "comma,pipe,")])
def test_a_table_on_a_terminal_csv_into_a_pipe(
    is_terminal: bool,
    begins: str,
    rows: duckdb.DuckDBPyRelation,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    terminal.emit(rows, None)
    assert capsys.readouterr().out.startswith(begins)


def test_parquet_is_not_for_a_terminal(
    rows: duckdb.DuckDBPyRelation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(UsageError) as caught:
        terminal.emit(rows, "parquet")
    assert "> FILE" in str(caught.value)


def test_a_parameter_is_printed_as_an_option() -> None:
    options = {"model": "--model", "left_out_raters": "--leave-out", "columns": "--columns"}
    for text, printed in {
        "`model` is missing": "--model is missing",
        '`model="NAME"` or `left_out_raters`': "--model NAME or --leave-out",
        '`columns={"image": "A b", "label": "C"}`': "--columns image=A b,label=C",
        "`threshold` is not an option here": "threshold is not an option here",
        "`model=True`": "--model",
        "run realdb ingest FOLDER with `original=FILE` and `parquet_only=True`": (
            "run realdb ingest FOLDER --original FILE --parquet-only"
        ),
        "plain text": "plain text",
    }.items():
        assert terminal.as_options(text, options) == printed


@pytest.mark.parametrize("form", FORMATS)
def test_a_query_that_fails_as_it_runs(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    failing = duckdb.connect().sql("select error('no') as a")
    with pytest.raises(QueryError, match="no"):
        terminal.emit(failing, form)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("rows", [20_000, 600_000])
def test_a_query_that_fails_late(
    form: str, rows: int, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Streamed formats have printed rows by then, and the others print nothing."""
    query = f"select case when i = {rows - 1} then error('late') else i end as i from range({rows})"
    failing = duckdb.connect().sql(f"{query} as t(i)")
    if form == "table":
        return  # it has its rows by then
    with pytest.raises(QueryError, match="late"):
        terminal.emit(failing, form)
    out = capfdbinary.readouterr().out
    assert not out or form in ("csv", "parquet")


def test_a_query_that_a_removal_disturbs(capsys: pytest.CaptureFixture[str]) -> None:
    con = duckdb.connect()
    con.execute(
        "create macro gone(x) as error('Cannot open /predictions/' || x || ': No such file')"
    )
    failing = con.sql("select gone('vit.parquet') as a")
    for form in ("csv", "json", "table", "markdown"):
        terminal.emit(failing, form, lambda: con.sql("select 'again' as a"))
        assert "again" in capsys.readouterr().out
    with pytest.raises(QueryError, match="No such file"):
        terminal.emit(failing, "csv", lambda: failing)
    with pytest.raises(QueryError, match="No such file"):
        terminal.emit(failing, "csv")
