"""Stored predictions and the leaderboard."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import commands
import realdb
from realdb.errors import DataError, StoreError, UsageError
from realdb.store.store import Store, resolve
from refusals import refused

# Of files with few predictions realdb.add warns, as realdb.accuracy does.
pytestmark = pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
Run = Callable[..., "subprocess.CompletedProcess[str]"]
IMAGES = 2_000


def copied(root: Path, target: Path) -> Path:
    """Copy a store without its realdb.duckdb, which is for other clients, and the largest file."""
    return Path(shutil.copytree(root, target, ignore=shutil.ignore_patterns("realdb.duckdb")))


@pytest.fixture
def store(synthetic_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a new store, which is the default store."""
    root = copied(synthetic_store.root, tmp_path / "own")
    monkeypatch.setenv("REALDB_HOME", str(root))
    return resolve(root)


@pytest.fixture(scope="module")
def files(short_predictions: list[Path]) -> list[Path]:
    return short_predictions


@pytest.fixture(scope="module")
def added(
    synthetic_store: Store, files: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a store with both models, to be copied."""
    root = copied(synthetic_store.root, tmp_path_factory.mktemp("added") / "store")
    realdb.add(*files, store=root)
    return root


@pytest.fixture
def with_models(added: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a store with both models the default store."""
    monkeypatch.setenv("REALDB_HOME", str(copied(added, tmp_path / "own")))


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file of a few predictions."""

    def small(name: str, *labels: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        lines = [f"{image},{label}\n" for image, label in enumerate(labels, start=1)]
        path.write_text("image,label\n" + "".join(lines), encoding="utf-8")
        return path

    return small


@pytest.fixture
def run(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs realdb in the test's folder and checks the exit code."""
    assert store.root.exists()
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")

    def run(*arguments: object, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = commands.run(arguments, stdin=stdin, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr
        return done

    return run


def states(rows: duckdb.DuckDBPyRelation) -> dict[str, str]:
    assert rows.columns == ["model", "status", "rows", "images", "file"]
    return {model: status for model, status, *_ in rows.fetchall()}


def kept() -> list[str]:
    return [row[0] for row in realdb.models().fetchall()]


# Adding.


@pytest.mark.usefixtures("store")
def test_add(synthetic: Path) -> None:
    files = sorted((synthetic / "predictions").glob("*.csv"))
    rows = realdb.add(*files)
    assert rows.fetchall() == [
        ("model_a", "added", 50_000, 50_000, str(files[0])),
        ("model_b", "added", 50_000, 50_000, str(files[1])),
    ]
    assert states(realdb.add(*files)) == {"model_a": "unchanged", "model_b": "unchanged"}
    (row, _) = realdb.models().fetchall()
    text = files[0].read_bytes()
    assert row[:5] == ("model_a", 50_000, 50_000, 1, str(files[0]))
    assert row[5:8] == ("csv", len(text), hashlib.sha256(text).hexdigest())


@pytest.mark.usefixtures("with_models")
def test_stored_rows_match_the_file(files: list[Path]) -> None:
    query = "select * exclude (model) from {} where model = 'model_a' order by image_id, rank"
    expected = realdb.query(query.format("model_a"), files[0]).fetchall()
    assert len(expected) == IMAGES
    assert realdb.query(query.format("predictions")).fetchall() == expected
    accuracy = realdb.query("from accuracy where model = 'model_a'").fetchall()
    judged = asdict(realdb.accuracy(files[0]))
    judged.pop("unasked_images")  # the view does not count them
    assert accuracy == [tuple(judged.values())]


@pytest.mark.usefixtures("store")
def test_no_model_is_added_twice_with_other_rows(small: Callable[..., Path]) -> None:
    first, other = small("a/m.csv", 1, 2), small("b/m.csv", 1, 3)
    realdb.add(first)
    with refused(DataError, first, file=other, column="model", value="m", parameter="replace"):
        realdb.add(other)
    assert states(realdb.add(other, model="m2")) == {"m2": "added"}
    assert states(realdb.add(other, replace=True)) == {"m": "replaced"}
    labels = realdb.query("select label from predictions where model = 'm' order by image_id")
    assert labels.fetchall() == [(1,), (3,)]


@pytest.mark.usefixtures("store")
def test_two_files_of_one_model_do_not_replace_each_other(small: Callable[..., Path]) -> None:
    given = small("a/m.csv", 1), small("b/m.csv", 2)
    for _ in range(2):
        with refused(DataError, "1 of 2", "'m'", file=given[1], count=1):
            realdb.add(*given, replace=True)
        assert realdb.query("select label from predictions").fetchall() == [(1,)]


@pytest.mark.usefixtures("store")
def test_a_refused_file_is_not_stored(small: Callable[..., Path], tmp_path: Path) -> None:
    two = tmp_path / "two.csv"
    two.write_text("model,image,label\nx,1,1\ny,1,1000\n", encoding="utf-8")
    with refused(DataError, "1 of 3 ", "1 of 2 ", "'1000'", "row 2", file=two, count=1):
        realdb.add(small("first.csv", 1), two, small("last.csv", 1))
    assert kept() == ["first", "last"]
    fields = {"row": 2, "column": "label", "value": 1000, "count": 1}
    with refused(DataError, "1 of 2 ", file=two, **fields):
        realdb.add(two)


@pytest.mark.usefixtures("store")
def test_many_files_at_once(small: Callable[..., Path]) -> None:
    folder = small("many/m0.csv", 1).parent
    for number in range(1, 8):
        small(f"many/m{number}.csv", number, number)
    assert set(states(realdb.add(folder)).values()) == {"added"}
    assert set(states(realdb.add(*folder.iterdir())).values()) == {"unchanged"}
    assert len(kept()) == 8
    found = realdb.query("select model, max(label) from predictions group by model").fetchall()
    assert dict(found) == {f"m{number}": number or 1 for number in range(8)}


@pytest.mark.usefixtures("store")
def test_predictions_in_memory_need_a_model_name() -> None:
    array = np.arange(50_000) % 1000
    with refused(DataError, parameter="model", column="model"):
        realdb.add(array)
    assert not kept()
    realdb.add(array, model="array")
    realdb.add({"ILSVRC2012_val_00000001.JPEG": 7}, model="dict")
    rows = realdb.models().fetchall()
    assert [(row[0], row[1], *row[4:8]) for row in rows] == [
        ("array", 50_000, None, None, None, None),
        ("dict", 1, None, None, None, None),
    ]


@pytest.mark.usefixtures("store")
def test_model_needs_a_single_file(files: list[Path]) -> None:
    with refused(DataError, parameter="model", count=IMAGES):
        realdb.add(*files, model="m")
    assert not kept()


@pytest.mark.usefixtures("store")
def test_top5_is_kept(tmp_path: Path) -> None:
    lines = [f"1,{rank},{label}" for rank, label in enumerate((5, 9, 2, 7, 1), start=1)]
    (tmp_path / "m.csv").write_text("\n".join(["image,rank,label", *lines, ""]), "utf-8")
    realdb.add(tmp_path / "m.csv")
    assert realdb.models().fetchall()[0][:4] == ("m", 5, 1, 5)
    expected = realdb.query("from scored_predictions").fetchall()
    assert [row[:3] for row in expected] == [("m", 1, 5)]
    assert expected[0][8] is not None


def test_a_new_ingest_keeps_stored_models(
    store: Store, small: Callable[..., Path], synthetic: Path, tmp_path: Path
) -> None:
    realdb.add(small("m.csv", 1))
    was = realdb.models().fetchall()
    (tmp_path / "given").mkdir()
    shutil.copy(synthetic / "real.json", tmp_path / "given")
    with pytest.warns(realdb.RealdbWarning):
        made = realdb.ingest(tmp_path / "given")
    assert made.build_id != store.build_id
    assert realdb.models().fetchall() == was
    assert realdb.query("select count(*) from predictions").fetchall() == [(1,)]
    with duckdb.connect(str(store.root / "realdb.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from predictions").fetchall() == [(0,)]


# Queries.


@pytest.mark.usefixtures("with_models")
def test_every_connection_has_the_stored_models(small: Callable[..., Path]) -> None:
    with realdb.connect() as con:
        models = con.execute("select distinct model from predictions order by 1").fetchall()
        assert models == [("model_a",), ("model_b",)]
        assert con.execute("select count(*) from accuracy").fetchall() == [(2,)]
    more = small("more.csv", 1)
    counts = "select model, count(*) from predictions group by model order by model"
    both = [("model_a", IMAGES), ("model_b", IMAGES)]
    assert realdb.query(counts).fetchall() == both
    # Files are the whole of `predictions`, as in accuracy.
    assert realdb.query(counts, more).fetchall() == [("more", 1)]
    assert realdb.query(counts, more, with_stored=True).fetchall() == [*both, ("more", 1)]
    assert realdb.query(counts, more, "model_b").fetchall() == [both[1], ("more", 1)]
    with refused(UsageError, parameter="with_stored"):
        realdb.query(counts, with_stored=True)
    assert realdb.query("select model, label from more", more).fetchall() == [("more", 1)]


@pytest.mark.usefixtures("with_models")
def test_accuracy_ignores_stored_models(files: list[Path]) -> None:
    assert [row[0] for row in realdb.accuracy_table(files[0]).fetchall()] == ["model_a"]


@pytest.mark.usefixtures("with_models")
def test_a_file_beside_the_same_model_in_the_store(files: list[Path], tmp_path: Path) -> None:
    counts = "select model, count(*) from predictions group by model order by model"
    both = [("model_a", IMAGES), ("model_b", IMAGES)]
    assert realdb.query(counts, files[0]).fetchall() == both[:1]
    # The same rows count once.
    for sources in ((files[0],), ("model_a",), files):
        assert realdb.query(counts, *sources, with_stored=True).fetchall() == both
    other = Path(shutil.copy(files[1], tmp_path / "model_a.csv"))
    assert realdb.query(counts, other).fetchall() == both[:1]
    with refused(DataError, file=other, column="model", value="model_a", parameter="with_stored"):
        realdb.query(counts, other, with_stored=True)


@pytest.mark.usefixtures("with_models")
def test_stored_models_by_name(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a stored model can replace a file, if no file has that name."""
    monkeypatch.chdir(tmp_path)
    a, b = (realdb.accuracy(file) for file in files)
    assert realdb.accuracy("model_a") == a
    table = realdb.accuracy_table("model_b", files[0])
    assert [row[:2] for row in table.fetchall()] == [
        ("model_b", b.real_accuracy),
        ("model_a", a.real_accuracy),
    ]
    assert realdb.accuracy("model_a", model="other").real_accuracy == a.real_accuracy
    ((image,),) = realdb.query("select any_value(image_id) from model_b", files[1]).fetchall()
    assert [choice.model for choice in realdb.explain(image, "model_b").models] == ["model_b"]
    moves = realdb.scores("model_a", golden_majority=4).models.fetchall()
    assert [row[0] for row in moves] == ["model_a"]
    for sources in ((files[0], "model_b"), tuple(files)):
        assert {row[0] for row in realdb.leaderboard(*sources).fetchall()} == {
            *("model_a", "model_b"),
        }
    assert [row[0] for row in realdb.leaderboard("model_b").fetchall()] == ["model_b"]
    with refused(DataError, "model_a", value="model_aa", parameter="predictions"):
        realdb.accuracy("model_aa")
    with refused(DataError, column="model", value="model_a"):
        realdb.accuracy_table(files[0], "model_a")
    # A file has precedence.
    shutil.copy(files[1], tmp_path / "model_a")
    assert realdb.accuracy("model_a", input_format="csv").correct_images == b.correct_images


@pytest.fixture
def truth(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes original labels as predictions."""

    def truth(name: str, condition: str, wrong: int = 0) -> Path:
        path = tmp_path / f"{name}.csv"
        rows = realdb.query(
            f"select image_id, original_label from images where {condition} order by image_id"
        ).fetchall()
        changed = [(image, (label + (n < wrong)) % 1000) for n, (image, label) in enumerate(rows)]
        lines = [f"{image},{label}" for image, label in changed]
        path.write_text("image,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
        return path

    return truth


@pytest.mark.filterwarnings("default::realdb.RealdbWarning")
def test_the_ground_truth_is_refused(
    truth: Callable[..., Path], real_store: Store, run: Run, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(real_store.root, tmp_path / "real"))
    option = ["--store", str(root)]

    def written(name: str, condition: str, wrong: int = 0) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("REALDB_HOME", str(root))
            return truth(name, condition, wrong)

    # 95 % of 500 rated images, and one less; 499 images; unrated images, which do not count.
    rated = "is_rated and image_id <= (select image_id from rated order by 1 offset 499 limit 1)"
    exact = written("exact", rated, 25)
    below = written("below", rated, 26)
    few = written("few", rated.replace("499", "498"))
    unrated = written("unrated", "not is_rated")
    for command in ("accuracy", "add", "leaderboard"):
        done = run(command, str(exact), *option, code=1)
        assert "475 of 500" in done.stderr
        assert "--allow-ground-truth" in done.stderr
        for file in (below, few, unrated):
            done = run(command, str(file), *option)
            assert ("498 of 498" in done.stderr or "499 of 499" in done.stderr) == (file == few)
            assert "474 of 500" not in done.stderr
    run("accuracy", str(exact), "--allow-ground-truth", *option)
    run("add", str(exact), "--allow-ground-truth", *option)
    done = run("leaderboard", "--format", "csv", *option)
    marked = {
        row["model"]: row["is_ground_truth"] for row in csv.DictReader(io.StringIO(done.stdout))
    }
    assert marked == {"below": "false", "few": "false", "unrated": "false", "exact": "true"}
    assert "exact" in done.stderr
    with refused(DataError, file=exact, value="exact", count=475, parameter="allow_ground_truth"):
        realdb.accuracy(exact, store=root, allow_ground_truth=False)
    with pytest.warns(realdb.RealdbWarning, match="475 of 500"):
        realdb.accuracy(exact, store=root)


def test_a_reserved_file_stem_is_refused(small: Callable[..., Path], store: Store) -> None:
    with refused(DataError, value="added_predictions"):
        realdb.query("select 1", small("added_predictions.csv", 1), store=store.root)


# Listing and removing.


@pytest.mark.usefixtures("store")
def test_remove(small: Callable[..., Path]) -> None:
    realdb.add(small("a.csv", 1), small("b.csv", 1))
    with refused(DataError, parameter="models", value="c"):
        realdb.remove("a", "c")
    assert kept() == ["a", "b"]
    realdb.remove("a")
    assert kept() == ["b"]
    realdb.remove("b")
    assert kept() == []
    assert realdb.query("select count(*) from predictions").fetchall() == [(0,)]


def test_no_store(tmp_path: Path, files: list[Path]) -> None:
    for ask in (realdb.models, lambda **o: realdb.remove("x", **o), realdb.leaderboard):
        with refused(StoreError, "realdb ingest", file=tmp_path / "none"):
            ask(store=tmp_path / "none")
    with refused(StoreError, "realdb ingest", file=tmp_path / "none", parameter="offline"):
        realdb.add(files[0], store=tmp_path / "none")
    assert not (tmp_path / "none").exists()


# The leaderboard.


@pytest.mark.cases(3)
@pytest.mark.parametrize(
    "rules", [{}, {"threshold": 0.5}, {"empty": "wrong"}, {"threshold": 0.9, "empty": "original"}]
)
@pytest.mark.usefixtures("with_models")
def test_leaderboard_has_the_accuracies(
    rules: dict[str, Any], files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures are the same if the models are judged in several batches."""
    monkeypatch.setattr("realdb.api.leaderboard._BATCH", 1)
    rows = realdb.leaderboard(**rules)
    found = [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]
    assert [row["real_rank"] for row in found] == [1, 2]
    assert sorted(row["original_rank"] for row in found) == [1, 2]
    accuracies = {path.stem: realdb.accuracy(path, **rules) for path in files}
    for row in found:
        accuracy = asdict(accuracies[row["model"]])
        assert {name: row[name] for name in accuracy if name in row} == {
            name: accuracy[name] for name in accuracy if name in row
        }
        assert row["rank_change"] == row["original_rank"] - row["real_rank"]
    assert found[0]["real_accuracy"] > found[1]["real_accuracy"]


@pytest.mark.usefixtures("with_models")
def test_models_with_different_images_cause_a_warning(files: list[Path], tmp_path: Path) -> None:
    lines = files[0].read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "half.csv").write_text("".join(lines[: IMAGES // 2 + 1]), encoding="utf-8")
    realdb.add(tmp_path / "half.csv")
    with pytest.warns(realdb.RealdbWarning) as warned:
        rows = realdb.leaderboard()
    (warning,) = warned
    place = rows.columns.index("scored_images")
    half, *whole = sorted(row[place] for row in rows.fetchall())
    assert len(whole) == 2
    assert half < whole[0]
    assert f" {half:,} " in str(warning.message)
    assert f" {whole[-1]:,} " in str(warning.message)


def test_leaderboard_without_models(store: Store) -> None:
    with refused(DataError, "realdb add FILE", file=store.root):
        realdb.leaderboard()
    with refused(UsageError, parameter="threshold", value=2):
        realdb.leaderboard(threshold=2)
    with refused(UsageError, parameter="empty", value="no"):
        realdb.leaderboard(empty="no")


def test_the_known_leaderboard(real_data: Path, real_store: Store, tmp_path: Path) -> None:
    root = Path(shutil.copytree(real_store.root, tmp_path / "real"))
    realdb.add(real_data / "predictions", store=root)
    rows = realdb.leaderboard(store=root)
    found = rows.select("model", "real_rank", "original_rank", "rank_change").fetchall()
    assert found == [("ViT", 1, 1, 0), ("ResNet50", 2, 2, 0)]
    shares = rows.select("real_accuracy", "original_accuracy").fetchall()
    assert shares[0] == pytest.approx((39_337 / 46_837, 0.78006), abs=1e-15)
    assert shares[1] == pytest.approx((38_855 / 46_837, 0.76130), abs=1e-15)


# The command line.


def test_the_commands(run: Run, files: list[Path]) -> None:
    none = run("models")
    assert none.stdout.splitlines() == [",".join(realdb.models().columns)]
    assert none.stderr == "realdb: no model is stored. Store one with: realdb add FILE\n"
    assert "no model is stored in" in run("leaderboard", code=1).stderr
    added = list(csv.DictReader(io.StringIO(run("add", *files).stdout)))
    assert [row["status"] for row in added] == ["added", "added"]
    listed = list(csv.DictReader(io.StringIO(run("models").stdout)))
    assert [row["model"] for row in listed] == ["model_a", "model_b"]
    ranks = list(csv.DictReader(io.StringIO(run("leaderboard", "--empty", "wrong").stdout)))
    assert [row["real_rank"] for row in ranks] == ["1", "2"]
    assert "Did you mean: model_a" in run("remove", "model_A", code=1).stderr
    assert run("remove", "model_a").stderr == "realdb: removed model_a\n"
    assert run("sql", "select distinct model from predictions").stdout == "model\nmodel_b\n"


def test_standard_input(run: Run) -> None:
    text = "image,top1\n1,2\n"
    assert "--model NAME" in run("add", "-", "--columns", "label=top1", stdin=text, code=1).stderr
    options = ["--model", "m", "--columns", "label=top1", "--input-format", "csv"]
    assert "m,added,1,1,standard input\n" in run("add", "-", *options, stdin=text).stdout
    other = text.replace("2", "3")
    assert "--replace" in run("add", "-", *options, stdin=other, code=1).stderr
    assert "m,replaced,1,1," in run("add", "-", *options, "--replace", stdin=other).stdout


def test_two_commands_at_once_lose_nothing(
    run: Run, small: Callable[..., Path], tmp_path: Path
) -> None:
    given = [[small(f"{who}/{who}{number}.csv", number) for number in range(6)] for who in "xy"]
    given[1] += given[0][:3]
    command = [sys.executable, "-m", "realdb", "add"]
    both = [
        subprocess.Popen(
            [*command, *map(str, paths)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for paths in given
    ]
    statuses = ""
    for process in both:
        out, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        statuses += out.decode()
    assert statuses.count(",added,") == 12
    assert statuses.count(",unchanged,") == 3
    assert len(run("models").stdout.splitlines()) == 1 + 12
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_killed_command_loses_nothing(run: Run, files: list[Path], tmp_path: Path) -> None:
    """A killed `add` leaves the models that it reported, complete, and can be run again."""
    paths = []
    for number in range(8):
        paths.append(tmp_path / f"m{number}.csv")
        paths[-1].symlink_to(files[0])
    command = [sys.executable, "-m", "realdb", "add", *map(str, paths)]
    folder = tmp_path / "own" / "predictions"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and len(list(folder.glob("*.parquet"))) < 3:
            time.sleep(0.001)
        process.kill()
    before = kept()
    assert 3 <= len(before) < 8
    counts = "select distinct count(*) from predictions group by model"
    assert realdb.query(counts).fetchall() == [(IMAGES,)]
    run("add", *paths)
    assert len(kept()) == 8
    assert not list(folder.glob("*.partial"))


def test_a_store_is_moved_and_removed_as_a_folder(
    synthetic_store: Store, files: list[Path], tmp_path: Path
) -> None:
    """Two stores are independent."""
    old, new = tmp_path / "old", tmp_path / "elsewhere" / "new"
    shutil.copytree(synthetic_store.root, old)
    realdb.add(files[0], store=old)
    rows = realdb.leaderboard(store=old).fetchall()
    new.parent.mkdir()
    shutil.move(old, new)
    assert realdb.leaderboard(store=new).fetchall() == rows
    assert all(check.is_passed is not False for check in realdb.verify(store=new))
    assert realdb.models(store=synthetic_store.root).fetchall() == []
    with duckdb.connect(new / "realdb.duckdb", read_only=True) as con:
        assert con.sql("select count(*) from images").fetchall() == [(50_000,)]
    shutil.rmtree(new)
    with refused(StoreError, "realdb ingest", file=new):
        realdb.info(store=new)
