from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import commands
import realdb
from realdb.errors import DataError, UsageError
from realdb.store.store import Store
from refusals import refused

Ints = npt.NDArray[np.integer[Any]]
PLACES = np.arange(50_000)
TEXT = np.array(sorted(map(str, range(1000)))).astype(int)
TEXT_IMAGES = np.array(sorted(map(str, range(1, 50_001)))).astype(int) - 1
SHUFFLED = np.random.default_rng(7).permutation(50_000)
DEVKIT = np.random.default_rng(7).permutation(1000) + 1


class Model(NamedTuple):
    """A model's labels and the original ones, both in file-name order, and its ReaL accuracy."""

    path: Path
    label: Ints
    confidence: npt.NDArray[np.float64]
    original: Ints
    store: Path
    real: float


def load(path: Path, store: Store) -> Model:
    con = duckdb.connect()
    rows = con.read_csv(str(path)).order("file_name").fetchnumpy()
    with store.connect(["images"]) as images:
        original = images.execute("select original_label from images order by image_id")
        labels = original.fetchnumpy()["original_label"].astype(int)
    real = realdb.accuracy(path, store=store.root).real_accuracy
    assert real
    label = rows["predicted_class"].astype(int)
    return Model(path, label, rows["predicted_probability"], labels, store.root, real)


@pytest.fixture(scope="module")
def model_a(synthetic: Path, synthetic_store: Store) -> Model:
    return load(synthetic / "predictions" / "model_a.csv", synthetic_store)


