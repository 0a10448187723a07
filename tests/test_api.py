from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import realdb
from campaigns import number
from needs import needs
from realdb.errors import DataError, QueryError, StoreError, UsageError
from realdb.ingest import columns, sources
from realdb.queries import catalog
from realdb.schema.tables import TABLES
from realdb.store.store import Store, resolve
from refusals import refused

MODELS = ("model_a", "model_b")
BY = {"class": "label", "label-count": "label_count", "animal": "is_animal"}


class Truth:
    """The expected figures, read from the files without realdb."""

    def __init__(self, folder: Path) -> None:
        self.real = [set(labels) for labels in json.loads((folder / "real.json").read_text())]
        places = {name: n for n, name in enumerate((folder / "labels.txt").read_text().split())}
        names = (folder / "validation_labels.txt").read_text().split()
        self.original = [places[name] for name in names]
        self.questions: dict[int, dict[int, float]] = {}
        with np.load(folder / "scores.npz") as scores:
            for (name, label), score in zip(scores["info"], scores["tensor"], strict=True):
                self.questions.setdefault(int(name[15:23]), {})[int(label)] = score

    def labels(self, image: int, threshold: float) -> set[int]:
        if threshold == 0.8 or image not in self.questions:
            return self.real[image - 1]
        return {k for k, score in self.questions[image].items() if score >= threshold}

    def accuracy(
        self, given: Mapping[int, int], threshold: float = 0.8, empty: str = "skip"
    ) -> dict[str, Any]:
        """Return the expected result of realdb.accuracy for the label of each image in `given`."""
        hits = {}
        for image, label in given.items():
            right = self.labels(image, threshold)
            if not right and empty == "skip":
                continue
            if not right and empty == "original":
                right = {self.original[image - 1]}
            hits[image] = label in right
        correct, scored = sum(hits.values()), len(hits)
        original = sum(self.original[image - 1] == label for image, label in given.items())
        share = correct / scored if scored else None
        low, high = wilson(correct, scored) if scored else (None, None)
        return {
            "real_accuracy": share,
            "real_accuracy_low": low,
            "real_accuracy_high": high,
            "correct_images": correct,
            "scored_images": scored,
            "original_accuracy": original / len(given),
            "real_top5_accuracy": None,
            "original_top5_accuracy": None,
            "predicted_images": len(given),
        }


def wilson(correct: int, scored: int) -> tuple[float, float]:
    z, p = 1.959963984540054, correct / scored
    middle = p + z * z / (2 * scored)
    half = z * math.sqrt(p * (1 - p) / scored + z * z / (4 * scored * scored))
    return (middle - half) / (1 + z * z / scored), (middle + half) / (1 + z * z / scored)


def read(path: Path) -> dict[int, int]:
    """Return the label of each image in a CSV of ImageNet-X's form, in its order."""
    with path.open(newline="", encoding="utf-8") as file:
        return {
            int(row["file_name"][15:23]): int(row["predicted_class"])
            for row in csv.DictReader(file)
        }


