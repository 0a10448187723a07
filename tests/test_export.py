from __future__ import annotations

import csv
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import commands
import realdb
from campaigns import some
from realdb.errors import DataError, QueryError, UsageError
from realdb.exports.registry import EXPORT_FORMATS, own_names
from realdb.store.files import checksum
from realdb.store.store import Store, resolve
from refusals import refused


@pytest.fixture
def export(synthetic_store: Store, tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Return a function that exports to a CSV file, and returns its lines."""
    folder = tmp_path / "out"
    folder.mkdir()

    def export(what: str, store: Store = synthetic_store, **options: Any) -> list[list[str]]:
        try:
            done = realdb.export(what, folder / "a b.csv", store=store.root, **options)
        except realdb.RealdbError:
            assert list(folder.iterdir()) == []
            raise
        assert [path.name for path in folder.iterdir()] == ["a b.csv"]
        with (folder / "a b.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        assert (done.out, done.format, done.counts) == (folder / "a b.csv", "csv", "rows")
        assert done.count == len(lines) - 1
        return lines

    return export


@pytest.fixture(scope="module")
def two(
    synthetic_store: Store, short_predictions: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Store, str, Path]:
    """Return a store with a model, its name, and a file with predictions of another."""
    stored, other = short_predictions
    root = tmp_path_factory.mktemp("two") / "store"
    store = resolve(Path(shutil.copytree(synthetic_store.root, root)))
    with warnings.catch_warnings():  # the file does not have all images
        warnings.simplefilter("ignore", realdb.RealdbWarning)
        realdb.add(stored, store=root)
    return store, stored.stem, other


# What.


def test_a_table_is_sorted_by_its_key(export: Callable[..., list[list[str]]]) -> None:
    header, *rows = export("scores")
    assert header == ["image_id", "label", "score"]
    keys = [(int(image), int(label)) for image, label, _ in rows]
    assert keys == sorted(keys)


def test_a_view_of_one_row(export: Callable[..., list[list[str]]]) -> None:
    header, row = export("pipeline_rules")
    assert dict(zip(header, row, strict=True))["golden_majority"] == "3"


@pytest.mark.parametrize(
    "query", ["select 7 as a", "from (select 7 as a)", "with x as (select 7 as a) from x;"]
)
def test_a_query(export: Callable[..., list[list[str]]], query: str) -> None:
    assert export(query) == [["a"], ["7"]]


def test_a_query_keeps_its_order(export: Callable[..., list[list[str]]]) -> None:
    _, *rows = export("select image_id from images order by image_id desc")
    assert [int(image) for (image,) in rows] == list(range(50_000, 0, -1))


def test_where_and_columns(export: Callable[..., list[list[str]]]) -> None:
    header, *rows = export("images", where="image_id in (3, 1)", columns="file_name, image_id")
    assert header == ["file_name", "image_id"]
    assert rows == [["ILSVRC2012_val_00000001.JPEG", "1"], ["ILSVRC2012_val_00000003.JPEG", "3"]]


def test_a_column_with_special_characters(export: Callable[..., list[list[str]]]) -> None:
    query = 'select 1 as "a,b", 2 as "c""d", 3 as e'
    assert export(query, columns='"a,b","c""d"') == [["a,b", 'c"d'], ["1", "2"]]


def test_columns_as_a_list(export: Callable[..., list[list[str]]]) -> None:
    assert export('select 1 as "a,b", 2 as c', columns=["a,b"]) == [["a,b"], ["1"]]


def test_another_threshold(export: Callable[..., list[list[str]]], synthetic_store: Store) -> None:
    query = "select image_id, label, position from labels_at(0.3) order by all"
    wanted = realdb.query(query, store=synthetic_store.root)
    _, *rows = export("labels", threshold=0.3)
    assert [tuple(map(int, row)) for row in rows] == wanted.fetchall()


@pytest.mark.parametrize(
    ("what", "options", "fact", "fields"),
    [
        ("ratd", {}, " rated", {"parameter": "what", "value": "ratd"}),
        ("real-jsn", {}, " real-json", {"parameter": "what", "value": "real-jsn"}),
        (
            "labels_at",
            {},
            '"from labels_at(threshold)"',
            {"parameter": "what", "value": "labels_at"},
        ),
        ("drop table images", {}, "SELECT", {"count": 1}),
        ("select 1; select 2", {}, "SELECT", {"count": 2}),
        ("explain select 1", {}, "SELECT", {"count": 1}),
        ("copy images to 'x'", {}, "SELECT", {"count": 1}),
        ("select 1 as a, 2 as A", {}, "(A, a)", {"column": "A", "count": 2}),
        ("select error('at run time') as a", {}, "at run time", {"count": None}),
        ("rated", {"where": "nope = 1"}, '"nope"', {"column": None, "parameter": None}),
        ("rated", {"where": "1=1) union all (select 1"}, '")"', {"count": None}),
        (
            "rated",
            {"columns": "nope,image_id"},
            "image_id, file_name",
            {"parameter": "columns", "column": "nope"},
        ),
        (
            "rated",
            {"columns": ""},
            "image_id, file_name",
            {"parameter": "columns", "column": None},
        ),
    ],
)
def test_a_query_is_refused(
    export: Callable[..., list[list[str]]],
    what: str,
    options: dict[str, Any],
    fact: str,
    fields: dict[str, Any],
) -> None:
    with refused(QueryError, fact, **fields):
        export(what, **options)


def test_arguments_that_do_not_fit(export: Callable[..., list[list[str]]]) -> None:
    with refused(UsageError, parameter="partition_by", value="csv"):
        export("rated", partition_by="label_count")
    with refused(UsageError, parameter="threshold", value=2):
        export("rated", threshold=2)
    with refused(UsageError, "realdb export --help", parameter="format", value="nope"):
        export("rated", format="nope")
    with refused(UsageError, " parquet?", parameter="format", value="parqet"):
        export("rated", format="parqet")


def test_a_missing_table_is_refused(
    export: Callable[..., list[list[str]]], bare_store: Store
) -> None:
    with refused(QueryError, "raters.npz", value="votes"):
        export("votes", bare_store)
    with refused(QueryError, "raters.npz", value="unanimous", count=3):
        export("unanimous", bare_store)
    with refused(QueryError, "scores.npz", value="labels_at", count=1):
        export("labels", bare_store, threshold=0.5)


@pytest.mark.parametrize("what", ["predictions", "hard", "scored_predictions"])
def test_models_are_needed(
    export: Callable[..., list[list[str]]], what: str, synthetic_store: Store
) -> None:
    with refused(DataError, what, "realdb add FILE", file=synthetic_store.root):
        export(what)


def test_stored_models(
    export: Callable[..., list[list[str]]], two: tuple[Store, str, Path]
) -> None:
    store, stored, _ = two
    header, *rows = export("predictions", store)
    assert header == ["model", "image_id", "rank", "label", "confidence"]
    assert {row[0] for row in rows} == {stored}
    assert len(export("hard", store, force=True)) > 1


@pytest.mark.parametrize("name", own_names())
def test_a_name_of_another_format(synthetic_store: Store, name: str, tmp_path: Path) -> None:
    out = tmp_path / "x.xlsx"
    with refused(UsageError, parameter="out", file=out, value=".xlsx"):
        realdb.export(name, out, store=synthetic_store.root)
    assert not [*tmp_path.iterdir()]


# Predictions that are named.


def test_predictions_replace_the_stored_models(
    export: Callable[..., list[list[str]]], two: tuple[Store, str, Path]
) -> None:
    store, stored, file = two
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {stored}),
        ({"predictions": []}, {stored}),
        ({"predictions": file}, {file.stem}),
        ({"predictions": [str(file), stored]}, {file.stem, stored}),
        ({"predictions": stored}, {stored}),
        ({"predictions": {"mine": file}}, {"mine"}),
        ({"predictions": file, "with_stored": True}, {file.stem, stored}),
        ({"predictions": stored, "with_stored": True}, {stored}),
    ]
    whats = ("accuracy", "predictions", "from accuracy", "from predictions")
    # Each case and each WHAT is among the few.
    for (options, models), what in some(itertools.product(cases, whats), 5):
        rows = export(what, store, force=True, **options)[1:]
        assert {row[0] for row in rows} == models, (what, options)


@pytest.mark.parametrize("what", ["hard", "accuracy", "from scored_predictions"])
def test_named_predictions_match_a_query(
    export: Callable[..., list[list[str]]], two: tuple[Store, str, Path], what: str
) -> None:
    store, _, file = two
    query = what if what.startswith("from") else f"from {what}"
    wanted = realdb.query(query, file, with_stored=True, store=store.root)
    # With the same text: the result of the query is exported as a table.
    frame = wanted.to_arrow_table()
    same = export("from wanted", store, force=True, tables={"wanted": frame})
    found = export(what, store, force=True, predictions=file, with_stored=True)
    assert len(found) > 1
    assert sorted(found) == sorted(same)


def test_no_stored_model_is_needed(
    export: Callable[..., list[list[str]]], short_predictions: list[Path]
) -> None:
    (file, _) = short_predictions
    ((_, *_), (model, *_)) = export("accuracy", predictions=file)
    assert model == file.stem


def test_each_file_is_a_table_in_a_query(
    export: Callable[..., list[list[str]]], two: tuple[Store, str, Path]
) -> None:
    store, stored, file = two
    query = f'select model, count(*) from "{file.stem}" group by model'
    _, row = export(query, store, predictions=[file, stored])
    assert row[0] == file.stem
    condition = f'model in (select model from "{file.stem}")'
    _, row = export("accuracy", store, predictions=[file, stored], where=condition, force=True)
    assert row[0] == file.stem


def test_other_rows_of_a_stored_model(
    export: Callable[..., list[list[str]]], two: tuple[Store, str, Path]
) -> None:
    store, stored, file = two
    with refused(DataError, stored, parameter="with_stored", file=file, value=stored):
        export("accuracy", store, predictions={stored: file}, with_stored=True)


@pytest.mark.parametrize("what", ["images", "rated", "real-json", "store", "soft-labels"])
def test_unused_predictions_are_refused(
    two: tuple[Store, str, Path], what: str, tmp_path: Path
) -> None:
    store, _, file = two
    suffix = {"real-json": "json", "store": "duckdb", "soft-labels": "npz"}.get(what, "csv")
    for options in ({"predictions": file}, {"with_stored": True}):
        with refused(UsageError, parameter=next(iter(options)), value=what):
            realdb.export(what, tmp_path / f"x.{suffix}", store=store.root, **options)
    assert not [*tmp_path.iterdir()]


def test_with_stored_needs_predictions(
    export: Callable[..., list[list[str]]], two: tuple[Store, str, Path]
) -> None:
    with refused(UsageError, parameter="with_stored"):
        export("accuracy", two[0], with_stored=True)


def test_the_file_names_its_predictions(two: tuple[Store, str, Path], tmp_path: Path) -> None:
    store, stored, file = two
    out = tmp_path / "x.parquet"
    realdb.export("accuracy", out, predictions=[file, stored], store=store.root)
    said = json.loads(pq.read_metadata(out).metadata[b"realdb_predictions"])
    assert said == {
        "sources": {
            file.stem: {"file": str(file), "sha256": checksum(file)},
            stored: {"stored_model": stored},
        },
        "with_stored": False,
    }


# The command.


def run(store: Store, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return commands.run_binary(["export", *arguments, "--store", store.root], **options)


def test_the_command(synthetic_store: Store, tmp_path: Path) -> None:
    out = tmp_path / "it's a.parquet"
    arguments = ("rated", str(out), "--where", "label_count > 1", "--columns", "image_id")
    done = run(synthetic_store, *arguments)
    found = pq.read_table(out)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == f"realdb: {out}: {found.num_rows} rows as parquet\n"
    again = run(synthetic_store, *arguments)
    assert again.returncode == 1
    assert again.stderr.decode().startswith(f"realdb: {out} ")
    assert "--force" in again.stderr.decode()
    assert run(synthetic_store, *arguments, "--force").returncode == 0


def test_standard_output(synthetic_store: Store) -> None:
    for form in EXPORT_FORMATS:
        if EXPORT_FORMATS[form].takes != "rows":
            continue
        done = run(synthetic_store, "rated", "-", "--format", form, "--columns", "image_id")
        assert done.returncode == 0, done.stderr
        if form == "arrow":
            rows = pa.ipc.open_stream(done.stdout).read_all().num_rows
        elif form == "parquet":
            rows = pq.read_table(io.BytesIO(done.stdout)).num_rows
        elif EXPORT_FORMATS[form].is_text:
            rows = done.stdout.count(b"\n") - {"jsonl": 0, "json": 2}.get(form, 1)
        else:
            continue
        assert f"realdb: standard output: {rows} rows as {form}\n" == done.stderr.decode()
    done = run(synthetic_store, "rated", "-", "--columns", "image_id")
    assert done.stdout.startswith(b"image_id\n")
    whole = run(synthetic_store, "real-json", "-")
    assert len(json.loads(whole.stdout)) == 50_000


def test_a_query_that_fails_prints_nothing(synthetic_store: Store) -> None:
    query = "select case when i = 40000 then error('late') else i end as i from range(50000) t(i)"
    done = run(synthetic_store, query, "-", "--format", "csv")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"late" in done.stderr


def test_folders_cannot_be_written_to_standard_output(synthetic_store: Store) -> None:
    done = run(synthetic_store, "rated", "-", "--format", "parquet", "--partition-by", "image_id")
    assert done.returncode == 2
    assert b"writes a folder" in done.stderr


def test_a_folder_format_refuses_a_file_name(synthetic_store: Store, tmp_path: Path) -> None:
    done = run(synthetic_store, "croissant", "x.json", cwd=tmp_path)
    assert done.returncode == 2
    assert b"x.json" in done.stderr
    assert not [*tmp_path.iterdir()]


def test_predictions_on_the_command_line(two: tuple[Store, str, Path]) -> None:
    store, stored, file = two

    def models(*arguments: str) -> list[str]:
        done = run(store, "accuracy", "-", *arguments)
        assert done.returncode == 0, done.stderr
        return [line.partition(",")[0] for line in done.stdout.decode().splitlines()[1:]]

    assert models() == [stored]
    assert models("--predictions", str(file)) == [file.stem]
    both = sorted([stored, file.stem])
    assert models("--predictions", str(file), "--predictions", stored) == both
    assert models("--predictions", str(file), "--with-stored") == both
    done = run(store, "accuracy", "-", "--with-stored")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--with-stored" in done.stderr


def test_errors_in_prediction_files_recommend_add(synthetic_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("image,b\n1,2\n")
    done = run(synthetic_store, "accuracy", "-", "--predictions", str(file))
    assert done.returncode == 1
    assert b"realdb add FILE --columns label=NAME" in done.stderr


def test_help_lists_all_formats(synthetic_store: Store) -> None:
    """Both the formats that are a WHAT and those of --format are listed."""
    done = run(synthetic_store, "--help")
    # A line may end within a name, at a hyphen.
    text = " ".join(done.stdout.decode().split()).replace("- ", "-")
    own = own_names()
    choices = [name for name, form in EXPORT_FORMATS.items() if form.takes != "store"]
    assert f": {', '.join(own)}. [required]" in text
    assert f" {', '.join(choices)}. [" in text


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals on Windows")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_killed_export_leaves_no_file(
    synthetic_store: Store, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out.sqlite"
    out.write_text("old")
    query = "select i from range(5000000) t(i)"
    command = [sys.executable, "-m", "realdb", "export", query, str(out), "--force"]
    with subprocess.Popen([*command, "--store", str(synthetic_store.root)]) as process:
        while not any(path.stat().st_size for path in tmp_path.glob(".realdb-*/out.sqlite*")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(60) != 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.sqlite"]
    assert out.read_text() == "old"
