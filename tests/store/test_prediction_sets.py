from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import filelock
import pyarrow.parquet as pq
import pytest

from campaigns import number
from realdb.errors import DataError, RealdbWarning, StoreError
from realdb.schema.tables import create_table
from realdb.store import kept, prediction_sets
from realdb.store.store import lock
from refusals import refused

Row = tuple[str, int, int, int, float | None]
Held = Callable[[Sequence[Row]], duckdb.DuckDBPyConnection]

# Not in the order of the key.
VIT: list[Row] = [("ViT", 2, 1, 7, None), ("ViT", 1, 2, 6, 0.25), ("ViT", 1, 1, 5, 0.5)]
OTHER: list[Row] = [("ViT", 1, 1, 9, None)]
SOURCE = {
    "file": "a/ViT.csv",
    "format": "csv",
    "bytes": "12",
    "sha256": "ab",
    "realdb_version": "1",
}


@pytest.fixture
def held() -> Iterator[Held]:
    """Return a function that gives a connection whose `predictions` holds rows."""
    made = []

    def held(rows: Sequence[Row] = ()) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect()
        made.append(con)
        create_table(con, "predictions")
        if rows:
            columns = [[*column] for column in zip(*rows, strict=True)]
            con.execute(f"insert into predictions select {'unnest(?), ' * 5}", columns)
        return con

    yield held
    for con in made:
        con.close()