def same(result: realdb.Accuracy, expected: Mapping[str, Any]) -> bool:
    found = dataclasses.asdict(result)
    return {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.fixture(scope="module")
def truth(synthetic: Path) -> Truth:
    return Truth(synthetic)


@pytest.fixture(scope="module")
def files(synthetic: Path) -> list[Path]:
    return [synthetic / "predictions" / f"{model}.csv" for model in MODELS]


@pytest.fixture(scope="module")
def labels(files: list[Path]) -> dict[int, int]:
    """Return model_a's label of each image."""
    return read(files[0])


@pytest.fixture(autouse=True)
def _synthetic_is_the_store(synthetic_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALDB_HOME", str(synthetic_store.root))


def names_of(image_ids: Any) -> list[str]:
    return [f"ILSVRC2012_val_{image:08d}.JPEG" for image in image_ids]


# Accuracy


@pytest.mark.parametrize(
    ("threshold", "empty"),
    [(0.8, "skip"), (0.8, "wrong"), (0.8, "original"), (0.5, "wrong"), (0.5, "original")]
    + [(threshold, "skip") for threshold in (0, 0.2, 0.5, 0.99, 1)],
)
def test_accuracy_at_every_rule(
    threshold: float, empty: str, files: list[Path], labels: dict[int, int], truth: Truth
) -> None:
    result = realdb.accuracy(files[0], threshold=threshold, empty=empty)
    assert result.model == "model_a"
    assert same(result, truth.accuracy(labels, threshold, empty))


KINDS = ["path", "text", "Parquet", ".npy", "Arrow", "pandas", "Polars", "dict", "array", "logits"]


def as_kind(kind: str, labels: dict[int, int], folder: Path, file: Path) -> Any:
    """Return the same predictions as one of the kinds that realdb takes."""
    columns = {"file_name": names_of(labels), "label": list(labels.values())}
    in_order = np.array([labels[image] for image in range(1, 50_001)])
    match kind:
        case "path":
            return file
        case "text":
            return str(file)
        case "Parquet":
            pq.write_table(pa.table(columns), folder / "a.parquet")
            return folder / "a.parquet"
        case ".npy":
            np.save(folder / "a.npy", in_order)
            return folder / "a.npy"
        case "Arrow":
            return pa.table(columns)
        case "pandas" | "Polars":
            return needs(kind.lower()).DataFrame(columns)
        case "dict":
            return dict(zip(*columns.values(), strict=True))
        case "array":
            return in_order
    assert kind == "logits"
    logits = np.zeros((50_000, 1000), np.float16)
    logits[np.arange(50_000), in_order] = 1
    return logits


def check_kind(kind: str, predictions: Any, **expected: Any) -> None:
    result = realdb.accuracy(predictions, model="m")
    assert result.model == "m"
    assert (result.real_top5_accuracy is not None) == (kind == "logits")
    assert (result.original_top5_accuracy is not None) == (kind == "logits")
    top1 = dataclasses.replace(result, real_top5_accuracy=None, original_top5_accuracy=None)
    assert same(top1, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_predictions(
    kind: str, labels: dict[int, int], files: list[Path], truth: Truth, tmp_path: Path
) -> None:
    predictions = as_kind(kind, labels, tmp_path, files[0])
    check_kind(kind, predictions, **truth.accuracy(labels))


def test_top5_without_original_labels(truth: Truth, bare_store: Store) -> None:
    """With `empty="wrong"` an image without labels is wrong with five ranks as with one."""
    first = np.array([min(real, default=0) for real in truth.real])
    five = (first[:, None] + [1, 2, 3, 4, 0]) % 1000
    with pytest.warns(realdb.RealdbWarning) as warned:
        result = realdb.accuracy(five, empty="wrong", store=bare_store.root)
    said = sorted(str(warning.message) for warning in warned)
    assert ["realdb.doctor" in text for text in said] == [True, False]
    assert "original accuracy" in said[1]
    rated = sum(map(bool, truth.real))
    assert result.real_top5_accuracy == pytest.approx(rated / 50_000, abs=1e-12)
    assert rated < result.scored_images == 50_000
    assert result.original_top5_accuracy is None


def test_top5(truth: Truth) -> None:
    """Five ranks of each image: any of them may be right."""
    rng = np.random.default_rng(2)
    first, step = rng.integers(0, 1000, 50_000), rng.integers(1, 200, 50_000)
    five = (first[:, None] + step[:, None] * np.arange(5)) % 1000
    five[::2, 3] = np.array(truth.original)[::2]
    five[::2, 4] = (five[::2, 3] + 1) % 1000
    five[::2, :3] = (five[::2, 3, None] + [2, 3, 4]) % 1000
    table = pa.table(
        {
            "image": np.repeat(np.arange(1, 50_001), 5),
            "rank": np.tile(np.arange(1, 6), 50_000),
            "label": five.ravel(),
        }
    )
    with (
        pytest.warns(realdb.RealdbWarning, match=r"\bpredictions\b.*realdb\.doctor"),
        pytest.warns(realdb.RealdbWarning, match=r"rank 4 .*realdb doctor"),
    ):
        result = realdb.accuracy(table)
    hits = [bool(real & set(row)) for real, row in zip(truth.real, five.tolist(), strict=True)]
    scored = [hit for hit, real in zip(hits, truth.real, strict=True) if real]
    assert result.real_top5_accuracy == pytest.approx(sum(scored) / len(scored), abs=1e-12)
    original = [label in row for label, row in zip(truth.original, five.tolist(), strict=True)]
    assert result.original_top5_accuracy == pytest.approx(sum(original) / 50_000, abs=1e-12)
    with (
        pytest.warns(realdb.RealdbWarning, match=r"\bpredictions\b.*realdb\.doctor"),
        pytest.warns(realdb.RealdbWarning, match=r"rank 4 .*realdb doctor"),
    ):
        less = realdb.accuracy(table.slice(0, 249_999))
    assert (less.real_top5_accuracy, less.original_top5_accuracy) == (None, None)


@pytest.fixture
def short_files(files: list[Path], tmp_path: Path) -> list[Path]:
    """Return the predictions of each model for two thousand images."""
    for path in files:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / path.name).write_text("".join(lines[:2001]), encoding="utf-8")
    return [tmp_path / path.name for path in files]


@pytest.mark.filterwarnings("ignore:.* covers only 2,000 of:realdb.RealdbWarning")
def test_a_list_of_predictions(short_files: list[Path]) -> None:
    files = short_files
    rows = realdb.accuracy_table(*files).fetchall()
    assert realdb.accuracy_table(files).fetchall() == rows
    assert realdb.accuracy_table(tuple(map(str, files))).fetchall() == rows
    assert realdb.accuracy_table(files[:1], [[files[1]]]).fetchall() == rows
    assert realdb.accuracy(files[:1]) == realdb.accuracy(files[0])
    with refused(DataError, "realdb.accuracy_table", count=len(files), column="model"):
        realdb.accuracy(files)


@pytest.mark.parametrize("numbers", [[], [1, 2, 3], np.arange(3).tolist(), list(np.arange(3))])
def test_a_list_of_numbers_is_refused(numbers: list[Any]) -> None:
    with refused(UsageError, parameter="predictions", value="list"):
        realdb.accuracy_table(numbers)


def test_model_needs_a_single_set_of_predictions(files: list[Path]) -> None:
    with refused(UsageError, parameter="model", value="mine", count=2):
        realdb.accuracy_table({1: 2}, {2: 3}, model="mine")
    with refused(DataError, "2 files", parameter="model", count=50_000):
        realdb.accuracy_table(*files, model="mine")


def test_accuracy_is_frozen(files: list[Path]) -> None:
    result = realdb.accuracy(files[0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.real_accuracy = 1.0  # type: ignore[misc]


@pytest.mark.filterwarnings("ignore:.* covers only 2,000 of:realdb.RealdbWarning")
def test_several_models(short_files: list[Path], truth: Truth, tmp_path: Path) -> None:
    files = short_files
    both = tmp_path / "both.csv"
    given = {path.stem: read(path) for path in files}
    lines = [f"{m},{i},{label}\n" for m, own in given.items() for i, label in own.items()]
    both.write_text("model,image,label\n" + "".join(lines), encoding="utf-8")
    with refused(DataError, "model_a, model_b", "realdb.accuracy_table", column="model", count=2):
        realdb.accuracy(both)
    answers = [realdb.accuracy_table(*reversed(files)), realdb.accuracy_table(both)]
    # Files in the order given; within a file by name.
    for rows, names in zip(answers, ([*reversed(MODELS)], [*MODELS]), strict=True):
        assert [row[0] for row in rows.fetchall()] == names
        for row in rows.fetchall():
            result = realdb.Accuracy(**dict(zip(rows.columns, row, strict=True)))
            assert same(result, truth.accuracy(given[result.model]))


def test_unasked_images_match_the_view(files: list[Path], tmp_path: Path) -> None:
    """They are counted with the published labels. With other labels the column is empty."""
    counts = realdb.query(
        "select model, unasked_images, unasked_predicted_images from unasked_counts",
        *files,
    ).fetchall()
    for rules, column, models in (
        ({}, 1, 2),
        ({"empty": "wrong"}, 2, 1),
        ({"empty": "original"}, 2, 1),
    ):
        table = realdb.accuracy_table(*files[:models], **rules)
        found = dict(table.select("model, unasked_images").fetchall())
        assert found == {row[0]: row[column] for row in sorted(counts)[:models]}
        assert all(found.values())
    out = tmp_path / "scores.parquet"
    realdb.scores(out=out)
    for other in ({"threshold": 0.5}, {"scores": out}):
        assert realdb.accuracy(files[0], **other).unasked_images is None
    assert {"unasked_images", "questions"}.isdisjoint(
        {*realdb.accuracy_table(files[0], by="class").columns, *catalog.tables_of("leaderboard")}
    )


@pytest.mark.parametrize(
    ("by", "rules"),
    [("class", {}), ("label-count", {"threshold": 0.5}), ("animal", {"empty": "wrong"})],
)
def test_parts_add_up(by: str, rules: dict[str, Any], files: list[Path]) -> None:
    whole = realdb.accuracy_table(*files, **rules)
    parts = realdb.accuracy_table(*files, by=by, **rules)
    assert parts.columns[:2] == ["model", BY[by]]
    counts = "sum(correct_images), sum(scored_images), sum(predicted_images)"
    sums = [rows.aggregate(f"model, {counts}").order("model").fetchall() for rows in (whole, parts)]
    assert sums[0] == sums[1]
    keys = [row[:2] for row in parts.fetchall()]
    assert len(set(keys)) == len(keys) > 2
    assert keys == sorted(keys)


def test_one_class(files: list[Path], labels: dict[int, int], truth: Truth) -> None:
    rows = realdb.accuracy_table(files[0], by="class")
    cranes = {image: label for image, label in labels.items() if truth.original[image - 1] == 134}
    found = dict(zip(rows.columns, rows.filter("label = 134").fetchall()[0], strict=True))
    assert (found["wordnet_id"], found["name"]) == ("n90000134", "crane (synthetic)")
    expected = truth.accuracy(cranes)
    assert {name: found[name] for name in expected if name in found} == pytest.approx(
        {name: value for name, value in expected.items() if name in found}
    )


def test_require_complete(files: list[Path], labels: dict[int, int]) -> None:
    assert realdb.accuracy(files[0], require_complete=True).predicted_images == 50_000
    labels = dict(labels)
    del labels[7]
    with refused(DataError, "49,999", "50,000", count=1, parameter="require_complete"):
        realdb.accuracy(labels, require_complete=True)


def test_no_predictions_are_refused() -> None:
    assert realdb.accuracy_table().fetchall() == []
    with refused(DataError, "dict", count=0, column=None):
        realdb.accuracy({})


@pytest.mark.parametrize(
    ("parameter", "wrong", "value", "fact"),
    [
        ("by", "rank", "rank", "class, label-count, animal"),
        ("empty", "no", "no", "skip, wrong, original"),
        ("threshold", 1.01, 1.01, ""),
        ("threshold", -0.1, -0.1, ""),
        ("threshold", math.nan, math.nan, ""),
        ("input_format", "xls", "xls", "parquet"),
        ("columns", {"file": "x"}, "file", "image, rank, label"),
    ],
)
def test_invalid_arguments_are_refused(
    parameter: str, wrong: Any, value: object, fact: str, files: list[Path]
) -> None:
    with refused(UsageError, fact, parameter=parameter, value=value):
        realdb.accuracy_table(files[0], **{parameter: wrong})


# Warnings


def shifted(labels: dict[int, int], images: int = 0, classes: int = 0) -> dict[int, int]:
    return {(i - 1 + images) % 50_000 + 1: (k + classes) % 1000 for i, k in labels.items()}


@pytest.mark.parametrize("by", [{"images": 1}, {"classes": 1}])
def test_near_chance(by: dict[str, int], labels: dict[int, int]) -> None:
    with pytest.warns(realdb.RealdbWarning, match=r"\bpredictions\b.*realdb\.doctor"):
        assert (realdb.accuracy(shifted(labels, **by)).real_accuracy or 0) < 0.02


@pytest.mark.parametrize(("share", "is_low"), [(0.05, True), (0.2, False)])
def test_a_low_accuracy(share: float, is_low: bool, labels: dict[int, int]) -> None:
    """Class ids off by one are right on a few per cent, as neighbouring classes are similar."""
    kept = int(share * 50_000)
    wrong = {i: k if i <= kept else (k + 500) % 1000 for i, k in labels.items()}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        result = realdb.accuracy(wrong)
    assert 0.02 < (result.real_accuracy or 0) < share + 0.01
    said = [str(warning.message) for warning in warned]
    assert [("realdb.doctor" in text) for text in said] == [True] * is_low
    if is_low:
        assert f"{result.real_accuracy:.1%}" in said[0]


def test_the_original_labels_themselves(truth: Truth) -> None:
    rated = sum(row[0] for row in realdb.query("select count(*) from rated").fetchall())
    with pytest.warns(realdb.RealdbWarning, match=rf"\bpredictions\b.* {rated:,} of {rated:,} "):
        result = realdb.accuracy(np.array(truth.original))
    assert result.original_accuracy == 1


def test_a_part_of_the_images(labels: dict[int, int], truth: Truth) -> None:
    part = dict(list(labels.items())[:30_000])
    scored = truth.accuracy(part)["scored_images"]
    facts = rf"\bpredictions\b.* 30,000 .* 50,000 .* {scored:,} "
    with pytest.warns(realdb.RealdbWarning, match=facts):
        assert same(realdb.accuracy(part), truth.accuracy(part))


@pytest.fixture(scope="module")
def without_original_labels(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store without the original labels, which has the classes."""
    given = tmp_path_factory.mktemp("given")
    for name in ("real.json", "labels.txt"):
        shutil.copy(synthetic / name, given)
    root = tmp_path_factory.mktemp("without_original_labels")
    with pytest.warns(realdb.RealdbWarning):
        realdb.ingest(given, store=root, parquet_only=True)
    return root


@pytest.mark.parametrize("rule", [{"by": "class"}, {"by": "animal"}, {"empty": "original"}])
def test_rules_that_need_the_original_labels(
    rule: dict[str, Any], short_files: list[Path], without_original_labels: Path
) -> None:
    (parameter,) = rule
    with refused(QueryError, "`original=FILE`", rule[parameter], parameter=parameter):
        realdb.accuracy_table(short_files[0], store=without_original_labels, **rule)


@pytest.mark.parametrize(
    ("name", "value", "source"),
    [("real.json", "classes", "labels.txt"), ("scores.npz", "accuracy", "real.json")],
)
def test_demo_names_the_missing_tables(
    name: str, value: str, source: str, synthetic: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    shutil.copy(synthetic / name, given)
    with pytest.warns(realdb.RealdbWarning):
        store = realdb.ingest(given, store=tmp_path / "store", parquet_only=True)
    with refused(QueryError, source, "realdb ingest FOLDER", value=value):
        realdb.demo(store=store.root)


def test_no_store_is_built_among_other_files(
    files: list[Path], synthetic: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    for call in (
        lambda: realdb.ingest(synthetic, store=tmp_path / "mine"),
        lambda: realdb.accuracy(files[0], store=tmp_path / "mine", offline=False),
    ):
        with refused(StoreError, "REALDB_HOME", file=tmp_path / "mine", parameter="store"):
            call()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_no_original_labels(files: list[Path], bare_store: Store, truth: Truth) -> None:
    with pytest.warns(realdb.RealdbWarning, match="original accuracy"):
        result = realdb.accuracy(files[0], store=bare_store.root)
    assert result.original_accuracy is None
    assert result.unasked_images is None
    expected = truth.accuracy(read(files[0]))
    assert result.real_accuracy == pytest.approx(expected["real_accuracy"], abs=1e-12)


@pytest.mark.parametrize(
    ("rule", "view", "source"),
    [
        ({"threshold": 0.5}, "labels_at", "scores.npz"),
        ({"by": "class"}, "accuracy_by_class", "labels.txt"),
    ],
)
def test_a_missing_source_is_named(
    rule: dict[str, Any], view: str, source: str, files: list[Path], bare_store: Store
) -> None:
    with refused(QueryError, source, "realdb ingest FOLDER", value=view, count=1):
        realdb.accuracy_table(files[0], store=bare_store.root, **rule)


# Equivalent files


# Ways to write a file name; the eight digits decide.
IMAGE_FORMS = (
    "ILSVRC2012_val_{:08d}.JPEG",
    "val/ILSVRC2012_val_{:08d}.JPEG",
    "C:\\val\\ILSVRC2012_val_{:08d}",
    "ILSVRC2012_val_{:08d}_n01440764.JPEG",
    "{}",
    "{}.0",
)


@settings(max_examples=number(3, 100, more=6))
@given(data=st.data())
def test_never_a_wrong_answer(
    data: st.DataObject, labels: dict[int, int], truth: Truth, tmp_path_factory: Any
) -> None:
    """A shuffled or re-encoded file is scored exactly, a part of one is, and says so; an image
    that stands twice is refused.
    """
    seed = data.draw(st.integers(0, 99), "order")
    size = data.draw(st.sampled_from([50_000, 50_000, 49_999, 20_000, 3_000]), "rows")
    order = np.random.default_rng(seed).permutation(list(labels.items()))[:size].tolist()
    is_twice = data.draw(st.booleans(), "twice") and data.draw(st.booleans())
    rows = [*order, data.draw(st.sampled_from(order[-9:]), "again")] if is_twice else order

    header = [
        data.draw(st.sampled_from(columns.NAMES[role]), role)
        for role in ("image", "label", "confidence")
    ]
    header = [data.draw(st.sampled_from([str.lower, str.upper, str.title]))(h) for h in header]
    name = data.draw(st.sampled_from(IMAGE_FORMS), "names").format
    label = data.draw(st.sampled_from(["{}", "{}.0", "{:03d}", "{}.000"]), "labels").format
    cells = [[name(image), label(k), "0.5"] for image, k in rows]
    if data.draw(st.booleans(), "pandas' index"):
        header, cells = ["", *header], [[str(n), *row] for n, row in enumerate(cells)]
    swap = data.draw(st.permutations(range(len(header))), "columns")
    text = io.StringIO()
    writer = csv.writer(
        text,
        quoting=data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=data.draw(st.sampled_from(["\n", "\r\n"])),
    )
    writer.writerows([row[column] for column in swap] for row in [header, *cells])
    path = tmp_path_factory.getbasetemp() / "any.csv"
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig"]))
    path.write_bytes(text.getvalue().encode(encoding))

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if is_twice:
            with refused(DataError, file=path, column="image", count=1):
                realdb.accuracy(path)
            return
        result = realdb.accuracy(path)
    assert same(result, truth.accuracy(dict(order)))
    partial = [str(warning.message) for warning in said]
    assert len(partial) == (size < 50_000)
    assert all(f" {size:,} " in text and " 50,000 " in text for text in partial)


# The store


def test_no_store_and_no_network(tmp_path: Path, files: list[Path]) -> None:
    calls: list[Callable[[], object]] = [
        lambda: realdb.accuracy(files[0], store=tmp_path),
        lambda: realdb.query("select 1", store=tmp_path),
        lambda: realdb.connect(store=tmp_path, offline=True),
        lambda: realdb.info(store=tmp_path),
        lambda: realdb.demo(store=tmp_path),
    ]
    for call in calls:
        with refused(StoreError, "realdb ingest", file=tmp_path):
            call()


@pytest.fixture
def real_json(synthetic: Path, tmp_path: Path) -> Path:
    """Return a folder with the synthetic real.json alone."""
    folder = tmp_path / "real_json"
    folder.mkdir()
    shutil.copy(synthetic / "real.json", folder)
    return folder


@pytest.fixture
def published(
    monkeypatch: pytest.MonkeyPatch, real_json: Path
) -> Iterator[list[Mapping[str, object]]]:
    """Replace the published files by a synthetic one; yield the arguments of each download."""
    asked: list[Mapping[str, object]] = []
    locate = sources.locate

    def stand_in(source: Path | None, **options: Any) -> Any:
        asked.append({"source": source, "offline": options["offline"]})
        return locate(real_json)

    monkeypatch.setattr(sources, "locate", stand_in)
    yield asked


def test_the_first_call_builds_the_store(
    tmp_path: Path, files: list[Path], published: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALDB_HOME", str(tmp_path / "new"))
    monkeypatch.setenv("REALDB_OFFLINE", "0")
    with pytest.warns(realdb.RealdbWarning) as said:
        first = realdb.accuracy(files[0])
    text = str(tmp_path / "new")
    assert any(text in str(warning.message) for warning in said)
    assert published == [{"source": None, "offline": False}]
    with pytest.warns(realdb.RealdbWarning) as said:
        assert realdb.accuracy(files[0]) == first
    assert not any(text in str(warning.message) for warning in said)
    assert len(published) == 1


def test_a_store_that_another_process_builds_meanwhile(
    tmp_path: Path, files: list[Path], real_json: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that appears during the download or the wait for the lock is opened."""
    root, built = tmp_path / "new", list[Any]()
    locate = sources.locate

    def meanwhile(*_: Any, **__: Any) -> Any:
        if not built:
            built.append(None)
            built.append(realdb.ingest(real_json, store=root, parquet_only=True))
        return locate(real_json)

    monkeypatch.setattr(sources, "locate", meanwhile)
    with pytest.warns(realdb.RealdbWarning) as warned:
        realdb.accuracy(files[0], store=root, offline=False)
    assert any(str(root) in str(warning.message) for warning in warned)
    assert resolve(root) == built[1]
    assert [path.name for path in (root / "builds").iterdir()] == [built[1].build_id]


def test_a_store_that_is_damaged_is_not_built_again(
    tmp_path: Path, files: list[Path], published: list[Any]
) -> None:
    (tmp_path / "CURRENT").write_text("nothing", encoding="ascii")
    with refused(StoreError, "realdb ingest", file=tmp_path / "CURRENT", value="nothing"):
        realdb.accuracy(files[0], store=tmp_path, offline=False)
    assert not published


def test_a_store_can_be_in_any_folder(
    tmp_path: Path, synthetic_store: Store, files: list[Path]
) -> None:
    """DuckDB's readers expand patterns, and read `label=9/` in a path as a column."""
    root = tmp_path / "label=9" / "it's [ab]"
    shutil.copytree(synthetic_store.root, root, ignore=shutil.ignore_patterns("realdb.duckdb"))
    assert realdb.accuracy(files[0], store=root) == realdb.accuracy(files[0])


def test_info(synthetic_store: Store, synthetic: Path) -> None:
    rows = realdb.info()
    assert rows.columns[:3] == ["table", "rows", "file"]
    counts = {row[0]: row[1] for row in rows.fetchall()}
    assert counts == synthetic_store.tables
    assert {row[7] for row in rows.fetchall()} == {True}
    sizes = {row[2]: row[3] for row in rows.fetchall() if row[2]}
    assert sizes == {
        path.name: path.stat().st_size for path in synthetic.iterdir() if path.is_file()
    }


def test_a_connection_only_reads(synthetic_store: Store) -> None:
    before = {path: path.stat().st_mtime_ns for path in synthetic_store.root.rglob("*")}
    with realdb.connect() as con:
        assert con.execute("select count(*) from image_labels").fetchall() == [(50_000,)]
        con.execute("insert into predictions values ('m', 1, 1, 2, null)")
        con.execute("drop view image_labels cascade")
    assert {path: path.stat().st_mtime_ns for path in synthetic_store.root.rglob("*")} == before
    assert realdb.query("select count(*) from predictions").fetchall() == [(0,)]


# Queries


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from images",
        "SELECT count(*) FROM images;",
        "-- how many\nselect /* all */ count(*) from images",
        "(select count(*) from images)",
        "with i as (from images) select count(*) from i",
        "from images select count(*)",
        "from (values (50000)) as v(n)",
        "values (50000)",
    ],
)
def test_selects_are_answered(sql: str) -> None:
    assert realdb.query(sql).fetchall() == [(50_000,)]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("describe accuracy", "real_accuracy_low"),
        ("show accuracy", "real_accuracy_low"),
        ("summarize images", "ILSVRC2012_val_00050000.JPEG"),
        ("show tables", "rated_questions"),
        ("explain select label from labels", "physical_plan"),
        ("explain analyze from labels", "analyzed_plan"),
        ("EXPLAIN (analyze, format json) with l as (from labels) from l", "analyzed_plan"),
    ],
)
def test_queries_about_the_store(sql: str, found: str) -> None:
    assert found in str(realdb.query(sql).fetchall())


WRITES = (
    "insert into predictions values ('m', 1, 1, 2, null)",
    "insert into predictions values ('m', 1, 1, 2, null) returning *",
    "with p as (from predictions) insert into predictions from p",
    "update predictions set label = 1",
    "delete from predictions",
    "drop view labels",
    "drop table predictions",
    "create table mine as from labels",
    "create or replace view labels as from predictions",
    "copy labels to '{file}'",
    "copy (select 1) to '{file}'",
    "export database '{file}'",
    "attach '{file}' as mine",
)


@pytest.mark.parametrize(
    "sql",
    [
        *WRITES,
        *(f"explain analyze {sql}" for sql in WRITES),
        "/* explain */ explain (analyze) copy labels to '{file}'",
        "use memory",
        "set threads = 1",
        "pragma database_list",
        "call pragma_version()",
        "load json",
        "begin",
        "prepare p as select 1",
        "select 1; select 2",
        "select 1; drop view labels",
        "",
        ";",
        "-- nothing",
        "selec 1",
        "select nothing from labels",
        "select * from nothing",
    ],
)
def test_other_statements_are_refused(sql: str, tmp_path: Path) -> None:
    with pytest.raises(QueryError):
        realdb.query(sql.format(file=tmp_path / "written"))
    assert not (tmp_path / "written").exists()


def test_a_refusal_names_the_expected_statement() -> None:
    with refused(QueryError, "SELECT", count=1):
        realdb.query("drop view labels")
    with refused(QueryError, '"nothing"', value=None, count=None):
        realdb.query("select nothing from labels")


@pytest.mark.parametrize(
    ("name", "value", "source"),
    [
        ("votes", "votes", "raters.npz"),
        ("rated_questions", "rated_questions", "raters.npz"),
        ("labels_at(0.5)", "labels_at", "scores.npz"),
    ],
)
def test_missing_tables_are_named(name: str, value: str, source: str, bare_store: Store) -> None:
    with refused(QueryError, source, value=value):
        realdb.query(f"from {name}", store=bare_store.root)


def test_python_variables_are_not_tables() -> None:
    mine = pa.table({"a": [1]})
    assert mine.num_rows == 1
    with refused(QueryError, " mine ", value=None, count=None):
        realdb.query("from mine")


STEMS = ["model_a", "a b", "it's b", "ViT-B.16", "given", "parsed", "select", "é"]
if os.name != "nt":  # on systems without such file names
    STEMS.append('a "b"')


def test_each_file_is_a_table(files: list[Path], tmp_path: Path) -> None:
    given = {}
    for label, stem in enumerate(STEMS):
        given[stem] = tmp_path / f"{stem}.csv"
        given[stem].write_text(f"image,label\n1,{label}\n2,{label}\n", encoding="utf-8")
    quoted = ['"' + stem.replace('"', '""') + '"' for stem in STEMS]
    sql = " union all ".join(f"select model, image_id, label from {name}" for name in quoted)
    rows = realdb.query(f"from ({sql}) order by label, image_id", *given.values())
    assert rows.fetchall() == [
        (stem, image, label) for label, stem in enumerate(STEMS) for image in (1, 2)
    ]
    counts = realdb.query("select count(*), count(distinct model) from predictions", *files)
    assert counts.fetchall() == [(100_000, 2)]
    assert realdb.query("select count(*) from accuracy", *files).fetchall() == [(2,)]


def test_a_file_of_several_models(tmp_path: Path, files: list[Path]) -> None:
    path = tmp_path / "two.csv"
    path.write_text("model,image,label\nx,1,2\ny,1,3\n", encoding="utf-8")
    rows = realdb.query("select model, label from two order by model", files[0], path)
    assert rows.fetchall() == [("x", 2), ("y", 3)]


@pytest.mark.parametrize("stem", [*TABLES, "accuracy", "labels_at", "Images", "ACCURACY"])
def test_a_file_stem_that_is_a_table_is_refused(
    stem: str, tmp_path: Path, bare_store: Store
) -> None:
    """The stem of a missing table is refused too, and in any case."""
    path = tmp_path / f"{stem}.csv"
    path.write_text("image,label\n1,2\n", encoding="utf-8")
    with refused(DataError, file=path, value=stem):
        realdb.query("select 1", path, store=bare_store.root)


@pytest.mark.parametrize("second", ["b/m.csv", "b/M.csv", "b/m.tsv"])
def test_two_files_of_one_name(second: str, tmp_path: Path) -> None:
    """The files have different models, but both would be the table `m`."""
    paths = [tmp_path / "a" / "m.csv", tmp_path / second]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"model,image,label\n{path.parent.name},1,2\n", encoding="utf-8")
    with refused(DataError, *paths, file=paths[1], value=paths[1].stem):
        realdb.query("select 1", *paths)


