"""The doctor on several files, folders, patterns and stored models: each is diagnosed by itself."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import commands
import realdb
from realdb.errors import DataError, StoreError, UsageError
from realdb.store import prediction_sets
from realdb.store.store import Store
from refusals import refused


class Files(NamedTuple):
    """A folder of prediction files: sound.csv, late.csv (labels one image late), and bad.csv."""

    folder: Path
    label: Any
    real: float
    store: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)


# Few images, so that a diagnosis takes less time; the last of all, before which none is missing.
IMAGES = np.array([*range(1, 5_000), 50_000])
NEXT = IMAGES % 50_000 + 1


def write(path: Path, image: Any, label: Any) -> None:
    lines = [f"ILSVRC2012_val_{n:08d}.JPEG,{k}" for n, k in zip(image, label, strict=True)]
    path.write_text("\n".join(["file_name,label", *lines, ""]), encoding="utf-8")


@pytest.fixture(scope="module")
def files(
    synthetic: Path, synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Files:
    folder = tmp_path_factory.mktemp("files")
    rows = duckdb.read_csv(str(synthetic / "predictions" / "model_a.csv")).order("file_name")
    label = rows.fetchnumpy()["predicted_class"].astype(int)[IMAGES - 1]
    write(folder / "sound.csv", IMAGES, label)
    write(folder / "late.csv", NEXT, label)
    (folder / "bad.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.warns(realdb.RealdbWarning, match="covers only"):
        real = realdb.accuracy(folder / "sound.csv", store=synthetic_store.root).real_accuracy
    assert real
    return Files(folder, label, real, synthetic_store.root)


@pytest.fixture(scope="module")
def store(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with the stored models `sound` and `late`."""
    without = shutil.ignore_patterns("realdb.duckdb")
    folder = tmp_path_factory.mktemp("several") / "store"
    root = Path(shutil.copytree(files.store, folder, ignore=without))
    with pytest.warns(realdb.RealdbWarning, match="near chance|covers only"):
        realdb.add(files.path("sound.csv"), files.path("late.csv"), store=root)
    return root