@pytest.fixture
def put(held: Held, tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that stores rows, and returns the status of each model."""

    def put(rows: Sequence[Row], root: Path = tmp_path, **options: object) -> list[str]:
        facts = {"provenance": SOURCE, "where": "new.csv"} | options
        done = prediction_sets.put(root, held(rows), **facts)  # type: ignore[arg-type]
        return [one.status for one in done]

    return put


def stored(root: Path) -> list[Row]:
    """Return all stored rows, as read by a connection, in their order."""
    con = duckdb.connect()
    create_table(con, "predictions")
    prediction_sets.show(con, root)
    return con.execute("from predictions").fetchall()


def names(root: Path) -> set[str]:
    """Return the files of predictions, each of which has one of checksums beside it."""
    found = {file.name for file in (root / "predictions").iterdir()} - {".lock"}
    checksums = {name for name in found if name.endswith(".checksums.json")}
    data = {name for name in found if name.endswith(".parquet")}
    assert {name.removesuffix(".checksums.json") for name in checksums} == {
        name.removesuffix(".parquet") for name in data
    }
    return found - checksums


# The names of files.


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("vit_b-16.v2", "vit_b-16.v2"),
        ("timm/vit", "timm%2Fvit"),
        ("é b", "%C3%A9%20b"),
        ("100%", "100%25"),
        (".hidden", "%2Ehidden"),
        ("..", "%2E."),
        ("con", "%63on"),
        ("nul.v2", "%6Eul.v2"),
        ("com10", "com10"),
        ("a~b", "a%7Eb"),
    ],
)
def test_a_file_is_named_by_its_model(model: str, name: str, tmp_path: Path) -> None:
    assert prediction_sets.path(tmp_path, model) == tmp_path / "predictions" / f"{name}.parquet"


def test_a_file_name_with_capitals_has_a_checksum(tmp_path: Path) -> None:
    name = prediction_sets.path(tmp_path, "ViT").name
    assert name == "ViT~caa40cff511c.parquet"


def test_no_two_models_share_a_file_on_any_system(tmp_path: Path) -> None:
    models = ["vit", "ViT", "VIT", "vit~caa40cff511c", "", ".", "..", "/", "%2F", "CON", "con"]
    models += ["x" * 200, "x" * 201, "x" * 150, "é" * 100, "É" * 100]
    files = {prediction_sets.path(tmp_path, model) for model in models}
    assert len({file.name.lower() for file in files}) == len(models)
    assert {file.parent for file in files} == {tmp_path / "predictions"}
    assert max(len(file.name) for file in files) < 200


# Storing.


def test_rows_are_stored_by_model(put: Callable[..., list[str]], tmp_path: Path) -> None:
    assert put([*VIT, ("b", 1, 1, 3, None)]) == ["added", "added"]
    assert names(tmp_path) == {"ViT~caa40cff511c.parquet", "b.parquet"}
    vit = prediction_sets.path(tmp_path, "ViT")
    assert [tuple(row.values()) for row in pq.read_table(vit).to_pylist()] == sorted(VIT)
    group = pq.read_metadata(vit).row_group(0)
    assert {group.column(place).compression for place in range(5)} == {"ZSTD"}
    assert sorted(stored(tmp_path)) == [*sorted(VIT), ("b", 1, 1, 3, None)]


def test_provenance_is_stored_in_the_file(put: Callable[..., list[str]], tmp_path: Path) -> None:
    put(VIT)
    (row,) = prediction_sets.listed(tmp_path).fetchall()
    *known, added_at = row
    assert known == ["ViT", 3, 2, 2, "a/ViT.csv", "csv", 12, "ab"]
    metadata = pq.read_metadata(prediction_sets.path(tmp_path, "ViT")).metadata
    assert metadata[b"realdb_version"] == b"1"
    assert metadata[b"added_at"].decode() == f"{added_at:%Y-%m-%dT%H:%M:%SZ}"


def test_unknown_provenance_is_null(put: Callable[..., list[str]], tmp_path: Path) -> None:
    put(VIT, provenance={})
    (row,) = prediction_sets.listed(tmp_path).fetchall()
    assert row[4:8] == (None, None, None, None)


def test_the_same_rows_change_nothing(put: Callable[..., list[str]], tmp_path: Path) -> None:
    put(VIT)
    file = prediction_sets.path(tmp_path, "ViT")
    was = file.read_bytes(), file.stat().st_mtime_ns
    for options in ({}, {"replace": True}, {"fresh": ["ViT"]}, {"provenance": {"file": "b.csv"}}):
        assert put(VIT[::-1], **options) == ["unchanged"]
    assert (file.read_bytes(), file.stat().st_mtime_ns) == was


@pytest.mark.parametrize(
    "rows",
    [
        OTHER,
        VIT[:2],
        [*VIT, ("ViT", 3, 1, 1, None)],
        [*VIT[:2], ("ViT", 1, 1, 5, None)],
        [*VIT[:2], ("ViT", 1, 1, 4, 0.5)],
    ],
)
def test_other_rows_are_refused(
    rows: list[Row], put: Callable[..., list[str]], tmp_path: Path
) -> None:
    """No model of the file is stored."""
    put(VIT)
    was = prediction_sets.path(tmp_path, "ViT").read_bytes()
    with pytest.raises(DataError) as caught:
        put([("A", 1, 1, 1, None), *rows, ("b", 1, 1, 1, None)])
    error = caught.value
    assert (error.file, error.column, error.value) == ("new.csv", "model", "ViT")
    assert error.parameter == "replace"
    assert "a/ViT.csv" in str(error)
    assert '`model="NAME"`' in str(error)
    assert names(tmp_path) == {"ViT~caa40cff511c.parquet"}
    assert prediction_sets.path(tmp_path, "ViT").read_bytes() == was


def test_replace(put: Callable[..., list[str]], tmp_path: Path) -> None:
    put(VIT)
    assert put(OTHER, replace=True, provenance={"file": "b.csv"}) == ["replaced"]
    assert stored(tmp_path) == OTHER
    assert prediction_sets.listed(tmp_path).fetchall()[0][4] == "b.csv"


def test_a_model_of_the_same_call_is_not_replaced(put: Callable[..., list[str]]) -> None:
    put(VIT)
    with pytest.raises(DataError) as caught:
        put(OTHER, replace=True, fresh=["ViT"])
    assert (caught.value.parameter, caught.value.value) == ("model", "ViT")
    assert "replace" not in str(caught.value)


def test_any_model_and_any_folder(
    held: Held, put: Callable[..., list[str]], tmp_path: Path
) -> None:
    """A folder whose name is a pattern, or that looks like a partition; names that SQL quotes."""
    root = tmp_path / "it's [a] model=x"
    models = ["it's", 'a "b"', "a/b", "..", "é", "$1", ""]
    for model in models:
        put([(model, 1, 1, 2, None)], root)
    assert sorted(row[0] for row in stored(root)) == sorted(models)
    con = held()
    prediction_sets.show(con, root)
    shown = con.execute("select model from predictions order by model").fetchall()
    assert [model for (model,) in shown] == sorted(models)
    assert [row[0] for row in prediction_sets.listed(root).fetchall()] == sorted(models)
    prediction_sets.remove(root, models)
    assert not names(root)


def test_many_models_in_one_file(put: Callable[..., list[str]], tmp_path: Path) -> None:
    rows = [(f"m{n % 20}", 1 + n // 20, 1, n % 7, None) for n in range(100)]
    assert put(rows) == ["added"] * 20
    assert sorted(stored(tmp_path)) == sorted(rows)


def test_a_failing_write_leaves_no_trace(
    put: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the file that fails nor those of the same rows that were written before it."""
    put(VIT)
    was = {name: (tmp_path / "predictions" / name).read_bytes() for name in names(tmp_path)}
    write = prediction_sets._write

    def half(con: duckdb.DuckDBPyConnection, rows: object, target: Path, said: object) -> None:
        write(con, rows, target, said)  # type: ignore[arg-type]
        if "~" not in target.name:
            target.write_bytes(target.read_bytes()[:-10])

    monkeypatch.setattr(prediction_sets, "_write", half)
    with pytest.raises(StoreError) as caught:
        put([("A", 1, 1, 1, None), *OTHER, ("z", 1, 1, 1, None)], replace=True)
    assert caught.value.file == str(prediction_sets.path(tmp_path, "z"))
    assert caught.value.count == 1
    assert {name: (tmp_path / "predictions" / name).read_bytes() for name in names(tmp_path)} == was


# Reading, listing and removing.


def test_stored_models_are_added_to_the_predictions_of_the_call(
    put: Callable[..., list[str]], held: Held, tmp_path: Path
) -> None:
    con = held([("mine", 1, 1, 2, 0.5)])
    assert prediction_sets.show(con, tmp_path) == "predictions"
    assert con.execute("select model from predictions").fetchall() == [("mine",)]
    put(VIT)
    shown = prediction_sets.show(con, tmp_path)
    assert con.execute(f"select model from {shown}").fetchall() == [("mine",)]
    everything = con.execute("select distinct model from predictions order by 1").fetchall()
    assert everything == [("ViT",), ("mine",)]
    assert con.execute("describe predictions").fetchall()[0][:2] == ("model", "VARCHAR")
    # The connection reads the files that were checked.
    put([("later", 1, 1, 1, None)])
    assert con.execute("select count(*) from predictions").fetchall() == [(4,)]


def test_image_statistics_of_many_files_are_known(
    held: Held, put: Callable[..., list[str]], tmp_path: Path
) -> None:
    for model in ("a", "b"):
        put([(model, 2, 1, 7, None)])
    con = held()
    prediction_sets.show(con, tmp_path)
    (known,) = con.execute("select stats(image_id) from predictions limit 1").fetchall()[0]
    assert (known["min"], known["max"]) == (1, 50_000)


def test_an_empty_store_has_no_models(tmp_path: Path) -> None:
    assert prediction_sets.listed(tmp_path).fetchall() == []
    assert len(prediction_sets.listed(tmp_path).columns) == 9
    prediction_sets.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError) as caught:
        prediction_sets.remove(tmp_path, ["x"])
    assert (caught.value.value, caught.value.count) == ("x", 0)
    assert "realdb add FILE" in str(caught.value)


