from __future__ import annotations

from pathlib import Path

import pytest

from realdb import exports
from realdb.errors import UsageError
from realdb.queries import catalog
from realdb.schema.tables import TABLES
from refusals import refused


@pytest.mark.parametrize("name", exports.EXPORT_FORMATS)
def test_a_format_is_what_its_line_says(name: str) -> None:
    form = exports.find(name)
    assert callable(form.write)
    assert form.summary
    assert form.takes in ("rows", "images", "store")
    assert bool(form.suffixes) <= (form.takes == "rows")
    for read in form.reads:
        assert read in (*TABLES, *catalog.views())


def test_no_format_is_called_like_a_table_or_view() -> None:
    assert not {*exports.EXPORT_FORMATS} & {*TABLES, *catalog.views()}


def test_an_unknown_format_names_those_there_are() -> None:
    with refused(UsageError, "parquet, csv, tsv,", parameter="format", value="xls"):
        exports.choose("votes", Path("votes.xls"), "xls")


@pytest.mark.parametrize(
    ("out", "form"),
    [
        ("a.parquet", "parquet"),
        ("a b.PQ", "parquet"),
        ("a.csv", "csv"),
        ("a.tab", "tsv"),
        ("a.ndjson", "jsonl"),
        ("a.arrows", "arrow"),
        ("a.sqlite3", "sqlite"),
        ("a.duckdb", "duckdb"),
    ],
)
def test_the_suffix_tells_the_format(out: str, form: str) -> None:
    assert exports.choose("votes", Path(out), None) == form
    assert exports.choose("votes", Path(out), "csv") == "csv"


@pytest.mark.parametrize(
    ("out", "choices"), [("a.db", "sqlite, duckdb"), ("a", "parquet, csv, tsv"), ("a.xls", "par")]
)
def test_a_suffix_that_does_not_tell(out: str, choices: str) -> None:
    with refused(UsageError, choices, parameter="format", file=out):
        exports.choose("votes", Path(out), None)


def test_standard_output_does_not_tell() -> None:
    with refused(UsageError, parameter="format", file="standard output"):
        exports.choose("votes", None, None)


def test_a_format_of_its_own() -> None:
    assert exports.choose("real-json", Path("any.thing"), None) == "real-json"
    assert exports.choose("real-json", None, "real-json") == "real-json"
    with refused(UsageError, '`format="csv"`', value="csv"):
        exports.choose("real-json", Path("a.csv"), "csv")
    with refused(UsageError, "realdb export real-json OUT", value="real-json"):
        exports.choose("votes", Path("a.json"), "real-json")
