"""`realdb.charts` and `realdb plot`: the data of each chart, its files, and what is refused."""

from __future__ import annotations

import csv
import functools
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

import realdb
from browser import SCHEMES, visit
from needs import needs
from realdb import cli
from realdb.api import background, chart_rows, charts
from realdb.api.chart_rows import NoChartError
from realdb.api.rules import Rules
from realdb.api.session import Session
from realdb.errors import DataError, QueryError, UsageError
from realdb.store.store import Store, resolve
from refusals import refused

needs("altair")
needs("vl_convert")
pytestmark = pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
run = CliRunner()

# The titles of the axes of each chart.
AXES = {
    "accuracy": ("Original accuracy (%)", "ReaL accuracy (%)"),
    "thresholds": (
        "Threshold: the lowest score that makes a label",
        "Accuracy by the labels (%)",
        "Images with a label",
        "published: 0.8",
    ),
    "precision_recall": (
        "Recall (% of the valid golden questions that are kept)",
        "Precision (% of the kept questions that are valid)",
        "original labels",
        "ReaL labels (threshold 0.8)",
    ),
    "reliability": ("Mean confidence (%)", "Right first choices (%)"),
    "pairs": ("Difference in ReaL accuracy (percentage points)",),
    "ranks": ("Rank (1 is the most accurate)",),
    "class_changes": ("Accuracy (%)",),
    "class_differences": ("Difference in ReaL accuracy (percentage points)",),
    "groups": ("Images", "ReaL accuracy (%)"),
    "factors": (
        "weather",
        "Error ratio (error rate in the group / on all images of the grouping, log scale)",
    ),
    "label_sets": ("Label set", "Rank (1 is the most accurate)"),
    "checkpoints": ("Model, in order", "Accuracy (%)"),
    "raters": (
        "Specificity (% of the invalid questions with the answer no)",
        "Sensitivity (% of the valid questions with the answer yes)",
    ),
    "scores": ("Published score", "Share (%)"),
    "confusions": ("Predicted class", "Class of the image (ReaL labels)"),
}
OPTIONS = {"factors": {"by": "weather"}}
MODELS = ("model_a", "model_b", "epoch10", "epoch9")


