from __future__ import annotations

from pathlib import Path

import pytest

from realdb.errors import UsageError
from realdb.exports import registry
from realdb.queries import catalog
from realdb.schema.tables import TABLES
from refusals import refused


@pytest.mark.parametrize("name", registry.EXPORT_FORMATS)
def test_each_format_matches_its_registry_entry(name: str) -> None:
    form = registry.find(name)
    assert callable(form.write)
    assert form.summary
    assert form.takes in ("rows", "images", "store")
    assert form.is_folder == (not form.suffixes)
    assert form.what is None or name.startswith(f"{form.what}-")
    for read in form.reads:
        assert read in (*TABLES, *catalog.views())


def test_format_names_differ_from_tables_and_views() -> None:
    names = {*registry.EXPORT_FORMATS, *registry.own_names()}
    assert not names & {*TABLES, *catalog.views()}


def test_an_unknown_format() -> None:
    with refused(UsageError, "realdb export --help", parameter="format", value="xls"):
        registry.choose("votes", Path("votes.xls"), "xls")
    with refused(UsageError, " parquet?", parameter="format", value="parqet"):
        registry.choose("votes", Path("votes.xls"), "parqet")


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
    assert registry.choose("votes", Path(out), None) == form
    assert registry.choose("votes", Path(out), "csv") == "csv"


@pytest.mark.parametrize(
    ("out", "choices"),
    [
        ("a.db", "sqlite, duckdb"),
        ("a", "parquet, csv, tsv"),
        ("a.txt", ": file-list"),
        ("a.npz", ": soft-labels"),
    ],
)
def test_an_ambiguous_suffix_is_refused(out: str, choices: str) -> None:
    with refused(UsageError, choices, parameter="format", file=out):
        registry.choose("votes", Path(out), None)


@pytest.mark.parametrize("suffix", sorted(registry.known_suffixes()))
@pytest.mark.parametrize("what", ["votes", "store"])
def test_offered_formats_fit_the_file_name(what: str, suffix: str) -> None:
    """Each offered format fits the file name."""
    out = Path(f"a{suffix}")
    try:
        registry.require_name(registry.choose(what, out, None), out, is_folder=False)
    except UsageError as error:
        assert error.parameter in ("format", "out")
        choices = str(error).rpartition(": ")[2].split(", ") if error.parameter == "format" else []
        for choice in choices:
            name = registry.choose(what, out, choice)
            registry.require_name(name, out, is_folder=registry.find(name).is_folder)


def test_an_unknown_suffix_is_refused() -> None:
    with refused(UsageError, ".csv", ".parquet", parameter="out", file="a.xls", value=".xls"):
        registry.choose("votes", Path("a.xls"), None)
    with refused(UsageError, ".duckdb, .sqlite", parameter="out", file="a.csv", value=".csv"):
        registry.choose("store", Path("a.csv"), None)


def test_standard_output_is_csv() -> None:
    assert registry.choose("votes", None, None) == "csv"
    assert registry.choose("votes", None, "json") == "json"
    assert registry.choose("real-json", None, None) == "real-json"


@pytest.mark.parametrize(
    ("out", "form"),
    [("out", "parquet"), ("out.v2", "parquet"), ("out.parquet", "parquet"), ("out.csv", "csv")],
)
def test_partitions_are_parquet(out: str, form: str) -> None:
    """A suffix of another format decides, although that format has no partitions."""
    assert registry.choose("votes", Path(out), None, is_partitioned=True) == form


FOLDERS = [name for name, form in registry.EXPORT_FORMATS.items() if form.is_folder]


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("suffix", [".json", ".JSON", ".csv", ".parquet", ".npz", ".zip"])
def test_a_folder_format_refuses_a_file_name(name: str, suffix: str) -> None:
    with refused(UsageError, parameter="out", value=suffix.lower(), file=f"x{suffix}"):
        registry.require_name(name, Path(f"x{suffix}"), is_folder=True)