# The catalogue


def test_views() -> None:
    rows = realdb.views().fetchall()
    names = [name for _, name, _, _ in rows]
    assert names[: len(TABLES)] == list(TABLES)
    assert {"accuracy", "labels_at", "scored_predictions"} < set(names)
    assert len(set(names)) == len(names)
    assert all(grain and about for _, _, grain, about in rows)
    assert {kind for kind, *_ in rows} == {"table", "labels", "scoring", "reports"}


@pytest.mark.parametrize("name", ["accuracy", "labels", "predictions", "rated_questions"])
def test_the_columns_of_a_view(name: str) -> None:
    rows = realdb.views(name)
    assert rows.columns == ["column", "is_key", "meaning"]
    described = [row[0] for row in realdb.query(f"describe {name}").fetchall()]
    assert [row[0] for row in rows.fetchall()] == described
    assert any(is_key for _, is_key, _ in rows.fetchall())


def test_a_parameter_is_listed_first() -> None:
    assert realdb.views("labels_at").fetchall()[0][0] == "$threshold"


@pytest.mark.parametrize(("name", "near"), [("accurcy", "accuracy"), ("imges", "images")])
def test_a_near_name_is_suggested(name: str, near: str) -> None:
    for call in (realdb.views, realdb.view_sql):
        with refused(QueryError, f" {near}", value=name):
            call(name)


