from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import filelock
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import realdb
from campaigns import some
from realdb.api.build import open_store
from realdb.errors import DataError, RealdbWarning, StoreError
from realdb.queries import catalog
from realdb.schema import tables
from realdb.schema.header import Header
from realdb.schema.tables import (
    COMPUTED,
    KEPT_TABLES,
    SCHEMA_VERSION,
    TABLES,
    create_table,
    fingerprint,
    header_of,
    sql_path,
)
from realdb.store import build as building
from realdb.store import store as stores
from realdb.store.build import Build, new_build
from realdb.store.store import Store
from refusals import refused

REBUILD = "realdb ingest [FOLDER]"


def publish(root: Path, label: int = 1, *, parquet_only: bool = True) -> Store:
    """Build a store whose one image has one label."""
    with new_build(root, "0.0", parquet_only=parquet_only) as build:
        fill(build, label)
        return build.publish(lambda *_: None)


def fill(build: Build, *labels: int) -> None:
    with build.table("labels") as con:
        for position, label in enumerate(labels):
            con.execute("insert into labels values (1, $1, $2)", [label, position])


def labels(opened: Store) -> list[int]:
    return [label for (label,) in opened.connect().sql("select label from labels").fetchall()]


def tree(root: Path) -> dict[str, bytes]:
    """Return every file below `root` with its content; the lock is no part of the store."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def builds(root: Path) -> set[str]:
    return {path.name for path in (root / "builds").iterdir()}


# The files of builds.


def test_a_published_build_is_current(tmp_path: Path) -> None:
    made = publish(tmp_path, 7, parquet_only=False)
    assert (tmp_path / "CURRENT").read_bytes() == f"{made.build_id}\n".encode()
    assert stores.resolve(tmp_path) == made
    assert made.tables == {"labels": 1, "build": 1}
    assert labels(made) == [7]
    assert set(tree(tmp_path)) == {
        "CURRENT",
        "realdb.duckdb",
        f"builds/{made.build_id}/manifest.json",
        f"builds/{made.build_id}/realdb.duckdb",
        f"builds/{made.build_id}/tables/build.parquet",
        f"builds/{made.build_id}/tables/labels.parquet",
    }


@pytest.mark.parametrize("name", ["it's é", 'a "b"; c', "a[b]", "a*b"])
def test_any_folder_name_works(tmp_path: Path, name: str) -> None:
    if os.name == "nt" and set(name) & set('"*'):
        pytest.skip("no file name on Windows")
    publish(tmp_path / name, 7)
    assert labels(stores.resolve(tmp_path / name)) == [7]


@pytest.mark.parametrize("before", [0, 1])
def test_a_failing_build_leaves_no_trace(tmp_path: Path, before: int) -> None:
    for _ in range(before):
        publish(tmp_path, parquet_only=False)
    was = tree(tmp_path)
    with pytest.raises(ZeroDivisionError), new_build(tmp_path, "0.0") as build:
        fill(build, 2)
        raise ZeroDivisionError
    assert tree(tmp_path) == was
    assert len(builds(tmp_path)) == before


def test_views_that_cannot_be_created_leave_no_trace(tmp_path: Path) -> None:
    publish(tmp_path, parquet_only=False)
    was = tree(tmp_path)

    def install(con: duckdb.DuckDBPyConnection, _: object) -> None:
        con.execute("create view broken as select nothing from labels")

    with pytest.raises(duckdb.Error), new_build(tmp_path, "0.0") as build:
        fill(build, 2)
        build.publish(install)
    assert tree(tmp_path) == was


def test_a_repeated_key_leaves_no_trace(tmp_path: Path) -> None:
    publish(tmp_path)
    was = tree(tmp_path)
    with (
        pytest.raises(StoreError) as caught,
        new_build(tmp_path, "0.0") as build,
    ):
        fill(build, 5, 6, 5)
    assert (caught.value.value, caught.value.count) == ("labels", 3)
    assert " 2 distinct keys" in str(caught.value)
    assert tree(tmp_path) == was


def test_a_refused_file_leaves_the_store_as_it_was(synthetic: Path, tmp_path: Path) -> None:
    publish(tmp_path / "store")
    was = tree(tmp_path / "store")
    source = tmp_path / "source"
    source.mkdir()
    (source / "real.json").write_bytes((synthetic / "real.json").read_bytes()[:-100])
    with pytest.raises(DataError) as caught:
        realdb.ingest(source, store=tmp_path / "store")
    assert "real.json" in str(caught.value)
    assert tree(tmp_path / "store") == was


def test_foreign_files_are_not_removed(tmp_path: Path) -> None:
    publish(tmp_path)
    (tmp_path / "builds" / "mine").mkdir()
    (tmp_path / "thesis.partial").touch()
    publish(tmp_path)
    assert (tmp_path / "builds" / "mine").is_dir()
    assert (tmp_path / "thesis.partial").is_file()


def test_leftovers_of_a_killed_ingest_are_removed(tmp_path: Path) -> None:
    publish(tmp_path)
    left = tmp_path / "builds" / "20200101T000000Z-0123abcd.partial"
    (left / "tables").mkdir(parents=True)
    (left / "realdb.duckdb").write_bytes(b"half")
    (tmp_path / ".realdb-0.partial").mkdir()
    (tmp_path / ".realdb-0.partial" / "CURRENT").write_bytes(b"half")
    (tmp_path / ".realdb-0.lock").touch()
    publish(tmp_path)
    assert not [name for name in tree(tmp_path) if "partial" in name]


def test_a_replaced_build_is_removed_after_a_day(tmp_path: Path) -> None:
    made = [publish(tmp_path).build_id for _ in range(3)]
    for hours, gone in ((23.9, 0), (0.2, 2), (30, 4)):
        # As if time had passed.
        for path in tmp_path.glob("builds/*/manifest.json"):
            written = path.stat().st_mtime - hours * 3600
            os.utime(path, (written, written))
        made.append(publish(tmp_path).build_id)
        assert builds(tmp_path) == set(made[gone:])


def test_readers_outlive_two_builds(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    con = stores.resolve(tmp_path).connect()
    held = con.sql("select label from labels")
    for label in (2, 3, 4):
        publish(tmp_path, label)
    assert held.fetchall() == con.sql("select label from labels").fetchall() == [(1,)]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_table_files_are_read_only(tmp_path: Path) -> None:
    made = publish(tmp_path)
    modes = {path.stat().st_mode & 0o777 for path in (made.folder / "tables").iterdir()}
    assert modes == {0o444}


def test_a_reader_keeps_its_build(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    opened = stores.resolve(tmp_path)
    con = opened.connect()
    publish(tmp_path, 2)
    assert con.sql("select label from labels").fetchall() == [(1,)]
    assert labels(opened) == [1]
    assert labels(stores.resolve(tmp_path)) == [2]


def test_a_connection_changes_nothing(tmp_path: Path) -> None:
    made = publish(tmp_path)
    was = tree(tmp_path)
    con = made.connect()
    con.execute("insert into predictions values ('m', 1, 1, 1, null)")
    con.execute("drop view labels")
    assert tree(tmp_path) == was
    assert made.connect().sql("from predictions").fetchall() == []


def test_a_connection_has_the_settings_of_realdb(tmp_path: Path) -> None:
    made = publish(tmp_path, 7)
    for _ in range(2):
        with made.connect() as con:
            found = con.execute("select current_setting('disabled_optimizers')").fetchall()
        assert set(found[0][0].split(",")) == set(stores.DISABLED_OPTIMIZERS.split(","))
        stores.open_ahead()
    made.connect().close()


def test_a_connection_opened_ahead_is_used_once(tmp_path: Path) -> None:
    made = publish(tmp_path)
    stores.open_ahead()
    first, second = made.connect(), made.connect()
    first.execute("insert into predictions values ('m', 1, 1, 1, null)")
    assert first.sql("select model from predictions").fetchall() == [("m",)]
    assert second.sql("from predictions").fetchall() == []
    assert labels(made) == [1]


def test_an_error_of_a_connection_opened_ahead_is_raised_on_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = publish(tmp_path)

    def fail() -> None:
        raise duckdb.OutOfMemoryException("no room")

    with monkeypatch.context() as patched:
        patched.setattr(duckdb, "connect", fail)
        stores.open_ahead()
        with pytest.raises(duckdb.OutOfMemoryException, match="no room"):
            made.connect()
    assert labels(made) == [1]


# Stores that cannot be read.


def no_store(made: Store) -> None:
    (made.root / "CURRENT").unlink()


def no_build(made: Store) -> None:
    (made.root / "CURRENT").write_text("20200101T000000Z-01234567\n")


def no_build_id(made: Store) -> None:
    (made.root / "CURRENT").write_text("../elsewhere\n")


def nothing(made: Store) -> None:
    (made.root / "CURRENT").write_bytes(b"")


def no_text(made: Store) -> None:
    (made.root / "CURRENT").write_bytes(b"\xff\n")


def other_version(made: Store) -> None:
    path = made.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))


MANIFESTS = ["", "[]", "{}", '{"schema_version": 1}']


def manifest(text: str) -> Callable[[Store], None]:
    def write(made: Store) -> None:
        (made.folder / "manifest.json").write_text(text)

    return write


@pytest.mark.parametrize(
    ("spoil", "facts", "file", "value"),
    [
        (no_store, ["REALDB_HOME"], "", None),
        (no_build, ["No such file"], "builds/20200101T000000Z-01234567/manifest.json", None),
        (no_build_id, ["../elsewhere"], "CURRENT", "../elsewhere"),
        (nothing, ["''"], "CURRENT", ""),
        (no_text, ["0xff"], "CURRENT", None),
        (other_version, ["realdb 0.0"], "", 99),
        *((manifest(text), [], "builds/{}/manifest.json", None) for text in MANIFESTS),
    ],
)
def test_a_store_that_does_not_fit_is_refused(
    tmp_path: Path, spoil: Callable[[Store], None], facts: list[str], file: str, value: object
) -> None:
    made = publish(tmp_path)
    spoil(made)
    path = tmp_path / file.format(made.build_id)
    parameter = "store" if spoil is no_store else None
    with refused(StoreError, *facts, REBUILD, file=path, value=value, parameter=parameter) as error:
        stores.resolve(tmp_path)
    assert error.value.exit_code == 3
    assert ("damaged" in str(error.value)) == (spoil not in (no_store, other_version))
    publish(tmp_path, 5)
    assert labels(stores.resolve(tmp_path)) == [5], "the remedy does not help"


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and no more"])
def test_a_damaged_table_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = publish(tmp_path).parquet("labels")
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        stores.resolve(tmp_path).connect()
    assert (caught.value.file, caught.value.value) == (str(path), "labels")
    assert "labels.parquet" in str(caught.value)
    assert REBUILD in str(caught.value)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        publish(tmp_path / "file")
    assert caught.value.file == str(tmp_path / "file")
    assert isinstance(caught.value.__cause__, OSError)


def test_waiting_for_another_ingest_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_LOCK_SECONDS", 0.1)
    publish(tmp_path)
    with (
        filelock.FileLock(tmp_path / ".lock"),
        pytest.warns(RealdbWarning, match=re.escape(str(tmp_path))),
        pytest.raises(StoreError) as caught,
    ):
        publish(tmp_path)
    assert caught.value.file == str(tmp_path)
    assert f"{tmp_path} for 0.1" in str(caught.value)


def test_a_waiting_ingest_prints_a_message(tmp_path: Path) -> None:
    publish(tmp_path)
    other = filelock.FileLock(tmp_path / ".lock", thread_local=False)
    other.acquire()
    end = threading.Timer(0.2, other.release)
    end.start()
    with pytest.warns(RealdbWarning, match=re.escape(str(tmp_path))):
        publish(tmp_path)
    end.join()


def test_no_store_is_built_among_other_files(tmp_path: Path) -> None:
    stores.require_own_folder(tmp_path)
    publish(tmp_path / "store")
    stores.require_own_folder(tmp_path / "store")
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StoreError) as caught:
        stores.require_own_folder(tmp_path)
    assert caught.value.file == str(tmp_path)
    assert caught.value.parameter == "store"


def test_default_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REALDB_HOME", str(tmp_path))
    assert stores.default_root() == tmp_path
    monkeypatch.delenv("REALDB_HOME")
    assert stores.default_root().name == "realdb"
    assert stores.default_root() != tmp_path


# Several processes, and killed ones.

INGEST = """
import pathlib, sys, time, warnings
import realdb