@pytest.fixture(scope="module")
def part(model_a: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Return the predictions of model_a for the first 5,000 images, which take less time."""
    path = tmp_path_factory.mktemp("part") / "part.parquet"
    label, confidence = model_a.label[:5_000], model_a.confidence[:5_000]
    pq.write_table(table(PLACES[:5_000] + 1, label), path)
    with pytest.warns(realdb.RealdbWarning, match="covers only 5,000"):
        real = realdb.accuracy(path, store=model_a.store).real_accuracy
    assert real
    return Model(path, label, confidence, model_a.original, model_a.store, real)


@pytest.fixture(scope="module")
def resnet(real_data: Path, real_store: Store) -> Model:
    return load(real_data / "predictions" / "ResNet50.csv", real_store)


@pytest.fixture(scope="module")
def vit(real_data: Path, real_store: Store) -> Model:
    return load(real_data / "predictions" / "ViT.csv", real_store)


def folders(model: Model) -> Ints:
    return np.argsort(model.original, kind="stable")


def numbered_folders(model: Model) -> Ints:
    """The order of images in class folders called 0-999, as a file system sorts them."""
    return np.argsort(np.argsort(TEXT)[model.original], kind="stable")


def table(image: Ints, label: Ints, **others: Any) -> pa.Table:
    return pa.table({"image_id": image, "label": label, **others})


# Each fault: the repair for it, and a function that makes it.
FAULTS: dict[str, tuple[str, Callable[[Model], object]]] = {
    "labels come one image late": ("image-1", lambda m: np.roll(m.label, 1)),
    "labels come one image early": ("image+1", lambda m: np.roll(m.label, -1)),
    "images count from 0": ("image+1", lambda m: table(PLACES, m.label)),
    "images are i + i": ("image-doubled", lambda m: table(PLACES + PLACES, m.label)),
    "ids from 1": ("label-1", lambda m: m.label + 1),
    "ids from 1, modulo 1000": ("label-1", lambda m: (m.label + 1) % 1000),
    "ids from -1": ("label+1", lambda m: m.label - 1),
    "ids from 2": ("label-2", lambda m: m.label + 2),
    "ids from 2, modulo 1000": ("label-2", lambda m: (m.label + 2) % 1000),
    "ids from -3": ("label+3", lambda m: m.label - 3),
    "ids from 500, modulo 1000": ("label-500", lambda m: (m.label + 500) % 1000),
    "labels come three images late": ("image-3", lambda m: np.roll(m.label, 3)),
    "folders, ids from 2": ("folder-order,label-2", lambda m: m.label[folders(m)] + 2),
    "text-sorted folders": ("label-text-order", lambda m: np.argsort(TEXT)[m.label]),
    "text-sorted folders, back": ("label-text-order-back", lambda m: TEXT[m.label]),
    "class-folder order": ("folder-order", lambda m: m.label[folders(m)]),
    "class-folder order from 0": ("folder-order", lambda m: table(PLACES, m.label[folders(m)])),
    "taken as folders": ("folder-order-back", lambda m: m.label[np.argsort(folders(m))]),
    "numbered folders": ("numbered-folder-order", lambda m: m.label[numbered_folders(m)]),
    "reversed": ("reversed", lambda m: m.label[::-1]),
    "images sorted as text": ("text-order", lambda m: m.label[TEXT_IMAGES]),
    "folders, ids from 1": ("folder-order,label-1", lambda m: m.label[folders(m)] + 1),
    "numbered folders, both ways": (
        "numbered-folder-order,label-text-order",
        lambda m: np.argsort(TEXT)[m.label[numbered_folders(m)]],
    ),
}


def check_named_and_repaired(fault: str, model: Model, folder: Path) -> realdb.Diagnosis:
    """The fault is named, and the repaired file has the model's prediction for each image."""
    name, make = FAULTS[fault]
    out = folder / "fixed.parquet"
    found = realdb.doctor(make(model), fix=name, out=out, store=model.store)
    assert found.verdict == "faulty"
    finding = found.findings[0]
    assert finding.name == name
    assert finding.accuracy_before == found.real_accuracy
    assert finding.accuracy_before < 0.05
    assert finding.accuracy_after == pytest.approx(model.real, abs=1e-12)
    fixed = duckdb.read_parquet(str(out)).order("file_name").fetchnumpy()
    assert fixed["label"].tolist() == model.label.tolist()
    # In the synthetic data the images of a class are interchangeable.
    others = {other.name for other in found.findings[1:]}
    assert others == ({"folder-order"} if "numbered" in fault and "both" in fault else set())
    return found


def choices(model: Model) -> Ints:
    """Return five classes for each image, with the model's first choice in front."""
    steps = np.random.default_rng(3).integers(1, 200, (len(model.label), 5))
    steps[:, 0] = 0
    return (model.label[:, None] + np.cumsum(steps, axis=1)) % 1000


def shuffled(model: Model) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Return the classes and confidences of half of the images in the order of an argpartition."""
    rng = np.random.default_rng(5)
    five, confidence = choices(model), model.confidence[:, None] * 0.5 ** np.arange(5)
    for image in range(1, len(five), 2):
        order = rng.permutation(5)
        five[image], confidence[image] = five[image, order], confidence[image, order]
    return five, confidence


def listed(labels: Ints, confidence: npt.NDArray[np.float64] | None = None) -> pa.Table:
    held: dict[str, Any] = {"image": np.arange(len(labels)) + 1, "label": list(labels)}
    if confidence is not None:
        held["score"] = list(confidence)
    return pa.table(held)


def unranked(model: Model) -> pa.Table:
    """Return one row per rank, without a rank column."""
    five, confidence = shuffled(model)
    return pa.table(
        {
            "image": np.repeat(np.arange(len(five)) + 1, 5),
            "label": five.ravel(),
            "score": confidence.ravel(),
        }
    )


def padded(label: Ints) -> pa.Table:
    """Return a file with a last batch that was filled up with its first images."""
    image = np.arange(len(label)) + 1
    return table(np.append(image, image[:8]), np.append(label, label[:8]))


# Faults of ranks and repeats: the repair, and whether the unrepaired file is refused.
OF_RANKS: dict[str, tuple[str, bool, Callable[[Model], object]]] = {
    "argpartition": ("ranks-by-confidence", False, lambda m: listed(*shuffled(m))),
    "argpartition, ids from 1": (
        "ranks-by-confidence,label-1",
        False,
        lambda m: listed(shuffled(m)[0] % 1000 + 1, shuffled(m)[1]),
    ),
    "an ascending argsort": ("ranks-reversed", False, lambda m: listed(choices(m)[:, ::-1])),
    "no ranks": ("ranks-by-confidence", True, unranked),
    "padding": (
        "padding",
        True,
        lambda m: padded(m.label),
    ),
    "padding, ids from 2": (
        "padding,label-2",
        True,
        lambda m: padded((m.label + 2) % 1000),
    ),
}


@pytest.mark.cases(2)
@pytest.mark.parametrize("fault", OF_RANKS)
def test_ranks_and_repeats_are_repaired(fault: str, part: Model, tmp_path: Path) -> None:
    name, is_refused, make = OF_RANKS[fault]
    out = tmp_path / "fixed.parquet"
    found = realdb.doctor(make(part), fix=name, out=out, store=part.store)
    assert found.verdict == "faulty"
    assert [finding.name for finding in found.findings] == [name]
    (finding,) = found.findings
    assert (finding.accuracy_before is None) == is_refused
    assert not finding.is_fitted
    assert finding.accuracy_after == pytest.approx(part.real, abs=1e-12)
    fixed = duckdb.read_parquet(str(out)).filter("rank = 1").order("file_name").fetchnumpy()
    assert fixed["label"].tolist() == part.label.tolist()
    with pytest.warns(realdb.RealdbWarning, match="covers only 5,000"):
        assert realdb.accuracy(out, store=part.store).real_accuracy == part.real


def test_a_distance_column_is_not_used_as_confidence(part: Model) -> None:
    """The ranks are right and the column rises with them, so ranking by it would be wrong."""
    distance = np.arange(5) + part.confidence[:, None]
    found = realdb.doctor(listed(choices(part), distance), store=part.store)
    assert (found.verdict, found.findings) == ("faulty", ())
    assert "as-written" in str(found.refusal)
    assert found.real_accuracy == part.real


@pytest.mark.cases(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_and_repaired(fault: str, model_a: Model, tmp_path: Path) -> None:
    check_named_and_repaired(fault, model_a, tmp_path)


# The figures in FACTS for the usual mistakes, with ResNet50.csv.
@pytest.mark.parametrize(
    ("fault", "scores"),
    [
        ("labels come one image late", 0.0013),
        ("labels come one image early", 0.0012),
        ("ids from 1, modulo 1000", 0.0155),
        ("ids from 1", 0.0155),
        ("text-sorted folders", 0.0119),
        ("class-folder order", 0.0014),
    ],
)
def test_the_faults_of_a_real_model(
    fault: str, scores: float, resnet: Model, tmp_path: Path
) -> None:
    found = check_named_and_repaired(fault, resnet, tmp_path)
    assert found.real_accuracy == pytest.approx(scores, abs=6e-5)
    fixed = realdb.accuracy(tmp_path / "fixed.parquet", store=resnet.store)
    assert fixed.correct_images == 38_855


def test_class_ids_in_another_order(model_a: Model, tmp_path: Path) -> None:
    """The synthetic model does not confuse pairs of classes, so the order is found exactly."""
    out = tmp_path / "fixed.parquet"
    predictions = DEVKIT[model_a.label]
    found = realdb.doctor(predictions, fix="class-order", out=out, store=model_a.store)
    (finding,) = found.findings
    assert finding.accuracy_after == pytest.approx(model_a.real, abs=1e-12)
    assert "all 1,000 classes" in finding.note
    assert found.refusal
    fixed = duckdb.read_parquet(str(out)).order("file_name").fetchnumpy()
    assert fixed["label"].tolist() == model_a.label.tolist()


def test_class_ids_in_another_order_from_a_real_model(resnet: Model) -> None:
    """With missile and projectile exchanged ResNet50 is right on one more image, which is noted.

    38,856 is the most that any order gives (a linear assignment solver finds the same).
    """
    (finding,) = realdb.doctor(DEVKIT[resnet.label], store=resnet.store).findings
    assert finding.name == "class-order"
    assert finding.accuracy_after == pytest.approx(38_856 / 46_837, abs=1e-12)
    assert " 82.9% " in finding.note
    assert "435 and 876, 482 and 848, 620 and 681, 657 and 744, 836 and 837" in finding.note


def test_real_models_are_sound(resnet: Model, vit: Model) -> None:
    for model in (resnet, vit):
        found = realdb.doctor(model.path, store=model.store)
        assert found.verdict == "sound"
        assert found.findings == ()
        assert found.refusal is None
        assert found.real_accuracy == model.real
        assert found.scored_images == 46_837
        assert (found.format, found.rows, found.images, found.ranks) == ("csv", 50_000, 50_000, 1)
        assert found.confidence_low == model.confidence.min()
        assert found.confidence_high == model.confidence.max()


def weak(model: Model, share: float) -> Ints:
    rng = np.random.default_rng(3)
    return np.where(rng.random(50_000) < share, rng.integers(0, 1000, 50_000), model.label)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.9])
def test_a_weak_model_is_not_faulty(share: float, vit: Model, model_a: Model) -> None:
    for model in (vit, model_a):
        found = realdb.doctor(weak(model, share), store=model.store)
        assert found.verdict == "sound"
        assert not found.findings


def test_uninformative_confidence_is_reported(vit: Model) -> None:
    """60 % of the labels are wrong at every confidence."""
    predictions = table(PLACES + 1, weak(vit, 0.6), confidence=vit.confidence)
    found = realdb.doctor(predictions, store=vit.store)
    assert found.verdict == "suspicious"
    assert "most confident" in found.reason
    assert not found.findings


def test_a_lost_image_order_is_reported(model_a: Model) -> None:
    found = realdb.doctor(model_a.label[SHUFFLED], store=model_a.store)
    assert found.verdict == "faulty"
    assert "the order of the images is lost" in found.reason
    assert not found.findings
    assert {"image+1", "folder-order,label-1", "class-order"} <= {t.name for t in found.tried}


def test_a_lost_image_order_of_a_real_model_is_reported(resnet: Model) -> None:
    found = realdb.doctor(resnet.label[SHUFFLED], store=resnet.store)
    assert "the order of the images is lost" in found.reason
    assert found.real_accuracy == pytest.approx(0.0014, abs=5e-4)


def test_a_collapsed_model(model_a: Model) -> None:
    found = realdb.doctor(np.full(50_000, 7), store=model_a.store)
    assert found.verdict == "suspicious"
    assert "the same label" in found.reason


@pytest.mark.parametrize("count", [20, 500, 20_000])
def test_part_of_the_images(count: int, model_a: Model) -> None:
    image = SHUFFLED[:count]
    right = realdb.doctor(table(image + 1, model_a.label[image]), store=model_a.store)
    assert (right.verdict, right.images) == ("sound", count)
    broken = realdb.doctor(table(image + 1, np.roll(model_a.label, 1)[image]), store=model_a.store)
    assert [finding.name for finding in broken.findings] == ["image-1"]
    assert broken.findings[0].accuracy_after > 0.6


def test_too_few_images(model_a: Model) -> None:
    found = realdb.doctor(table(PLACES[:2] + 1, model_a.label[:2] + 1), store=model_a.store)
    assert (found.verdict, found.findings) == ("suspicious", ())
    assert "too few" in found.reason


def test_equally_good_repairs_are_both_listed(model_a: Model, tmp_path: Path) -> None:
    """Folder 979 in the order of text is class 980, as if 1 had been subtracted."""
    image = np.flatnonzero(model_a.original == 980)
    predictions = table(image + 1, np.full(len(image), 979))
    found = realdb.doctor(predictions, store=model_a.store)
    assert {finding.name for finding in found.findings} == {"label+1", "label-text-order"}
    assert " or " in found.reason
    assert str(found).count('out="fixed.parquet"') == 2
    out = tmp_path / "fixed.parquet"
    realdb.doctor(predictions, fix="label-text-order", out=out, store=model_a.store)
    assert set(pq.read_table(out)["label"].to_pylist()) == {980}


# Files that accuracy refuses


def test_one_wrong_row_is_reported_apart_from_the_diagnosis(model_a: Model) -> None:
    label = model_a.label.copy()
    label[5] = 1001
    found = realdb.doctor(label, store=model_a.store)
    assert found.verdict == "faulty"
    assert "no usual mistake" in found.reason
    assert "its images, class ids and labels" in found.reason
    assert found.refusal
    assert "'1001' in row 6" in found.refusal


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ({"image": ["a.JPEG"], "label": [1]}, "image"),
        ({"image": [0], "label": ["x"]}, "image"),
        ({"image": [1, 1], "label": [1, 1000]}, "label"),
        ({"image": [1], "label": [1000], "confidence": ["x"]}, "label"),
        ({"image": [1], "name": ["x"]}, "label"),
    ],
)
def test_files_without_a_known_mistake_are_still_refused(
    table: dict[str, list[object]], column: str, model_a: Model
) -> None:
    with refused(DataError, column=column):
        realdb.doctor(pa.table(table), store=model_a.store)


# Several models, several ranks


def test_one_model_of_several(part: Model, tmp_path: Path) -> None:
    image = np.tile(PLACES[:5_000] + 1, 2)
    label = np.concatenate([part.label, np.roll(part.label, 1)])
    predictions = table(image, label, model=["good"] * 5_000 + ["late"] * 5_000)
    with refused(DataError, "(good, late)", parameter="model", count=2):
        realdb.doctor(predictions, store=part.store)
    with refused(DataError, parameter="model", value="bad"):
        realdb.doctor(predictions, model="bad", store=part.store)
    assert realdb.doctor(predictions, model="good", store=part.store).verdict == "sound"
    out = tmp_path / "fixed.parquet"
    late = realdb.doctor(predictions, model="late", fix="image-1", out=out, store=part.store)
    assert (late.model, late.rows) == ("late", 5_000)
    assert set(pq.read_table(out)["model"].to_pylist()) == {"late"}


def test_ranks_and_a_background_class(part: Model, tmp_path: Path) -> None:
    """A head of 1,001 classes: choices after the background move up, which is noted."""
    first, second = part.label + 1, (part.label + 500) % 1000 + 1
    first[:10] = 0
    first[10] = second[11] = 1000
    predictions = table(
        np.repeat(PLACES[:5_000], 2) + 1,
        np.stack([first, second], axis=1).ravel(),
        rank=np.tile([1, 2], 5_000),
        confidence=np.tile([0.7, 0.2], 5_000),
    )
    out = tmp_path / "fixed.parquet"
    with pytest.warns(realdb.RealdbWarning, match=r" 10 of the 10,000 "):
        found = realdb.doctor(predictions, fix="label-1", out=out, store=part.store)
    assert found.ranks == 2
    rows = duckdb.read_parquet(str(out)).fetchall()
    assert rows[0] == ("predictions", "ILSVRC2012_val_00000001.JPEG", 1, second[0] - 1, 0.2)
    assert rows[10][1:4] == ("ILSVRC2012_val_00000011.JPEG", 1, 999)
    assert len(rows) == 9_990
    with pytest.warns(realdb.RealdbWarning, match="covers only 5,000"):
        realdb.accuracy(out, store=part.store)


def test_without_original_labels(bare_store: Store, model_a: Model) -> None:
    found = realdb.doctor(np.roll(model_a.label, 1), store=bare_store.root)
    assert [finding.name for finding in found.findings] == ["image-1"]
    assert found.original_accuracy is None
    assert "original accuracy unknown" in str(found)


# The repaired file


def test_a_repair_is_written_whole_or_not_at_all(part: Model, tmp_path: Path) -> None:
    out = tmp_path / "fixed.parquet"
    broken = table(PLACES[:5_000] + 1, part.label + 1)

    def fix(name: str, out: Path = out, predictions: object = broken, **options: Any) -> None:
        realdb.doctor(predictions, fix=name, out=out, store=part.store, **options)

    with refused(DataError, " label-1", parameter="fix", value="reversed"):
        fix("reversed")
    with refused(DataError, parameter="fix", value="label-1"):
        fix("label-1", predictions=part.path)
    absent = tmp_path / "absent" / "fixed.parquet"
    with refused(DataError, file=absent, parameter="out"):
        fix("label-1", out=absent)
    with refused(UsageError, "fixed.parquet", parameter="out"):
        fix("label-1", out=tmp_path / "fixed.csv")
    with refused(UsageError, parameter="out", value=None):
        realdb.doctor(broken, fix="label-1", store=part.store)
    assert not list(tmp_path.iterdir())
    out.write_text("mine", encoding="utf-8")
    with refused(DataError, parameter="force"):
        fix("label-1")
    assert out.read_text(encoding="utf-8") == "mine"
    fix("label-1", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["fixed.parquet"]
    written = pq.read_table(out)
    assert written.column_names == ["model", "file_name", "rank", "label", "confidence"]
    assert written["confidence"].null_count == 5_000


# The command


@pytest.fixture
def run(model_a: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that runs realdb next to `late dir/late.csv` and checks the exit code."""
    monkeypatch.setenv("REALDB_HOME", str(model_a.store))
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    (tmp_path / "late dir").mkdir()
    lines = ["file_name,label"]
    for place, label in enumerate(np.roll(model_a.label, 1)):
        lines.append(f"ILSVRC2012_val_{place + 1:08d}.JPEG,{label}")
    (tmp_path / "late dir" / "late.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def run(*arguments: str, code: int = 0, stdin: str = "") -> Any:
        done = commands.run(arguments, stdin=stdin, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def test_report_has_the_command_for_the_repair(
    run: Callable[..., Any], model_a: Model, tmp_path: Path
) -> None:
    import shlex

    done = run("doctor", "late dir/late.csv")
    lines = done.stdout.splitlines()
    assert not done.stderr
    assert " ".join(map(str.strip, lines[:2])) == (
        "late dir/late.csv: csv, model late, 50,000 rows, 50,000 of 50,000 images, "
        "one prediction each, no confidence"
    )
    assert all(len(line) <= 98 for line in lines[:-1])
    assert lines[-3] == "faulty: each prediction belongs to the image before it"
    assert lines[-2].startswith("  image-1: ReaL accuracy 0.00")
    assert lines[-2].endswith(f" -> {model_a.real:.6f}")
    command = shlex.split(lines[-1])
    assert command[0] == "realdb"
    done = run(*command[1:])
    assert done.stderr == "realdb: fixed.parquet: written\n"
    found = realdb.doctor(tmp_path / "fixed.parquet", store=model_a.store)
    assert (found.verdict, found.real_accuracy) == ("sound", model_a.real)
    assert "--force" in run(*command[1:], code=1).stderr
    run(*command[1:], "--force")


def test_standard_input_and_options(run: Callable[..., Any], model_a: Model) -> None:
    text = "which,what\n" + "".join(f"{i},{k}\n" for i, k in enumerate(model_a.label))
    done = run("doctor", "-", "--columns", "image=which,label=what", stdin=text)
    report = " ".join(done.stdout.split())
    assert report.startswith("standard input: csv, model stdin, ")
    assert "realdb accuracy refuses it: standard input: 1 of 50,000 rows" in report
    assert (
        "realdb doctor - --columns image=which,label=what --fix image+1 --out fixed.parquet"
        in done.stdout
    )


def test_result_has_a_row_per_hypothesis(run: Callable[..., Any]) -> None:
    rows = list(
        csv.DictReader(io.StringIO(run("doctor", "late dir/late.csv", "--format", "csv").stdout))
    )
    same = json.loads(run("doctor", "late dir/late.csv", "--format", "json").stdout)
    assert [row["name"] for row in rows] == [row["name"] for row in same]
    (found,) = (row for row in same if row["is_finding"])
    assert (found["name"], found["model"]) == ("image-1", "late")
    assert found["accuracy_after"] > 0.8 > 0.05 > found["accuracy_before"]
    assert all(row["fix"] is None for row in same if not row["is_finding"])


def test_accuracy_near_chance_recommends_doctor(run: Callable[..., Any], model_a: Model) -> None:
    done = run("accuracy", "late dir/late.csv")
    assert done.stderr.rstrip().endswith(": realdb doctor 'late dir/late.csv'")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        realdb.accuracy(np.roll(model_a.label, 1), store=model_a.store)
    assert str(caught[0].message).endswith(": realdb.doctor")