@pytest.fixture(scope="module")
def folder(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the predictions of four models."""
    out = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    for model in MODELS[:2]:
        shutil.copy(synthetic / "predictions" / f"{model}.csv", out)
    with (out / "model_a.csv").open() as file:
        header, *rows = csv.reader(file)
    for model, share in (("epoch9", 0.9), ("epoch10", 0.98)):
        keeps = rng.random(len(rows)) < share
        labels = rng.integers(0, 1000, len(rows))
        with (out / f"{model}.csv").open("w", newline="") as file:
            write = csv.writer(file)
            write.writerow(header)
            for row, keep, label in zip(rows, keeps, labels, strict=True):
                write.writerow([row[0], row[1] if keep else label, row[2]])
    return out


@pytest.fixture(scope="module")
def files(folder: Path) -> list[Path]:
    return [folder / f"{model}.csv" for model in MODELS]


@pytest.fixture(scope="module")
def store(
    synthetic: Path, synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Store:
    """Return a store with a label set and a grouping of images."""
    root = tmp_path_factory.mktemp("with_sets") / "store"
    shutil.copytree(synthetic_store.root, root)
    with np.load(synthetic / "scores.npz") as found:
        info = found["info"][:600]
    verdicts = root.parent / "others.csv"
    with verdicts.open("w", newline="") as file:
        write = csv.writer(file)
        write.writerow(("image", "label", "verdict"))
        for number, (name, label) in enumerate(info):
            verdict = ("correct", "wrong", "wrong", "unclear")[number % 4]
            write.writerow((name, label, verdict))
    realdb.add_labels(verdicts, name="others", store=root)
    groups = root.parent / "weather.csv"
    with groups.open("w", newline="") as file:
        write = csv.writer(file)
        write.writerow(("image", "group"))
        for number in range(1, 3001):
            write.writerow((number, ("sun", "rain", "fog")[number % 3]))
    realdb.add_groups(groups, name="weather", store=root)
    return resolve(root)


@pytest.fixture(scope="module")
def session(store: Store, files: list[Path]) -> Iterator[Session]:
    """Yield a prepared session that can draw all charts."""
    with Session(store, views=charts.views(charts.CHARTS, store, Rules())) as found:
        found.add(files)
        yield found.prepare()


@pytest.fixture(scope="module")
def drawn(session: Session) -> Callable[[str], charts.Drawn]:
    """Return a function that draws a chart of the session, once."""

    @functools.cache
    def draw(name: str) -> charts.Drawn:
        models = MODELS if charts.CHARTS[name].models else None
        return charts.of_session(session, name, models=models, **OPTIONS.get(name, {}))

    return draw


@pytest.fixture(scope="module")
def rows(drawn: Callable[[str], charts.Drawn]) -> Callable[[str], list[dict[str, Any]]]:
    """Return a function that returns the rows of a chart."""
    return lambda name: drawn(name).rows.to_pylist()


@pytest.fixture(scope="module")
def compared(files: list[Path], store: Store) -> realdb.Comparison:
    return realdb.compare(*files, store=store.root)


def records(relation: Any) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def asked(session: Session, query: str) -> list[dict[str, Any]]:
    return records(session.con.sql(query))


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]], *columns: str) -> bool:
    """Return whether the rows have the same values in the columns."""
    assert found
    left, right = ([[row[name] for name in columns] for row in each] for each in (found, expected))
    return [[*map(close, row)] for row in left] == [[*map(close, row)] for row in right]


def close(value: Any) -> Any:
    return round(value, 10) if isinstance(value, float) else value


def texts(chart: charts.Drawn) -> list[str]:
    """Return the texts of the SVG of a chart."""
    from realdb.report import drawing

    svg = drawing.content(chart.chart, "svg", title=chart.title, caption=chart.caption)
    root = ElementTree.fromstring(svg)
    return ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]


# The pictures.


def test_every_chart_is_tested() -> None:
    assert {*AXES} == {*charts.CHARTS}
    assert {*charts.CHARTS} <= {*dir(charts)}


@pytest.mark.parametrize("name", charts.CHARTS)
def test_every_chart_is_drawn(drawn: Callable[[str], charts.Drawn], name: str) -> None:
    chart = drawn(name)
    found = texts(chart)
    assert all(any(title in text for text in found) for title in AXES[name])
    assert chart.title in found
    assert " ".join(found).count(chart.caption[:40])
    assert (chart.name, chart.rows.num_rows > 0) == (name, True)


# The data: each chart has what another call says.


def test_accuracy(rows: Any, files: list[Path], store: Store) -> None:
    expected = records(realdb.accuracy_table(*files, store=store.root))
    columns = ("model", "real_accuracy", "real_accuracy_low", "original_accuracy", "scored_images")
    assert same(rows("accuracy"), expected, *columns)


def test_thresholds(rows: Any, files: list[Path], store: Store) -> None:
    for threshold in (0.5, 0.8):
        (row,) = (
            row
            for row in rows("thresholds")
            if (row["model"], row["threshold"]) == ("model_a", threshold)
        )
        expected = realdb.accuracy(files[0], threshold=threshold, store=store.root)
        assert row["real_accuracy"] == pytest.approx(expected.real_accuracy)
        assert row["scored_images"] == expected.scored_images
    assert Counter(row["model"] for row in rows("thresholds")) == dict.fromkeys(MODELS, 99)


def test_precision_recall(rows: Any, session: Session) -> None:
    points = {row["point"]: row for row in rows("precision_recall") if row["point"]}
    (published,) = asked(session, "from operating_points where method = 'published'")
    (original,) = asked(session, "from precision_recall where method = 'original'")
    for point, expected in (
        ("ReaL labels (threshold 0.8)", published),
        ("original labels", original),
    ):
        found = points.pop(point)
        assert {name: found[name] for name in expected} == expected
    assert not points


def test_reliability(rows: Any, folder: Path) -> None:
    with (folder / "model_a.csv").open() as file:
        confidences = [float(row["predicted_probability"]) for row in csv.DictReader(file)]
    images: Counter[int] = Counter(max(int(np.ceil(each * 15)), 1) for each in confidences)
    found = [row for row in rows("reliability") if row["model"] == "model_a"]
    assert {row["bin"]: row["images"] for row in found if row["label_set"] == "original"} == images
    for label_set in ("real", "original"):
        of_set = [row for row in found if row["label_set"] == label_set]
        total = sum(row["images"] for row in of_set)
        error = sum(row["images"] * abs(row["accuracy"] - row["mean_confidence"]) for row in of_set)
        assert error / total == pytest.approx(of_set[0]["expected_calibration_error"])


def test_pairs(rows: Any, compared: realdb.Comparison) -> None:
    expected = records(compared.pairs)
    columns = ("model_a", "model_b", "images", "only_a_right", "difference", "difference_low")
    assert same(rows("pairs"), expected, *columns, "difference_high", "log10_holm_p")


def test_many_models_are_compared_with_the_best(
    session: Session, compared: realdb.Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_rows, "MOST_IN_PAIRS", 3)
    found = charts.of_session(session, "pairs", models=MODELS).rows.to_pylist()
    best = records(compared.models)[0]["model"]
    assert {row["model_a"] for row in found} == {best}
    assert {row["model_b"] for row in found} == {*MODELS} - {best}
    every = {frozenset((row["model_a"], row["model_b"])): row for row in records(compared.pairs)}
    for row in found:
        pair = every[frozenset((row["model_a"], row["model_b"]))]
        sign = 1 if pair["model_a"] == best else -1
        assert row["difference"] == pytest.approx(sign * pair["difference"])
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        ends = sorted((sign * pair["difference_low"], sign * pair["difference_high"]))
        assert [row["difference_low"], row["difference_high"]] == pytest.approx(ends)
    differences = [abs(row["difference"]) for row in found]
    assert differences == sorted(differences)


def test_ranks(rows: Any, compared: realdb.Comparison) -> None:
    expected = records(compared.models)
    found = [row for row in rows("ranks") if row["label_set"] == "real"]
    assert same(found, expected, "model", "rank_low", "rank_high")
    assert [row["rank"] for row in found] == [row["real_rank"] for row in expected]


def test_class_changes(rows: Any, session: Session) -> None:
    counts: dict[int, list[int]] = {}
    for row in asked(session, "from scored_predictions where model = 'model_a'"):
        if row["is_real_correct"] is not None:
            found = counts.setdefault(row["original_label"], [0, 0])
            found[0] += 1
            found[1] += row["is_real_correct"] - row["is_original_correct"]
    change = {label: gained / images for label, (images, gained) in counts.items()}
    order = sorted(change, key=lambda label: (-change[label], label))
    expected = [label for label in order[:10] if change[label] > 0]
    expected += [label for label in order[-10:] if change[label] < 0]
    assert [row["label"] for row in rows("class_changes")] == expected
    for row in rows("class_changes"):
        assert row["accuracy_change"] == pytest.approx(change[row["label"]])
        assert row["model"] == "model_a"


def test_class_differences(rows: Any, files: list[Path], store: Store) -> None:
    found = realdb.compare(*files[:2], by="class", store=store.root).groups_of_images
    expected = {int(row["class"]): row for row in records(found)}
    order = sorted(expected, key=lambda label: -expected[label]["difference"])
    assert {row["difference"] for row in rows("class_differences")[:10]} == {
        expected[label]["difference"] for label in order[:10]
    }
    for row in rows("class_differences"):
        assert same([row], [expected[row["label"]]], "images", "difference", "difference_low")
        assert row["log10_holm_p"] == pytest.approx(expected[row["label"]]["log10_holm_p"])


@pytest.mark.parametrize("by", ["animal", "label-count", "weather"])
def test_groups(by: str, session: Session, files: list[Path], store: Store) -> None:
    found = charts.of_session(session, "groups", models=MODELS, by=by).rows.to_pylist()
    expected = records(realdb.accuracy_table(*files, by=by, store=store.root))
    columns = ("model", "real_accuracy", "real_accuracy_high", "scored_images")
    found, expected = (
        sorted(each, key=lambda row: (row["model"], row["scored_images"], row["real_accuracy"]))
        for each in (found, [row for row in expected if row["real_accuracy"] is not None])
    )
    assert same(found, expected, *columns)


def test_factors(rows: Any, files: list[Path], store: Store) -> None:
    expected = records(realdb.accuracy_table(*files, by="weather", store=store.root))
    expected = [row for row in expected if row["error_ratio"]]
    expected.sort(key=lambda row: (row["group_name"], MODELS.index(row["model"])))
    columns = ("model", "group_name", "error_ratio", "error_ratio_low", "error_ratio_high")
    assert same(rows("factors"), expected, *columns)


def test_label_sets(rows: Any, session: Session) -> None:
    found = rows("label_sets")
    assert [*dict.fromkeys(row["label_set"] for row in found)] == ["real", "original", "others"]
    expected = asked(session, "from ranks_by_label_set")
    key = ("label_set", "model", "label_set_rank", "rank_low", "rank_high", "scored_images")
    assert {tuple(row[name] for name in key) for row in found} == {
        tuple(row[name] for name in key) for row in expected
    }


def test_checkpoints(rows: Any, files: list[Path], store: Store) -> None:
    steps = realdb.compare(*files, along="natural", store=store.root).steps
    columns = ("model", "real_accuracy", "previous_model", "difference", "difference_high")
    expected = records(steps)
    assert [row["model"] for row in expected] == ["epoch9", "epoch10", "model_a", "model_b"]
    assert same(rows("checkpoints"), expected, *columns, "log10_holm_p")


def test_raters(rows: Any, session: Session) -> None:
    expected = asked(session, "from rater_quality where golden_answers > 0 order by rater_id")
    columns = ("rater_id", "sensitivity", "specificity", "votes")
    assert same(rows("raters"), expected, *columns)


def test_scores(rows: Any, synthetic: Path) -> None:
    with np.load(synthetic / "scores.npz") as found:
        values = [float(score) for score in found["tensor"][:600]]
    verdicts = ("correct", "wrong", "wrong", "unclear")
    expected = Counter(
        (verdicts[number % 4], min(int(round(score, 12) * 20), 19))
        for number, score in enumerate(values)
    )
    assert {
        (row["verdict"], round(row["score_from"] * 20)): row["questions"] for row in rows("scores")
    } == expected


def test_confusions(session: Session, synthetic: Path) -> None:
    labels = json.loads((synthetic / "real.json").read_text())
    counts: Counter[tuple[int, int]] = Counter()
    for row in asked(session, "from predictions where model = 'model_a' and rank = 1"):
        right = labels[row["image_id"] - 1]
        counts.update((label, row["label"]) for label in right if row["label"] not in right)
    (a, b), often = counts.most_common(1)[0]
    chart = charts.of_session(session, "confusions", models=["model_a"], classes=(str(a), str(b)))
    found = {
        (row["label"], row["predicted_label"]): row["images"] for row in chart.rows.to_pylist()
    }
    assert found == {(a, b): often, (b, a): counts[b, a]}


def test_classes_are_named(session: Session) -> None:
    ids = asked(
        session, "select wordnet_id, name from classes where label in (3, 4) order by label"
    )
    named = (ids[0]["wordnet_id"], ids[1]["name"].partition(",")[0].upper())
    chart = charts.of_session(session, "confusions", models=["model_a"], classes=named)
    assert {row["label"] for row in chart.rows.to_pylist()} == {3, 4}
    with refused(UsageError, "no such class", parameter="classes", value="no such class"):
        charts.of_session(session, "confusions", models=["model_a"], classes=("no such class",))


# Real figures.


@pytest.fixture(scope="module")
def real(real_data: Path, real_store: Store) -> Callable[[str], list[dict[str, Any]]]:
    """Return a function that returns the rows of a chart of the real models."""
    names = ("thresholds", "reliability", "pairs", "raters", "precision_recall")
    found = Session(real_store, views=charts.views(names, real_store, Rules()))
    models = [*found.add([real_data / "predictions" / f"{m}.csv" for m in ("ViT", "ResNet50")])]
    found.prepare()
    return lambda name: charts.of_session(
        found, name, models=models if charts.CHARTS[name].models else None
    ).rows.to_pylist()


def test_facts(real: Callable[[str], list[dict[str, Any]]]) -> None:
    (pair,) = real("pairs")
    assert (pair["model_a"], pair["model_b"], pair["images"]) == ("ViT", "ResNet50", 46_837)
    found = [pair[name] for name in ("difference", "difference_low", "difference_high")]
    assert found == pytest.approx([0.010291, 0.007037, 0.013546], abs=5.1e-7)
    assert pair["log10_holm_p"] == pytest.approx(-9.244059, abs=5.1e-7)
    at = {
        row["threshold"]: (round(row["real_accuracy"], 6), row["scored_images"])
        for row in real("thresholds")
        if row["model"] == "ViT"
    }
    assert at[0.2] == (0.849402, 48_925)
    assert at[0.5] == (0.842958, 48_070)
    assert at[0.8] == (0.839870, 46_837)
    assert at[0.99] == (0.850731, 43_070)
    errors = {
        (row["model"], row["label_set"]): round(row["expected_calibration_error"], 6)
        for row in real("reliability")
    }
    assert errors == {
        ("ViT", "real"): 0.046520,
        ("ViT", "original"): 0.014125,
        ("ResNet50", "real"): 0.022945,
        ("ResNet50", "original"): 0.037308,
    }
    assert len(real("raters")) == 78
    points = {row["point"]: row for row in real("precision_recall") if row["point"]}
    assert points["original labels"]["kept_questions"] == 155


# What is not possible.


def test_a_chart_needs_its_tables(bare_store: Store, files: list[Path]) -> None:
    for name in ("raters", "precision_recall", "scores", "thresholds", "class_differences"):
        models = files[: charts.CHARTS[name].models]
        error = QueryError if name != "class_differences" else NoChartError
        with pytest.raises(error):
            charts.draw(name, *models, store=bare_store.root)
    found = charts.possible(charts.CHARTS, bare_store, Rules())
    assert found["accuracy"] is None
    assert isinstance(found["raters"], NoChartError)
    assert "rater_quality" not in charts.views(charts.CHARTS, bare_store, Rules())


def test_there_is_nothing_to_draw(
    session: Session, store: Store, synthetic_store: Store, tmp_path: Path
) -> None:
    with refused(NoChartError, "two models", column="model", count=1):
        charts.of_session(session, "pairs", models=["model_a"])
    path = tmp_path / "plain.csv"
    path.write_text("image_id,label\n1,3\n2,4\n")
    for name in ("reliability", "factors"):
        with pytest.raises(NoChartError):
            charts.draw(name, path, store=synthetic_store.root)
    with refused(UsageError, "ViT", parameter="by", value="ViT"):
        charts.of_session(session, "groups", models=["model_a"], by="ViT")
    with refused(UsageError, "others", parameter="label_set", value="other"):
        charts.of_session(session, "scores", label_set="other")
    # One image is enough for a chart.
    path.write_text("image_id,label\n1,3\n")
    assert charts.draw("accuracy", path, store=store.root).rows.num_rows == 1


def test_options_of_other_charts_are_refused(store: Store, files: list[Path]) -> None:
    with refused(UsageError, "ranks", parameter="by"):
        charts.draw("ranks", *files, by="animal", store=store.root)
    with refused(UsageError, "raters", parameter="threshold"):
        charts.draw("raters", threshold=0.5, store=store.root)
    with refused(UsageError, "raters", value="raters"):
        charts.draw("raters", *files, store=store.root)
    with refused(NoChartError, "thresholds", parameter="empty", value="wrong"):
        charts.draw("thresholds", files[0], empty="wrong", store=store.root)
    with pytest.raises(QueryError):
        charts.draw("thresholds", files[0], labels="others", store=store.root)


# Other labels.


@pytest.mark.parametrize(
    ("rules", "labels"),
    [
        ({"labels": "others"}, "others labels"),
        ({"threshold": 0.5}, "threshold 0.5"),
        ({"labels": "real@0.5"}, "threshold 0.5"),
        ({"empty": "wrong"}, "unlabeled images wrong"),
        ({"labels": "any:real,others", "empty": "original"}, "any:real,others labels"),
    ],
)
def test_other_labels_are_named(
    rules: dict[str, Any], labels: str, store: Store, files: list[Path]
) -> None:
    names, judging = ("accuracy", "pairs", "ranks"), Rules(**rules)
    session = Session(store, views=charts.views(names, store, judging), rules=judging)
    session.add(files[:2])
    session.prepare()
    for name in names:
        chart = charts.of_session(session, name)
        text = json.dumps([chart.title, chart.caption, chart.chart.to_dict()])
        assert "ReaL" not in text
        if name != "ranks" or "empty" not in rules:
            assert labels in text


# The background.


def test_background(store: Store, files: list[Path], tmp_path: Path) -> None:
    timm = tmp_path / "results-imagenet-real.csv"
    timm.write_text(
        "model,top1,top1_err,param_count,top1_diff,rank_diff\n"
        'eva,91.129,8.871,"1,013.01",+1.077,0\n'
        "volo,89.698,10.302,26.78,4.454,+45\n"
    )
    expected = [("eva", 0.90052, 0.91129), ("volo", 0.85244, 0.89698)]
    assert [tuple(each) for each in background.read(timm)] == expected
    own = tmp_path / "own.csv"
    own.write_text("\ufeffmodel,real_accuracy,original_accuracy\na,0.9,0.8\n")
    assert background.read(own) == [("a", 0.8, 0.9)]
    chart = charts.draw("accuracy", *files, background=timm, store=store.root)
    added = [row for row in chart.rows.to_pylist() if row["source"] == timm.name]
    assert [(row["model"], row["original_accuracy"], row["real_accuracy"]) for row in added] == (
        expected
    )
    assert chart.rows.num_rows == len(files) + 2
    with refused(UsageError, parameter="background", value=timm):
        charts.draw("accuracy", *files, background=timm, threshold=0.5, store=store.root)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("model,top1\na,91\n", {}),
        ("", {}),
        ("model,top1,top1_diff\n", {}),
        ("model,top1,top1_diff\na,91,x\n", {"row": 1, "column": "top1_diff", "value": "x"}),
        ("model,top1,top1_diff\na,91,1\nb,nan,1\n", {"row": 2, "column": "top1", "value": "nan"}),
        ("model,top1,top1_diff\na,191,1\n", {"row": 1, "column": "top1", "value": 191.0}),
        ("model,top1,top1_diff\na,91\n", {"row": 1}),
        # timm's results on ImageNet-A have the same columns.
        ("model,top1,top1_diff\na,60,-30\nb,50,-35\n", {"column": "top1"}),
    ],
)
def test_a_background_is_refused(text: str, fields: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "others.csv"
    path.write_text(text)
    with refused(
        DataError, "results-imagenet-real.csv", file=path, parameter="background", **fields
    ):
        background.read(path)


# Files, and the command.


def command(*arguments: object) -> Any:
    return run.invoke(cli.app, ["plot", *map(str, arguments)])


def test_a_file_is_written(store: Store, files: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "chart.SVG"
    arguments = ("accuracy", *files[:2], "--store", store.root, "-o", path)
    done = command(*arguments)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "chart.SVG" in done.stderr
    first = path.read_bytes()
    assert first.startswith(b"<svg")
    error = command(*arguments).exception
    assert (type(error), getattr(error, "parameter", None)) == (DataError, "force")
    assert command(*arguments, "--force").exit_code == 0
    assert path.read_bytes() == first
    assert [each.name for each in tmp_path.iterdir()] == ["chart.SVG"]


def test_the_data_as_csv(store: Store, files: list[Path], tmp_path: Path) -> None:
    done = command("groups", *files, "--by", "label-count", "--store", store.root, "--csv")
    assert done.exit_code == 0
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    expected = charts.rows("groups", *files, by="label-count", store=store.root).to_pylist()
    assert [row["model"] for row in found] == [row["model"] for row in expected]
    assert [int(row["scored_images"]) for row in found] == [
        row["scored_images"] for row in expected
    ]
    path = tmp_path / "chart.json"
    done = command("raters", "--store", store.root, "--csv", "-o", path)
    assert done.stdout.startswith("rater_id,")
    assert json.loads(path.read_text())["config"]["background"] == "transparent"


def test_a_file_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    for name in ("none/chart.svg", "folder.svg"):
        path = tmp_path / name
        with refused(DataError, path, parameter="output"):
            charts.plot("raters", output=path, force=True, store=store.root)


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["no-such-chart"], {"parameter": "name", "value": "no-such-chart"}),
        ([], {"parameter": "name", "value": None}),
        (["raters"], {"parameter": "output"}),
        (["raters", "-o", "raters.gif"], {"parameter": "output", "value": ".gif"}),
        (["raters", "-o", "raters"], {"parameter": "output", "value": ""}),
    ],
)
def test_usage(arguments: list[str], fields: dict[str, Any], store: Store) -> None:
    error = command(*arguments, "--store", store.root).exception
    assert type(error) is UsageError
    assert {name: getattr(error, name) for name in fields} == fields


def test_the_charts_are_listed() -> None:
    done = command("--list")
    found = [row["chart"] for row in csv.DictReader(io.StringIO(done.stdout))]
    assert found == [name.replace("_", "-") for name in charts.CHARTS]
    assert charts.find("precision-recall")[0] == charts.find("precision_recall")[0]


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path
) -> None:
    # Not the package itself: a second import would hide the function `realdb.report`.
    package = "realdb.report."
    for module in [each for each in sys.modules if each.startswith(package)]:
        monkeypatch.delitem(sys.modules, module)
        monkeypatch.delattr(sys.modules[package[:-1]], module.removeprefix(package), raising=False)
    monkeypatch.setitem(sys.modules, "altair", None)
    with refused(UsageError, "pip install 'realdb[report]'"):
        charts.plot("raters", output=tmp_path / "a.svg", store=store.root)
    assert charts.rows("raters", store=store.root).num_rows


def test_data_by_other_labels_says_which(store: Store, files: list[Path]) -> None:
    checked = set()
    for name, info in charts.CHARTS.items():
        options: dict[str, Any] = {"labels": "others", "empty": "wrong"}
        try:
            found = charts.rows(name, *files[: max(info.models, 2)], store=store.root, **options)
        except (QueryError, UsageError, DataError):
            continue  # it is about the ReaL labels alone
        assert not [column for column in found.column_names if "real_" in column], name
        assert "others" in set(found["label_set"].to_pylist()) <= {"others", "original"}, name
        (rule,) = set(found["rule"].to_pylist())
        assert "count as wrong" in rule
        checked.add(name)
    assert {"accuracy", "reliability", "pairs", "ranks", "groups", "checkpoints"} <= checked


def test_charts_are_imported_late(store: Store, files: list[Path]) -> None:
    code = """if True:
        import sys, realdb, realdb.cli
        realdb.accuracy(sys.argv[1], store=sys.argv[2])
        assert not [name for name in sys.modules if name.startswith(
            ("altair", "vl_convert", "jinja2", "realdb.report.", "realdb.api.chart"))]
    """
    command = [sys.executable, "-W", "ignore", "-c", code, str(files[0]), str(store.root)]
    subprocess.run(command, check=True)


def test_a_notebook_gets_the_chart(store: Store) -> None:
    import altair

    chart = realdb.charts.raters(store=store.root)
    assert isinstance(chart, altair.TopLevelMixin)
    found = chart.properties(width=100).to_dict()
    assert found["title"]["text"] == charts.CHARTS["raters"].title


@pytest.mark.parametrize("name", charts.CHARTS)
def test_pages(
    drawn: Callable[[str], charts.Drawn], chromium: Any, name: str, tmp_path: Path
) -> None:
    """The page is drawn offline, in the colours of the scheme. The axes have their titles."""
    from realdb.report import drawing

    chart = drawn(name)
    path = tmp_path / "chart.html"
    drawing.save(chart.chart, path, "html", title=chart.title, caption=chart.caption)
    schemes = SCHEMES if name == "pairs" else ["light"]
    for scheme in schemes:
        with visit(chromium, path.as_uri(), scheme=scheme, width=768) as found:
            found.page.wait_for_selector("#chart svg")
            assert (found.problems, found.requests) == ([], [path.as_uri()])
            text = found.page.inner_text("#chart")
            assert all(title in text for title in AXES[name])
            assert found.overflow() == 0
            if name == "pairs":
                assert found.violations() == []