def test_remove(put: Callable[..., list[str]], tmp_path: Path) -> None:
    put([*VIT, ("resnet50", 1, 1, 1, None), ("resnet18", 1, 1, 1, None), ("z", 1, 1, 1, None)])
    with pytest.raises(DataError) as caught:
        prediction_sets.remove(tmp_path, ["ViT", "ResNet51"])
    assert caught.value.value == "ResNet51"
    assert "resnet50" in str(caught.value)
    assert len(names(tmp_path)) == 4, "one of them went before the other was looked at"
    prediction_sets.remove(tmp_path, ["ViT", "z", "ViT"])
    assert names(tmp_path) == {"resnet50.parquet", "resnet18.parquet"}


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more"])
def test_a_damaged_file(content: bytes, put: Callable[..., list[str]], tmp_path: Path) -> None:
    put(VIT)
    prediction_sets.path(tmp_path, "ViT").write_bytes(content)
    file = prediction_sets.path(tmp_path, "ViT")
    for ask in (prediction_sets.listed, stored, lambda _: put(VIT)):
        with refused(StoreError, "realdb add FILE", "replace", file=file, value="ViT"):
            ask(tmp_path)
    errors, unknown = prediction_sets.damage(tmp_path)
    assert [error.file for error in errors] == [str(file)]
    assert unknown == []
    assert put(VIT, replace=True) == ["replaced"]
    assert len(stored(tmp_path)) == 3
    assert prediction_sets.damage(tmp_path) == ([], [])


