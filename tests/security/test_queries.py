"""Queries can only read. Each attack is tried in every place that takes SQL, on a new store.

Afterwards no file of the store has changed, and no file has appeared beside it.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import commands
import realdb
from campaigns import some
from query_attacks import OTHERS, READS, SECRET, WRITES
from realdb.errors import QueryError, RealdbError
from realdb.schema import quoting
from realdb.store.store import Store, resolve

Ask = Callable[[str], Any]


@pytest.fixture
def store(synthetic_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    without = shutil.ignore_patterns("realdb.duckdb")
    root = Path(shutil.copytree(synthetic_store.root, tmp_path / "store", ignore=without))
    monkeypatch.setenv("REALDB_HOME", str(root))
    monkeypatch.chdir(tmp_path)
    return resolve(root)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.csv"
    path.write_text(f"content\n{SECRET}\n", encoding="utf-8")
    return path


def sums(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture
def unchanged(store: Store, tmp_path: Path, secret: Path) -> Iterator[None]:
    """Compare all files before the test with those after it."""
    assert secret.exists()
    before = sums(tmp_path)
    assert len(before) > 8
    yield
    assert sums(tmp_path) == before
    assert resolve(store.root) == store


def by_query(sql: str) -> Any:
    return realdb.query(sql).fetchall()


def explained(sql: str) -> Any:
    return realdb.query(f"explain analyze {sql}").fetchall()


def by_export(sql: str) -> Any:
    # A table's name is no SELECT: the blank makes it one.
    return realdb.export(f"{sql} ", "-", format="csv")


def by_condition(sql: str) -> Any:
    return realdb.export("labels", "-", format="csv", where=f"label in ({sql})")


def on_an_engine(sql: str) -> Any:
    return realdb.query(sql, engine="sc://127.0.0.1:1")


PLACES: dict[str, Ask] = {
    "query": by_query,
    "explain analyze": explained,
    "export": by_export,
    "where": by_condition,
    "engine": on_an_engine,
}


def statements_for(place: str, statements: list[str]) -> list[str]:
    """Return all statements for realdb.query; by default some for the places that check as it."""
    return statements if place == "query" else some(statements, 6)


def refused(ask: Ask, sql: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        ask(sql)
    return caught.value


# Each target and each place is among the few.
@pytest.mark.cases(5)
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("target", "place"), [*itertools.product(["table", "CURRENT", "new"], PLACES)]
)
def test_a_query_writes_nothing(target: str, place: str, store: Store, tmp_path: Path) -> None:
    paths = {
        "table": store.parquet("labels"),
        "CURRENT": store.root / "CURRENT",
        "new": tmp_path / "new.parquet",
    }
    for sql in statements_for(place, WRITES):
        refused(PLACES[place], sql.format(target=paths[target]))


@pytest.mark.cases(3)
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("place", PLACES)
def test_a_query_reads_no_other_file(place: str, secret: Path) -> None:
    for sql in statements_for(place, READS):
        if place == "engine" and "from '" in sql:
            continue  # to an engine that is the name of a table
        try:
            found = PLACES[place](sql.format(secret=secret))
        except RealdbError as error:
            assert SECRET not in str(error)
        else:
            pytest.fail(f"{sql} is answered: {found}")


@pytest.mark.cases(3)
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("place", PLACES)
def test_a_query_changes_no_setting_and_loads_nothing(place: str, secret: Path) -> None:
    for sql in statements_for(place, OTHERS):
        error = refused(PLACES[place], sql.format(secret=secret))
        assert "extension" not in str(error), "it was tried to install one"


@pytest.mark.usefixtures("unchanged")
def test_command_line_prints_one_line(store: Store) -> None:
    sql = WRITES[0].format(target=store.parquet("labels"))
    for arguments in (["sql", sql], ["sql", f"explain analyze {sql}"], ["export", sql, "-"]):
        done = commands.run([*arguments, "--format", "csv"])
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("realdb: ")
        assert "COPY" in line


@pytest.mark.usefixtures("unchanged")
def test_the_connection_is_locked_too(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection opens no other file even if the check of the parse tree passes."""
    from realdb.queries import statements

    monkeypatch.setattr(statements, "require_reading", lambda *_: None)
    for sql in READS[:9]:
        refused(by_query, sql.format(secret=secret))
    new = secret.with_name("new.parquet")
    refused(by_query, WRITES[0].format(target=new))