@pytest.fixture
def run(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that runs realdb and checks its exit code."""
    monkeypatch.setenv("REALDB_HOME", str(files.store))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")

    def run(*arguments: str, code: int = 0) -> Any:
        done = commands.run(arguments, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def seen(found: realdb.Diagnoses) -> list[tuple[str, str | None, str]]:
    return [(each.where, each.model, each.verdict) for each in found]


def two_models(files: Files, path: Path, add: int = 0) -> str:
    """Write the models `good` and `late`; the class ids of the latter are `add` too high."""
    label = np.concatenate([files.label, files.label + add])
    names = ["good"] * len(IMAGES) + ["late"] * len(IMAGES)
    image = np.concatenate([IMAGES, IMAGES if add else NEXT])
    pq.write_table(pa.table({"model": names, "image_id": image, "label": label}), path)
    return str(path)


# In Python


def test_one_file_gives_a_diagnosis_and_several_give_a_list(files: Files) -> None:
    sound, late = files.path("sound.csv"), files.path("late.csv")
    one = realdb.doctor(sound, store=files.store)
    assert isinstance(one, realdb.Diagnosis)
    (of_list,) = realdb.doctor([sound], store=files.store)
    assert of_list == one
    expected = [(sound, "sound", "sound"), (late, "late", "faulty")]
    assert seen(realdb.doctor(sound, late, store=files.store)) == expected
    found = realdb.doctor([sound, late], store=files.store)
    assert seen(found) == expected
    assert found[0] == one
    assert repr(found) == f"{found[0]}\n\n{found[1]}"


def test_folders_and_patterns(files: Files) -> None:
    bad, late, sound = (files.path(name) for name in ("bad.csv", "late.csv", "sound.csv"))
    expected = [(bad, None, "unreadable"), (late, "late", "faulty"), (sound, "sound", "sound")]
    assert seen(realdb.doctor([files.folder], store=files.store)) == expected
    pattern = files.path("[ls]*.csv")
    assert seen(realdb.doctor([pattern], store=files.store)) == expected[1:]
    with refused(DataError, "Pass a list", parameter="predictions", count=3):
        realdb.doctor(files.folder, store=files.store)
    with refused(UsageError, parameter="predictions"):
        realdb.doctor(store=files.store)


def test_predictions_in_memory(files: Files) -> None:
    image = {"sound": IMAGES, "late": NEXT}
    tables = [pa.table({"image": image[name], "label": files.label}) for name in image]
    found = realdb.doctor(tables, store=files.store)
    assert [each.verdict for each in found] == ["sound", "faulty"]
    assert len({each.where for each in found}) == 2


def test_an_unreadable_file_does_not_stop_the_others(
    files: Files, store: Path, tmp_path: Path
) -> None:
    store = Path(shutil.copytree(store, tmp_path / "store"))
    (damaged,) = (file for file in prediction_sets.files(store) if "late" in file.name)
    damaged.chmod(0o644)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 255
    damaged.write_bytes(content)
    none, bad = files.path("none.csv"), files.path("bad.csv")
    named = [none, bad, "late", files.path("no*.csv"), "sound"]
    found = realdb.doctor(named, store=store)
    assert [each.where for each in found] == named
    assert [each.is_readable for each in found] == [False] * 4 + [True]
    assert found[4].real_accuracy == files.real
    for each in found[:4]:
        assert each.refusal == each.reason
        assert (each.model, each.real_accuracy, each.rows) == (None, None, 0)
        assert each.where in str(each)
    # A single unreadable file is an error, as in realdb.accuracy.
    with refused(StoreError, "late"):
        realdb.doctor("late", store=store)
    with refused(DataError, file=bad, column="image"):
        realdb.doctor([bad], store=store)


def test_stored_models(files: Files, store: Path, tmp_path: Path) -> None:
    found = realdb.doctor("late", store=store)
    assert (found.where, found.format, found.model) == ("late", "stored", "late")
    assert (found.verdict, found.findings[0].name) == ("faulty", "image-1")
    assert realdb.doctor("sound", store=store).real_accuracy == files.real
    realdb.doctor("late", fix="image-1", out=tmp_path / "fixed.parquet", store=store)
    fixed = duckdb.read_parquet(str(tmp_path / "fixed.parquet")).order("file_name").fetchnumpy()
    assert fixed["label"].tolist() == files.label.tolist()
    with refused(DataError, "sound", value="soun", parameter="predictions"):
        realdb.doctor("soun", store=store)


def test_each_model_of_a_file(files: Files, tmp_path: Path) -> None:
    path = two_models(files, tmp_path / "two.parquet")
    expected = [(path, "good", "sound"), (path, "late", "faulty")]
    assert seen(realdb.doctor([path], store=files.store)) == expected
    assert seen(realdb.doctor([path], model="late", store=files.store)) == expected[1:]
    for one in (path, [path]):
        with refused(DataError, "(good, late)", parameter="model", count=2):
            realdb.doctor(one, fix="image-1", out=tmp_path / "x.parquet", store=files.store)
    assert not (tmp_path / "x.parquet").exists()


def test_a_fault_in_one_model_of_a_file_does_not_affect_another(
    files: Files, tmp_path: Path
) -> None:
    path = two_models(files, tmp_path / "two.parquet", add=1)
    good, late = realdb.doctor([path], store=files.store)
    assert good.refusal
    assert good.refusal == late.refusal
    assert (good.verdict, good.findings) == ("sound", ())
    assert "realdb accuracy refuses the file" in good.reason
    assert [finding.name for finding in late.findings] == ["label-1"]
    assert "--model late" in late.findings[0].fix


def test_fix_and_model_need_a_single_file(files: Files, tmp_path: Path) -> None:
    several = [files.path("sound.csv"), files.path("late.csv")]
    out = tmp_path / "fixed.parquet"
    with refused(UsageError, parameter="fix", value="image-1", count=2):
        realdb.doctor(several, fix="image-1", out=out, store=files.store)
    with refused(UsageError, parameter="model", value="late", count=2):
        realdb.doctor(several, model="late", store=files.store)
    assert not out.exists()


def test_a_folder_of_one_model(files: Files, tmp_path: Path) -> None:
    folder = tmp_path / "model=mine"
    folder.mkdir()
    header, *lines = (files.folder / "late.csv").read_text(encoding="utf-8").splitlines()
    for name, part in (("0.csv", lines[:2_000]), ("1.csv", lines[2_000:])):
        (folder / name).write_text("\n".join([header, *part, ""]), encoding="utf-8")
    for where in (folder, tmp_path):
        (found,) = realdb.doctor([where], store=files.store)
        assert (found.where, found.model, found.format) == (str(folder), "mine", "csv")
        assert found.images == len(IMAGES)
        words = shlex.split(found.findings[0].fix)
        assert words[2] == str(folder)
    with pytest.warns(realdb.RealdbWarning, match=f"realdb doctor {re.escape(str(folder))}$|only"):
        assert realdb.accuracy(folder, store=files.store).model == "mine"
    out = tmp_path / "fixed.parquet"
    realdb.doctor(folder, fix="image-1", out=out, store=files.store)
    assert set(pq.read_table(out)["model"].to_pylist()) == {"mine"}


# The command


def test_the_command_on_several(
    files: Files, store: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    sound, bad = files.path("sound.csv"), files.path("bad.csv")
    named = ["doctor", sound, "late", bad, "--store", str(store)]
    done = run(*named, "--format", "table", code=1)
    # Models that are not sound have a report with a working command. All are in the table.
    report, _, table = done.stdout.partition("\n\n")
    assert report.startswith("late: stored, model late")
    command = shlex.split(report.splitlines()[-1])
    assert all(len(line) <= 80 for line in table.splitlines())
    for verdict in ("sound", "faulty", "unreadable"):
        assert len(re.findall(rf"\b{verdict} ", table)) >= 1
    assert f"{files.real:.6f}" in table
    assert bad in done.stderr
    assert "--columns" in done.stderr
    run(*command[1:])
    fixed = realdb.doctor(tmp_path / "fixed.parquet", store=files.store)
    assert fixed.real_accuracy == files.real


def test_rows_name_the_file_and_the_model(
    files: Files, store: Path, run: Callable[..., Any]
) -> None:
    sound, bad = files.path("sound.csv"), files.path("bad.csv")
    named = ["doctor", sound, "late", bad, "--store", str(store)]
    rows = json.loads(run(*named, "--format", "json", code=1).stdout)
    text = run(*named, "--format", "csv", code=1).stdout
    assert [row["name"] or None for row in csv.DictReader(io.StringIO(text))] == [
        row["name"] for row in rows
    ]
    verdicts = {(row["file"], row["model"]): row["verdict"] for row in rows}
    assert verdicts == {
        (sound, "sound"): "sound",
        ("late", "late"): "faulty",
        (bad, None): "unreadable",
    }
    assert [(row["file"], row["name"]) for row in rows if row["is_finding"]] == [
        ("late", "image-1")
    ]
    (unreadable,) = (row for row in rows if row["file"] == bad)
    assert unreadable["name"] is None
    assert "no image column" in unreadable["reason"]


def test_the_exit_codes(files: Files, run: Callable[..., Any], tmp_path: Path) -> None:
    assert not run("doctor", files.path("bad.csv"), code=1).stdout
    several = [files.path("sound.csv"), files.path("late.csv")]
    run("doctor", *several)
    run("doctor", *several, "--fix", "image-1", "--out", "x.parquet", code=2)
    assert not (tmp_path / "x.parquet").exists()