def flipped(content: bytes, place: int) -> bytes:
    damaged = bytearray(content)
    damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


def test_changed_bits_of_a_stored_model_are_detected(
    put: Callable[..., list[str]], tmp_path: Path
) -> None:
    put(VIT)
    expected = stored(tmp_path), prediction_sets.listed(tmp_path).fetchall()
    for file in sorted((tmp_path / "predictions").glob("ViT*")):
        content = file.read_bytes()
        for place in range(0, 8 * len(content), number(333, 37, more=111)):
            file.write_bytes(flipped(content, place))
            try:
                found = stored(tmp_path), prediction_sets.listed(tmp_path).fetchall()
            except StoreError as error:
                assert error.value == "ViT"
            else:
                # A bit that changes nothing: of the SHA-256, which is for verify, or of a blank.
                assert file.suffix == ".json"
                assert found == expected
        file.write_bytes(content)


def test_models_of_an_older_realdb_have_no_checksums(
    put: Callable[..., list[str]], tmp_path: Path
) -> None:
    put([*VIT, ("b", 1, 1, 3, None)])
    for file in (tmp_path / "predictions").glob("*.json"):
        file.unlink()
    with pytest.warns(RealdbWarning, match="2 .*realdb verify"):
        assert len(stored(tmp_path)) == 4
    errors, unknown = prediction_sets.damage(tmp_path)
    assert (errors, unknown) == ([], prediction_sets.files(tmp_path))
    prediction_sets.write_checksums(tmp_path, unknown)
    assert len(stored(tmp_path)) == 4
    assert len(names(tmp_path)) == 2
    # A replaced model has checksums.
    (tmp_path / "predictions" / "b.checksums.json").unlink()
    assert put([("b", 1, 1, 4, None)], replace=True) == ["replaced"]
    assert len(names(tmp_path)) == 2