@pytest.mark.usefixtures("unchanged")
def test_a_pivot_with_named_columns_is_allowed() -> None:
    named = "pivot labels on label in (1, 2) using count(*) group by position"
    for query in (named, f"from ({named}) where position = 0"):
        assert by_query(query)
    for query in ("pivot labels on label using count(*)", "from (pivot labels on label)"):
        assert refused(by_query, query).value == "PIVOT"


def test_a_locked_connection(store: Store, secret: Path, tmp_path: Path) -> None:
    con = realdb.connect(locked=True)
    assert con.execute("select count(*) from labels").fetchall()[0][0] == store.tables["labels"]
    assert con.execute("select count(*) from accuracy").fetchall() == [(0,)]
    for sql in (
        f"from read_text('{secret}')",
        f"copy labels to '{tmp_path / 'new.csv'}'",
        "set enable_external_access = true",
        "set lock_configuration = false",
        f"attach '{tmp_path / 'new.duckdb'}'",
    ):
        with pytest.raises(duckdb.Error):
            con.execute(sql)
    # A variable of the Python around it is not a table.
    frame = realdb.query("select 1 as a").to_arrow_table()
    assert frame.num_rows == 1
    with pytest.raises(duckdb.CatalogException):
        con.execute("from frame")


def test_stored_models_and_prediction_files_are_read(
    store: Store, synthetic: Path, tmp_path: Path
) -> None:
    names = ["model_a", "a [b] *?"]
    odd = tmp_path / "odd [1]" / "a [b] *?.csv"
    odd.parent.mkdir()
    shutil.copy(synthetic / "predictions" / "model_b.csv", odd)
    realdb.add(synthetic / "predictions" / "model_a.csv", store=store.root)
    counts = "select model, count(*) from predictions group by model"
    found = realdb.query(counts, odd, with_stored=True)
    assert sorted(found.fetchall()) == sorted((name, 50_000) for name in names)
    for query in (
        "from accuracy",
        "from labels_at(0.5)",
        "from recomputed_labels_if(smoothing := 2)",
    ):
        assert realdb.query(query).fetchall()


def test_a_store_in_a_folder_with_an_odd_name(synthetic_store: Store, tmp_path: Path) -> None:
    """DuckDB's readers expand a path as a pattern, and the lock compares the resulting files."""
    without = shutil.ignore_patterns("realdb.duckdb")
    root = shutil.copytree(synthetic_store.root, tmp_path / "it's [a] *?", ignore=without)
    assert realdb.query("select count(*) from images", store=root).fetchall() == [(50_000,)]


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet", "csv.gz"])
def test_a_users_table(suffix: str, store: Store, tmp_path: Path) -> None:
    path = tmp_path / f"it's mine.{suffix}"
    form = {"csv.gz": "csv, compression gzip"}.get(suffix, suffix)
    target = quoting.literal(str(path))
    duckdb.execute(f"copy (select 1 as image_id, 'x' as note) to {target} (format {form})")
    query = "select note, file_name from mine join images using (image_id)"
    expected = [("x", "ILSVRC2012_val_00000001.JPEG")]
    assert realdb.query(query, tables={"mine": path}).fetchall() == expected
    frame = duckdb.read_csv(str(path)).to_arrow_table() if suffix == "csv" else None
    if frame is not None:
        assert realdb.query(query, tables={"mine": frame}).fetchall() == expected
    done = commands.run(["sql", query, "--table", f"mine={path}", "--format", "csv"])
    assert done.returncode == 0
    assert done.stdout == "note,file_name\nx,ILSVRC2012_val_00000001.JPEG\n"
    assert store.root.exists()


@pytest.mark.parametrize("name", ["labels", "Accuracy", "predictions"])
@pytest.mark.usefixtures("store")
def test_a_users_table_cannot_hide_a_realdb_table(name: str, secret: Path) -> None:
    with pytest.raises(RealdbError) as caught:
        realdb.query("select 1", tables={name: secret})
    assert caught.value.value == name


@pytest.mark.usefixtures("store")
def test_unsafe_is_plain_duckdb(secret: Path) -> None:
    found = realdb.query(f"select content from read_csv('{secret}')", unsafe=True)
    assert found.fetchall() == [(SECRET,)]