@pytest.mark.parametrize("name", ["../reports/accuracy", "accuracy.sql", "", "Accuracy", "a b"])
def test_an_unknown_view_is_refused(name: str) -> None:
    with refused(QueryError, value=name):
        realdb.view_sql(name)


def test_view_sql() -> None:
    text = realdb.view_sql("accuracy")
    assert text.startswith("-- ")
    assert "-- real_accuracy: " in text
    statement = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    assert realdb.query(statement).columns == realdb.query("from accuracy").columns
    assert "create table votes (" in realdb.view_sql("votes")


# The demonstration


def test_demo(truth: Truth) -> None:
    examples = realdb.demo()
    assert len(examples) == 4
    for example in examples:
        assert example.question.endswith("?")
        assert example.rows.fetchall()
    first = examples[0].rows
    found = dict(zip(first.columns, first.fetchall()[0], strict=True))
    expected = truth.accuracy(dict(enumerate(truth.original, 1)))
    assert found == pytest.approx({"model": "original labels", **expected})
    for example in examples[1:]:
        assert realdb.query(example.sql).fetchall() == example.rows.fetchall()


def test_demo_on_synthetic_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo needs no store and no network, and does not warn about unpublished files."""
    monkeypatch.setenv("REALDB_HOME", str(tmp_path / "none"))
    examples = realdb.demo(synthetic=True)
    assert [len(example.rows.fetchall()) > 0 for example in examples] == [True] * 4
    assert not (tmp_path / "none").exists()


# The names


def test_the_public_names() -> None:
    names: dict[str, Any] = {}
    exec("from realdb import *", names)
    assert sorted(name for name in names if name != "__builtins__") == sorted(realdb.__all__)
    assert set(realdb.__all__) <= set(dir(realdb))
    for name in realdb.__all__:
        assert callable(getattr(realdb, name)) or name == "charts"  # a module
        assert getattr(realdb, name).__doc__


def test_ingest_is_the_function_after_any_import() -> None:
    """Importing `realdb.ingest.sources`, as above, binds the folder's name in the package."""
    assert sources.__name__ == "realdb.ingest.sources"
    assert realdb.ingest.__module__ == "realdb.api.build"