@pytest.mark.parametrize(
    ("name", "out"),
    [*((name, out) for name in FOLDERS for out in ("x", "x.v2")), ("parquet", "x.parquet")],
)
def test_folder_names_are_accepted(name: str, out: str) -> None:
    registry.require_name(name, Path(out), is_folder=True)


FILES = [name for name, form in registry.EXPORT_FORMATS.items() if not form.is_folder]


@pytest.mark.parametrize("name", FILES)
def test_a_suffix_of_another_format_is_refused(name: str) -> None:
    form = registry.find(name)
    others = registry.known_suffixes() - {*form.suffixes}
    assert len(others) > 20
    for suffix in others:
        for out in (f"x{suffix}", f"x{suffix.upper()}", f"x{form.suffixes[0]}{suffix}"):
            with refused(UsageError, parameter="out", value=suffix, file=out) as caught:
                registry.require_name(name, Path(out), is_folder=False)
            # The proposed name is accepted.
            assert f" x{form.suffixes[0]} " in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_file_names_are_accepted(name: str) -> None:
    suffixes = registry.find(name).suffixes
    for out in ("x", "x.v2", *(f"x{suffix}" for suffix in suffixes), f"x{suffixes[0].upper()}"):
        registry.require_name(name, Path(out), is_folder=False)


@pytest.mark.parametrize(
    ("name", "out", "written"),
    [("csv", "x.json", "json"), ("store-sqlite", "x.duckdb", "store-duckdb")],
)
def test_a_format_that_contradicts_the_name(name: str, out: str, written: str) -> None:
    with refused(UsageError, "`format`", f" {written}", file=out):
        registry.require_name(name, Path(out), is_folder=False)


@pytest.mark.parametrize("name", ["real-json", "cleanlab", "fiftyone"])
def test_remedy_for_a_wrong_suffix_does_not_name_format(name: str) -> None:
    with refused(UsageError) as caught:
        registry.require_name(name, Path("x.csv"), is_folder=False)
    assert "`format`" not in str(caught.value)


def test_real_json_accepts_only_its_format() -> None:
    assert registry.choose("real-json", Path("any.thing"), None) == "real-json"
    assert registry.choose("real-json", None, "real-json") == "real-json"
    with refused(UsageError, '`format="csv"`', value="csv"):
        registry.choose("real-json", Path("a.csv"), "csv")
    with refused(UsageError, "realdb export real-json OUT", value="real-json"):
        registry.choose("votes", Path("a.json"), "real-json")


@pytest.mark.parametrize(
    ("out", "named", "form"),
    [
        ("a.duckdb", None, "store-duckdb"),
        ("a b.SQLITE", None, "store-sqlite"),
        ("a.sqlite3", None, "store-sqlite"),
        ("a.db", "duckdb", "store-duckdb"),
        ("a.duckdb", "sqlite", "store-sqlite"),
        ("a", "store-sqlite", "store-sqlite"),
        (None, "duckdb", "store-duckdb"),
    ],
)
def test_the_store_has_several_formats(out: str | None, named: str | None, form: str) -> None:
    assert registry.choose("store", Path(out) if out else None, named) == form


@pytest.mark.parametrize("out", ["a.db", "a", None])
def test_an_ambiguous_suffix_of_the_store_is_refused(out: str | None) -> None:
    with refused(UsageError, ": duckdb, sqlite", parameter="format"):
        registry.choose("store", Path(out) if out else None, None)


@pytest.mark.parametrize("named", ["csv", "nope", "real-json", "store"])
def test_formats_that_the_store_does_not_have(named: str) -> None:
    with refused(UsageError, "duckdb, sqlite", parameter="format", value=named):
        registry.choose("store", Path("a.duckdb"), named)


def test_the_store_takes_no_table() -> None:
    with refused(UsageError, "realdb export store OUT", value="store-duckdb"):
        registry.choose("votes", Path("a.duckdb"), "store-duckdb")