warnings.simplefilter("ignore")
source, root, stop_at = sys.argv[1:]
replace = pathlib.Path.replace

def replace_or_stop(path, target):
    if stop_at in (target.name, target.parent.name):
        print("stopped", flush=True)
        time.sleep(60)
    return replace(path, target)

pathlib.Path.replace = replace_or_stop
realdb.ingest(source, store=root)
"""


def start_ingest(source: Path, root: Path, stop_at: str = "nowhere") -> subprocess.Popen[str]:
    """Start an ingest in a process; it stops, and says so, before the rename to `stop_at`."""
    command = [sys.executable, "-c", INGEST, str(source), str(root), stop_at]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def source(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with real.json alone, which is built in a third of the time."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copy(synthetic / "real.json", folder)
    return folder


def test_two_processes_ingest_at_once(source: Path, tmp_path: Path) -> None:
    both = [start_ingest(source, tmp_path) for _ in range(2)]
    for process in both:
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
    made = stores.resolve(tmp_path)
    assert rows_of(made) == made.tables
    assert len(builds(tmp_path)) == 2
    assert not [name for name in tree(tmp_path) if "partial" in name]
    assert build_id_of(tmp_path / "realdb.duckdb") == made.build_id


@pytest.mark.parametrize(
    ("stop_at", "is_in_force"),
    [
        ("builds", False),  # the build is whole, and still has its .partial name
        ("CURRENT", False),
        ("realdb.duckdb", True),  # the copy for other clients, which is written last
    ],
)
def test_a_killed_ingest_leaves_a_whole_store(
    source: Path, tmp_path: Path, stop_at: str, is_in_force: bool
) -> None:
    old = publish(tmp_path, parquet_only=False)
    process = start_ingest(source, tmp_path, stop_at)
    assert process.stdout
    assert process.stdout.readline() == "stopped\n"
    process.kill()
    process.communicate(timeout=60)
    left = stores.resolve(tmp_path)
    assert (left.build_id != old.build_id) == is_in_force
    assert rows_of(left) == left.tables
    assert rows_of(old) == old.tables, "the old build's readers have lost it"
    # The next command, of any kind, brings the copy for other clients up to date.
    open_store(tmp_path, offline=True)
    assert build_id_of(tmp_path / "realdb.duckdb") == left.build_id
    assert not stores.is_behind(tmp_path)
    after = publish(tmp_path, parquet_only=False)
    assert {left.build_id, after.build_id} <= builds(tmp_path)
    assert build_id_of(tmp_path / "realdb.duckdb") == after.build_id
    assert not [name for name in tree(tmp_path) if "partial" in name]


def rows_of(opened: Store) -> dict[str, int]:
    con = opened.connect()
    return {name: con.table(name).count("*").fetchall()[0][0] for name in opened.tables}


def build_id_of(path: Path) -> str:
    with duckdb.connect(str(path), read_only=True) as con:
        build_id: str = con.sql("select build_id from build").fetchall()[0][0]
        return build_id


# The content of a build.


@pytest.fixture(scope="module", params=["real_store", "synthetic_store", "bare_store"])
def built(request: pytest.FixtureRequest) -> Store:
    opened: Store = request.getfixturevalue(request.param)
    assert {"images", "labels", "sources", "build"} <= set(opened.tables)  # loops go over them
    return opened


@pytest.fixture(scope="module")
def client(built: Store) -> duckdb.DuckDBPyConnection:
    """Return a connection of another client, whose `realdb` is the copy in the root."""
    con = duckdb.connect()
    con.execute(f"attach '{built.root / 'realdb.duckdb'}' as realdb (read_only)")
    con.execute("use realdb")
    return con


def listed(con: duckdb.DuckDBPyConnection, what: str, columns: str) -> list[Any]:
    """Return `columns` of duckdb_tables(), duckdb_views() and the like, for `realdb` alone."""
    return con.execute(
        f"select {columns} from duckdb_{what}() where database_name = 'realdb' and not internal"
    ).fetchall()


def test_older_clients_can_open_it(client: duckdb.DuckDBPyConnection) -> None:
    (tags,) = client.execute(
        "select tags from duckdb_databases() where database_name = 'realdb'"
    ).fetchall()[0]
    assert tags["storage_version"].rstrip("+") == "v1.0.0"


def test_the_copy_in_the_root_matches_the_build(
    built: Store, client: duckdb.DuckDBPyConnection
) -> None:
    assert (built.root / "realdb.duckdb").read_bytes() == (
        built.folder / "realdb.duckdb"
    ).read_bytes()
    assert client.sql("select build_id, schema_version, realdb_version from build").fetchall() == [
        (built.build_id, SCHEMA_VERSION, realdb.__version__)
    ]


def test_database_has_every_table_and_view(built: Store, client: duckdb.DuckDBPyConnection) -> None:
    tables = {*built.tables, *KEPT_TABLES}
    assert {name for (name,) in listed(client, "tables", "table_name")} == tables
    possible = {view for view in catalog.views() if catalog.tables_of(view) <= tables}
    macros = {name for name in possible if catalog.find(name).about.parameters}
    assert {name for (name,) in listed(client, "views", "view_name")} == possible - macros
    under_rules = {f"{name}_if" for name in possible if catalog.is_under_rules(name)}
    assert {
        name for (name,) in listed(client, "functions", "function_name")
    } == macros | under_rules
    if "relabelling_if" in under_rules:
        assert client.sql("from relabelling_if(threshold := 0)").fetchall()[0][2] > 0
    for name in possible - macros:
        assert client.sql(f"from {name}").columns == [*catalog.find(name).about.columns]
    # tests/exports/test_store_duckdb.py reads all of them.
    for name in some(sorted(possible - macros), 15):
        client.sql(f"from {name} limit 1").fetchall()


def test_every_table_view_and_column_has_a_comment(client: duckdb.DuckDBPyConnection) -> None:
    def about(name: str) -> Header:
        return header_of(name) if name in TABLES else catalog.find(name).about

    wholes = listed(client, "tables", "table_name, comment")
    wholes += listed(client, "views", "view_name, comment")
    assert {"images", "labels", "image_labels"} <= {name for name, _ in wholes}
    for name, comment in wholes:
        assert comment.startswith(about(name).summary), name
        assert about(name).grain in comment, name
        assert (f"Key: {', '.join(about(name).key)}." in comment) == bool(about(name).key), name
    functions = listed(client, "functions", "function_name, comment")
    assert functions
    for name, comment in functions:
        under_rules = catalog.is_under_rules(name.removesuffix("_if"))
        assert comment.startswith(name.removesuffix("_if") if under_rules else about(name).summary)
    # Those that read stored models say where these are.
    for name, comment in [*wholes, *functions]:
        read = name if name in TABLES or name in catalog.views() else name.removesuffix("_if")
        reads = {read} if read in TABLES else catalog.tables_of(read)
        notes = {note for table, note in building.NOTES.items() if table in reads}
        assert notes == {note for note in building.NOTES.values() if note in comment}, name
    columns = listed(client, "columns", "table_name, column_name, comment")
    assert {name for name, _, _ in columns} == {name for name, _ in wholes}
    for name, column, comment in columns:
        assert comment == about(name).columns[column], f"{name}.{column}"


def test_parquet_is_zstd(built: Store) -> None:
    for table in built.tables:
        metadata = pq.read_metadata(built.parquet(table))
        used = {
            metadata.row_group(group).column(column).compression
            for group in range(metadata.num_row_groups)
            for column in range(metadata.num_columns)
        }
        assert used == {"ZSTD"}, table


def test_parquet_is_sorted_by_its_key(built: Store) -> None:
    for table in built.tables:
        rows = pq.read_table(built.parquet(table), columns=list(header_of(table).key))
        sorted_rows = rows.sort_by([(name, "ascending") for name in rows.column_names])
        assert rows.equals(sorted_rows), table


def test_parquet_has_the_rows_of_the_database(
    built: Store, client: duckdb.DuckDBPyConnection
) -> None:
    for table, count in built.tables.items():
        parquet = client.read_parquet(str(built.parquet(table)))
        assert len(parquet) == count, table
        assert parquet.to_arrow_table().equals(client.table(table).to_arrow_table()), table


def test_parquet_has_the_types_of_the_sql_file(built: Store) -> None:
    for table in built.tables:
        con = duckdb.connect()
        create_table(con, table)
        declared = con.table(table)
        written = con.read_parquet(str(built.parquet(table)))
        assert written.columns == declared.columns, table
        assert written.types == declared.types, table
        # For other engines text is text: no dictionary and no ENUM.
        for field in pq.read_schema(built.parquet(table)):
            assert not pa.types.is_dictionary(field.type), f"{table}.{field.name}"


def test_not_null_is_kept(built: Store, client: duckdb.DuckDBPyConnection) -> None:
    columns = listed(client, "columns", "table_name, column_name, is_nullable")
    required = [
        (table, column)
        for table, column, is_nullable in columns
        if table in built.tables and not is_nullable
    ]
    assert {("images", "image_id"), ("labels", "label")} <= set(required)
    for table, column in required:
        values = pq.read_table(built.parquet(table), columns=[column])[column]
        assert values.null_count == 0, f"{table}.{column}"


# The schema's version.

FINGERPRINT = "253fdffe67618e7135bd52e909c71a54757035bee0b99c436c566f7160c65c12"


def test_fingerprint() -> None:
    assert (SCHEMA_VERSION, fingerprint()) == (1, FINGERPRINT), (
        "a statement in schema/*.sql has changed. If stores built before no longer fit, raise "
        "SCHEMA_VERSION in schema/tables.py; then record the version and the fingerprint "
        f"{fingerprint()} here"
    )


def test_fingerprint_ignores_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_FOLDER", tmp_path)
    file = tmp_path / "cats.sql"
    file.write_text("-- Cats.\ncreate table cats (cat_id integer);\n")
    was = fingerprint()
    file.write_text("-- All cats.\n-- And no dogs.\ncreate table cats (cat_id integer);\n")
    assert fingerprint() == was
    file.write_text("-- Cats.\ncreate table cats (cat_id smallint);\n")
    assert fingerprint() != was


def test_every_table_has_its_file() -> None:
    files = {path.stem for path in sql_path("images").parent.glob("*.sql")}
    assert set(TABLES) == files | {*COMPUTED}
    assert all(sql_path(table).is_file() for table in COMPUTED)