def test_an_unknown_attribute_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"'realdb'.*'acuracy'"):
        realdb.acuracy  # noqa: B018


# The real files


@pytest.fixture(scope="module")
def real_files(real_data: Path) -> dict[str, Path]:
    return {path.stem: path for path in (real_data / "predictions").glob("*.csv")}


KNOWN = {
    "ResNet50": {"correct_images": 38_855, "original_accuracy": 0.7613},
    "ViT": {"correct_images": 39_337, "original_accuracy": 0.78006},
}


@pytest.mark.parametrize("model", KNOWN)
def test_the_known_accuracies(model: str, real_files: dict[str, Path], real_store: Store) -> None:
    result = realdb.accuracy(real_files[model], store=real_store.root)
    low, high = wilson(int(KNOWN[model]["correct_images"]), 46_837)
    expected = {
        **KNOWN[model],
        "scored_images": 46_837,
        "real_accuracy": KNOWN[model]["correct_images"] / 46_837,
        "real_accuracy_low": low,
        "real_accuracy_high": high,
        "predicted_images": 50_000,
    }
    assert same(result, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_real_predictions(
    kind: str,
    real_files: dict[str, Path],
    real_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REALDB_HOME", str(real_store.root))
    predictions = as_kind(kind, read(real_files["ViT"]), tmp_path, real_files["ViT"])
    check_kind(kind, predictions, **KNOWN["ViT"], scored_images=46_837)


@pytest.mark.parametrize(
    ("threshold", "accuracy", "scored"),
    [
        (0.2, 0.849402, 48_925),
        (0.5, 0.842958, 48_070),
        (0.8, 0.839870, 46_837),
        (0.9, 0.840272, 45_997),
        (0.99, 0.850731, 43_070),
    ],
)
def test_the_known_thresholds(
    threshold: float,
    accuracy: float,
    scored: int,
    real_files: dict[str, Path],
    real_store: Store,
) -> None:
    result = realdb.accuracy(real_files["ViT"], threshold=threshold, store=real_store.root)
    assert result.real_accuracy == pytest.approx(accuracy, abs=5e-7)
    assert result.scored_images == scored


def test_empty_lists_counted_as_wrong(real_files: dict[str, Path], real_store: Store) -> None:
    result = realdb.accuracy(real_files["ResNet50"], empty="wrong", store=real_store.root)
    assert (result.correct_images, result.scored_images) == (38_855, 50_000)


@pytest.mark.parametrize(
    ("by", "known"), [({"images": 1}, 0.0013), ({"classes": 1}, 0.0155)], ids=["images", "classes"]
)
def test_the_usual_mistakes_are_warned_of(
    by: dict[str, int], known: float, real_files: dict[str, Path], real_store: Store
) -> None:
    mistaken = shifted(read(real_files["ResNet50"]), **by)
    with pytest.warns(realdb.RealdbWarning, match=r"\bpredictions\b.*realdb\.doctor"):
        result = realdb.accuracy(mistaken, store=real_store.root)
    assert result.real_accuracy == pytest.approx(known, abs=3e-4)


def test_the_original_labels_of_the_demo(real_store: Store) -> None:
    rows = realdb.demo(store=real_store.root)[0].rows
    found = dict(zip(rows.columns, rows.fetchall()[0], strict=True))
    assert (found["correct_images"], found["scored_images"]) == (42_164, 46_837)
    assert found["original_accuracy"] == 1