def test_during_a_replacement_both_files_are_whole(
    put: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(VIT)
    seen: list[list[Row]] = []
    file = prediction_sets.path(tmp_path, "ViT")
    replace = Path.replace

    def replacing(path: Path, target: Path) -> Path:
        is_data = target == file
        if is_data:
            seen.append(stored(tmp_path))
        moved = replace(path, target)
        if is_data:
            seen.append(stored(tmp_path))
        return moved

    monkeypatch.setattr(Path, "replace", replacing)
    put(OTHER, replace=True)
    assert seen == [sorted(VIT), sorted(OTHER)]


def test_a_model_that_is_removed_meanwhile(
    put: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put([*VIT, ("b", 1, 1, 3, None)])
    require_whole = prediction_sets.require_whole
    calls = []

    def removed_first(shown: Sequence[Path]) -> None:
        calls.append(len(shown))
        if len(calls) == 1:
            prediction_sets.remove(tmp_path, ["b"])
        require_whole(shown)

    monkeypatch.setattr(prediction_sets, "require_whole", removed_first)
    assert len(kept.reading_again(stored)(tmp_path)) == 3
    assert calls == [2, 1]


def test_a_folder_that_cannot_be_written(put: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        put(VIT, tmp_path / "file")
    assert caught.value.file == str(tmp_path / "file")
    assert isinstance(caught.value.__cause__, OSError)


def test_waiting_for_the_lock_ends(
    put: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(VIT)
    monkeypatch.setattr(kept, "_LOCK_SECONDS", 0.1)
    with (
        filelock.FileLock(tmp_path / "predictions" / ".lock"),
        pytest.raises(StoreError) as caught,
    ):
        put(VIT)
    assert caught.value.file == str(tmp_path / "predictions")
    assert " 0.1 " in str(caught.value)


# Several processes, and killed ones.

PUT = """
import pathlib, sys, time
import duckdb
from realdb.store import kept, prediction_sets
from realdb.store.store import lock
from realdb.schema.tables import create_table

root, who, stop_at = sys.argv[1:]
replace = pathlib.Path.replace

def replace_or_stop(path, target):
    if target.name == stop_at:
        print("stopped", flush=True)
        time.sleep(60)
    return replace(path, target)

pathlib.Path.replace = replace_or_stop
for number in range(6):
    with duckdb.connect() as con:
        create_table(con, "predictions")
        for model in (f"{who}{number}", f"both{number}"):
            con.execute("insert into predictions values ($1, 1, 1, $2, null)", [model, number])
        prediction_sets.put(pathlib.Path(root), con, {"file": who}, where=who)
"""


def start(root: Path, who: str, stop_at: str = "nowhere") -> subprocess.Popen[str]:
    """Start a process that stores 12 models; it stops, and says so, before it moves `stop_at`."""
    command = [sys.executable, "-c", PUT, str(root), who, stop_at]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Each has its own models, and half of them are the same in both."""
    for process in [start(tmp_path, who) for who in ("a", "b")]:
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
    expected = {f"{who}{number}" for who in ("a", "b", "both") for number in range(6)}
    assert {row[0] for row in stored(tmp_path)} == expected
    assert len(stored(tmp_path)) == len(expected)
    assert names(tmp_path) == {f"{model}.parquet" for model in expected}


@pytest.mark.parametrize("stop_at", ["a3.parquet", "both3.parquet"])
def test_a_killed_process_leaves_whole_files(
    stop_at: str, put: Callable[..., list[str]], tmp_path: Path
) -> None:
    process = start(tmp_path, "a", stop_at)
    assert process.stdout
    assert process.stdout.readline() == "stopped\n"
    process.kill()
    process.communicate(timeout=60)
    before = {row[0] for row in stored(tmp_path)}
    whole = {f"{who}{number}" for who in ("a", "both") for number in range(3)}
    assert whole <= before <= whole | {"a3", "both3"}
    left = [*(tmp_path / "predictions").glob("*.partial")]
    assert left, "stopped too late"
    assert {row[0] for row in prediction_sets.listed(tmp_path).fetchall()} == before
    # The lock ended with the process: the next one does not wait, and adds the rest.
    prediction_sets.sweep(tmp_path)
    assert names(tmp_path) == {f"{model}.parquet" for model in before}
    for label in range(6):
        put([(f"{who}{label}", 1, 1, label, None) for who in ("a", "both")])
    assert len(stored(tmp_path)) == 12


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps an open file")
def test_a_reader_is_not_disturbed(put: Callable[..., list[str]], tmp_path: Path) -> None:
    put([("m", image, 1, 1, None) for image in range(1, 2001)])
    con = duckdb.connect()
    create_table(con, "predictions")
    prediction_sets.show(con, tmp_path)
    reader = con.execute("select label from predictions")
    first = reader.fetchmany(10)
    put([("m", image, 1, 2, None) for image in range(1, 2001)], replace=True)
    assert {label for (label,) in [*first, *reader.fetchall()]} == {1}
    assert con.execute("select distinct label from predictions").fetchall() == [(2,)]


@pytest.mark.parametrize("is_locked", [False, True])
def test_a_removed_file_is_distinguished_from_other_errors(
    is_locked: bool, put: Callable[..., list[str]], tmp_path: Path
) -> None:
    """A locked connection may not look for a folder in place of the file, which is an error."""
    put([("m", 1, 1, 1, None)])
    (path,) = prediction_sets.files(tmp_path)
    con = duckdb.connect()
    if is_locked:
        lock(con, [path])
    path.unlink()
    with pytest.raises(duckdb.Error) as caught:
        con.read_parquet([str(path)])
    assert kept.is_removal(caught.value)
    with pytest.raises(duckdb.Error) as caught:
        con.sql("select a_column_that_is_none")
    assert not kept.is_removal(caught.value)
