"""`realdb.compare` and `realdb compare`: on real files, on made-up models, and at the edges."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import assessments
import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import realdb
from needs import late
from realdb import cli
from realdb.api import compare as comparing
from realdb.api import leaderboard as ranking
from realdb.api.session import Session
from realdb.errors import DataError, QueryError, RealdbWarning, UsageError
from realdb.queries import catalog
from realdb.schema.tables import CLASSES, IMAGES
from realdb.stats import judged, paired
from realdb.store.store import Store
from refusals import refused

pytestmark = pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
contingency: Any = late("statsmodels.stats.contingency_tables")
regression: Any = late("statsmodels.api")
metrics: Any = late("sklearn.metrics")
run = CliRunner()


def rows(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


# The figures of FACTS, on the real files.


@pytest.fixture(scope="module")
def files(real_data: Path) -> list[Path]:
    return [real_data / "predictions" / f"{name}.csv" for name in ("ViT", "ResNet50")]


@pytest.fixture(scope="module")
def found(real_store: Store, files: list[Path]) -> realdb.Comparison:
    return realdb.compare(*files, store=real_store.root)


def test_the_paired_comparison(found: realdb.Comparison) -> None:
    (pair,) = rows(found.pairs)
    counts = ("model_a", "model_b", "images", "both_right", "only_a_right", "only_b_right")
    assert [pair[name] for name in counts] == ["ViT", "ResNet50", 46_837, 36_070, 3_267, 2_785]
    assert pair["both_wrong"] == 4_715
    expected = {
        "difference": 0.010291,
        "standard_error": 0.001660,
        "difference_low": 0.007037,
        "difference_high": 0.013546,
        "error_consistency": 0.531785,
        "log10_exact_p": -9.209989,
        "same_label_share": 0.772640,
        "original_difference": 0.018760,
        "original_standard_error": 0.001758,
        "original_error_consistency": 0.562154,
    }
    assert {name: pair[name] for name in expected} == pytest.approx(expected, abs=5.1e-7)
    assert pair["exact_p"] == pytest.approx(6.16611e-10, rel=1e-5)
    assert pair["original_exact_p"] == pytest.approx(1.53175e-26, rel=1e-5)
    assert pair["mid_p"] == pair["holm_p"] == pytest.approx(5.70087e-10, rel=1e-5)
    assert (pair["original_only_a_right"], pair["original_only_b_right"]) == (4_340, 3_402)


def test_the_views_of_the_comparison(real_store: Store, files: list[Path]) -> None:
    def ask(sql: str) -> tuple[Any, ...]:
        (row,) = realdb.query(sql, *files, store=real_store.root).fetchall()
        return tuple(row)

    agreement = ask(
        "select observed_agreement, expected_agreement from comparison where label_set = 'real'"
    )
    assert agreement == pytest.approx((0.870786, 0.724028), abs=5.1e-7)
    assert ask("select exact_p from comparison where label_set = 'original'") == (
        pytest.approx(1.53175e-26, rel=1e-5),
    )
    assert ask("select both_wrong_images, same_wrong_images from model_agreement") == (4_715, 2_305)
    assert ask(
        "select count(*), count_if(right_model = 'ViT'), count_if(right_model = 'ResNet50') "
        "from flips"
    ) == (6_052, 3_267, 2_785)


def test_the_standard_errors(real_store: Store, files: list[Path]) -> None:
    expected = {"images": 0.001660, "within-classes": 0.001649, "classes": 0.002097}
    for se, error in expected.items():
        (pair,) = rows(realdb.compare(*files, se=se, store=real_store.root).pairs)
        assert pair["standard_error"] == pytest.approx(error, abs=5.1e-7), se
        middle = (pair["difference_low"] + pair["difference_high"]) / 2
        assert middle == pytest.approx(pair["difference"], abs=1e-5)


def test_the_label_uncertainty(real_store: Store, files: list[Path]) -> None:
    found = realdb.accuracy_table(*files, label_uncertainty=True, store=real_store.root)
    of = {row["model"]: row for row in rows(found)}
    columns = ("expected_accuracy", "error_from_labels", "error_from_images", "total_error")
    expected = {
        "ViT": (0.840674, 0.000599, 0.001557, 0.001668, 40_464.2214),
        "ResNet50": (0.830357, 0.000599, 0.001602, 0.001711, 39_967.6112),
    }
    for model, (*shares, correct) in expected.items():
        assert [of[model][name] for name in columns] == pytest.approx(shares, abs=5.1e-7)
        assert of[model]["expected_correct_images"] == pytest.approx(correct, abs=5.1e-5)
        assert of[model]["expected_scored_images"] == pytest.approx(48_133.0613, abs=5.1e-5)
    query = "select expected_difference, error_from_labels, total_error from expected_comparison"
    (row,) = realdb.query(query, *files, store=real_store.root).fetchall()
    assert row == pytest.approx((-0.010317, 0.000542, 0.001647), abs=5.1e-7)


def test_the_calibration(real_store: Store, files: list[Path]) -> None:
    found = realdb.query("from calibration_summary", *files, store=real_store.root)
    errors = {
        (row["model"], row["label_set"]): (row["expected_calibration_error"], row["brier_score"])
        for row in rows(found)
    }
    expected = {
        ("ViT", "real"): (0.046520, 0.098100),
        ("ViT", "original"): (0.014125, 0.115028),
        ("ResNet50", "real"): (0.022945, 0.098372),
        ("ResNet50", "original"): (0.037308, 0.123828),
    }
    assert errors == {key: pytest.approx(pair, abs=5.1e-7) for key, pair in expected.items()}


def test_calibration_against_scikit_learn(real_store: Store, files: list[Path]) -> None:
    judgements = realdb.query(
        "select confidence, is_real_correct from scored_predictions "
        "where model = 'ViT' and is_real_correct is not null",
        files[0],
        store=real_store.root,
    ).fetchnumpy()
    confidence = np.asarray(judgements["confidence"])
    is_right = np.asarray(judgements["is_real_correct"], np.bool_)
    summary = "from calibration_summary where label_set = 'real'"
    (row,) = rows(realdb.query(summary, files[0], store=real_store.root))
    brier = metrics.brier_score_loss(is_right, confidence)
    assert row["brier_score"] == pytest.approx(brier, abs=1e-12)
    # The same bins: (a, b].
    edge = np.arange(16) / 15
    place = np.searchsorted(edge, confidence, side="left").clip(1) - 1
    number = np.bincount(place, minlength=15)
    gaps = np.abs(np.bincount(place, is_right) - np.bincount(place, confidence))
    assert row["expected_calibration_error"] == pytest.approx(gaps.sum() / len(place), abs=1e-12)
    bins = realdb.query(
        "select images from calibration where label_set = 'real' order by bin",
        files[0],
        store=real_store.root,
    ).fetchall()
    assert [images for (images,) in bins] == number[number > 0].tolist()


def test_the_standard_errors_of_one_model(real_store: Store, files: list[Path]) -> None:
    """By the view accuracy_by_class: of images, within classes and of classes; and its mean."""
    found = realdb.query(
        """
        with of_classes as (
            select
                c.model,
                c.scored_images as n,
                c.correct_images as k,
                c.real_accuracy as share,
                a.real_accuracy as whole,
                a.scored_images as images
            from accuracy_by_class as c
            join accuracy as a on c.model = a.model
        )

        select
            model,
            sqrt(any_value(whole * (1 - whole) / images)),
            sqrt(sum(n * n * share * (1 - share) / (n - 1))) / any_value(images),
            sqrt(sum((k - n * whole) ** 2)) / any_value(images),
            avg(share)
        from of_classes
        group by model
        """,
        *files,
        store=real_store.root,
    )
    assert {model: figures for model, *figures in found.fetchall()} == {
        "ViT": pytest.approx([0.001695, 0.001634, 0.003432, 0.836450], abs=5.1e-7),
        "ResNet50": pytest.approx([0.001737, 0.001671, 0.003618, 0.825903], abs=5.1e-7),
    }


def test_the_original_label_among_several(real_store: Store, files: list[Path]) -> None:
    """On images where it is a ReaL label, and the model right: how often it is the one chosen."""
    found = realdb.query(
        """
        select s.model, s.label_count, avg(case when s.is_original_correct then 1 else 0 end)
        from scored_predictions as s
        join image_labels as i on s.image_id = i.image_id
        where s.is_real_correct and i.is_original_real and s.label_count between 2 and 5
        group by all
        order by all
        """,
        *files,
        store=real_store.root,
    ).fetchall()
    shares = [share for *_, share in found]
    resnet, vit = [0.6663, 0.5643, 0.4921, 0.4479], [0.7104, 0.5876, 0.5127, 0.4434]
    assert shares == pytest.approx([*resnet, *vit], abs=5.1e-5)


def test_the_mistakes(real_store: Store, files: list[Path]) -> None:
    found = realdb.query(
        "select model, category, count(*) from mistakes group by all", *files, store=real_store.root
    )
    names = ("never asked", "original label", "rejected", "other")
    counts = {(model, category): number for model, category, number in found.fetchall()}
    assert [counts["ViT", name] for name in names] == [1_595, 1_667, 3_991, 247]
    assert [counts["ResNet50", name] for name in names] == [117, 1_541, 6_067, 257]


@pytest.mark.cases(3)
@pytest.mark.parametrize("threshold", [0.01, 0.2, 0.5, 0.8, 0.9, 0.99])
def test_accuracy_by_threshold(real_store: Store, files: list[Path], threshold: float) -> None:
    columns = "model, real_accuracy, correct_images, scored_images"
    found = realdb.query(
        f"select {columns} from accuracy_by_threshold where threshold = {threshold} order by model",
        *files,
        store=real_store.root,
    )
    expected = realdb.query(
        f"select {columns} from accuracy order by model",
        *files,
        threshold=threshold,
        store=real_store.root,
    )
    assert found.fetchall() == expected.fetchall()


def test_risk_and_coverage(real_store: Store, files: list[Path]) -> None:
    con = realdb.query(
        "select confidence, is_real_correct from scored_predictions where is_real_correct is not "
        "null",
        files[1],
        store=real_store.root,
    ).fetchnumpy()
    confidence, is_right = np.asarray(con["confidence"]), np.asarray(con["is_real_correct"], bool)
    found = rows(realdb.query("from risk_coverage", files[1], store=real_store.root))
    assert len(found) == len(np.unique(confidence))
    assert max(row["coverage"] for row in found) == 1
    for row in found[:: len(found) // 20]:
        is_covered = confidence >= row["confidence"]
        assert row["covered_images"] == is_covered.sum()
        assert row["risk"] == pytest.approx(1 - is_right[is_covered].mean())


def test_where_they_differ(real_store: Store, files: list[Path]) -> None:
    found = rows(realdb.compare(*files, by="animal", store=real_store.root).rows)
    assert [row["animal"] for row in found] == ["object", "animal"], "the clearest first"
    assert [row["images"] for row in found] == [28_272, 18_565]
    assert found[0]["holm_p"] == pytest.approx(2 * found[0]["mid_p"])
    assert found[0]["difference"] > 0 > found[1]["difference"]
    by_class = rows(realdb.compare(*files, by="class", store=real_store.root).rows)
    assert sum(row["only_a_right"] for row in by_class) == 3_267
    logs = [row["log10_mid_p"] for row in by_class]
    assert logs == sorted(logs)
    holm = [row["holm_p"] for row in by_class]
    np.testing.assert_allclose(holm, paired.holm(logs).p)
    by_count = rows(realdb.compare(*files, by="label-count", store=real_store.root).rows)
    assert {row["label_count"] for row in by_count} == set("123456789")


# Against other tools, and the other rules.


@pytest.fixture(scope="module")
def models(synthetic_store: Store) -> dict[str, npt.NDArray[np.int64]]:
    """Return the labels that four models predict: near the original ones, one for a part only."""
    original = synthetic_store.connect(["images"]).sql(
        "select coalesce(original_label, 0) from images order by image_id"
    )
    truth = np.array([label for (label,) in original.fetchall()])
    rng = np.random.default_rng(0)
    return {
        name: np.where(rng.random(IMAGES) < share, truth, rng.integers(0, CLASSES, IMAGES))
        for name, share in [("b", 0.9), ("a", 0.85), ("Z", 0.85), ("part", 0.5)]
    }


@pytest.fixture(scope="module")
def made_up(
    models: dict[str, npt.NDArray[np.int64]], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    paths = []
    for name, labels in models.items():
        # A fifth of the images is enough to tell the models apart.
        ids = np.arange(1, IMAGES + 1, 35 if name == "part" else 5)
        paths.append(folder / f"{name}.parquet")
        pq.write_table(pa.table({"image_id": ids, "label": labels[ids - 1]}), paths[-1])
    return paths


@pytest.fixture(scope="module")
def several(synthetic_store: Store, made_up: list[Path]) -> realdb.Comparison:
    return realdb.compare(*made_up, store=synthetic_store.root)


@pytest.fixture(scope="module")
def right(synthetic_store: Store, made_up: list[Path]) -> dict[str, dict[int, bool]]:
    """Return on which images each model is right."""
    query = "select model, image_id, is_real_correct from scored_predictions"
    judged = realdb.query(query, *made_up, store=synthetic_store.root).fetchall()
    found: dict[str, dict[int, bool]] = {file.stem: {} for file in made_up}
    for model, image, is_right in judged:
        if is_right is not None:
            found[model][image] = is_right
    return found


def test_several_models_against_statsmodels(
    several: realdb.Comparison, right: dict[str, dict[int, bool]], made_up: list[Path]
) -> None:
    pairs = rows(several.pairs)
    # In the order of the call.
    names = [file.stem for file in made_up]
    assert [(row["model_a"], row["model_b"]) for row in pairs] == list(combinations(names, 2))
    for row in pairs:
        mine, theirs = right[row["model_a"]], right[row["model_b"]]
        images = sorted(mine.keys() & theirs.keys())
        a, b = (np.array([of[image] for image in images]) for of in (mine, theirs))
        table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
        counts = ("both_right", "only_a_right", "only_b_right", "both_wrong")
        assert [row[name] for name in counts] == [count for line in table for count in line]
        exact = contingency.mcnemar(table, exact=True).pvalue
        assert row["exact_p"] == pytest.approx(exact, rel=1e-9, abs=1e-300)
        kappa = metrics.cohen_kappa_score(a, b)
        assert row["error_consistency"] == pytest.approx(kappa, abs=1e-12)
    common = sorted(set.intersection(*(set(of) for of in right.values())))
    matrix = np.array([[of[image] for of in right.values()] for image in common], int)
    assert several.cochran_q is not None
    assert several.common_images == len(common)
    expected = contingency.cochrans_q(matrix)
    assert several.cochran_q.statistic == pytest.approx(expected.statistic)


def test_the_models_and_their_groups(several: realdb.Comparison) -> None:
    found = {row["model"]: row for row in rows(several.models)}
    assert found["b"]["real_rank"] == found["b"]["rank_low"] == found["b"]["rank_high"] == 1
    assert {found[name]["groups"] for name in ("a", "Z")} == {"b"}, "they are equally good"
    assert [(found[name]["rank_low"], found[name]["rank_high"]) for name in "aZ"] == [(2, 3)] * 2
    assert found["part"]["rank_low"] == 4
    assert [set(group) for group in several.groups] == [{"b"}, {"a", "Z"}, {"part"}]
    assert several.has_ranks


@pytest.mark.parametrize("rule", ["within-classes", "classes"])
def test_standard_errors_against_statsmodels(
    synthetic_store: Store, made_up: list[Path], right: dict[str, dict[int, bool]], rule: str
) -> None:
    files = made_up[:2]
    mine, theirs = (right[file.stem] for file in files)
    images = sorted(mine.keys() & theirs.keys())
    label = dict(
        realdb.query(
            "select image_id, original_label from images", store=synthetic_store.root
        ).fetchall()
    )
    gain = np.array([float(mine[image]) - float(theirs[image]) for image in images])
    classes = np.array([label[image] for image in images])
    (pair,) = rows(realdb.compare(*files, se=rule, store=synthetic_store.root).pairs)
    if rule == "classes":
        fit = regression.OLS(gain, np.ones(len(gain))).fit()
        fit = fit.get_robustcov_results("cluster", groups=classes, use_correction=False)
        assert pair["standard_error"] == pytest.approx(fit.bse[0], rel=1e-9)
    else:
        variance = sum(
            (classes == each).sum() * gain[classes == each].var(ddof=1)
            for each in np.unique(classes)
            if (classes == each).sum() > 1
        )
        assert pair["standard_error"] == pytest.approx(np.sqrt(variance) / len(gain), rel=1e-9)


@pytest.mark.cases(2)
@pytest.mark.parametrize(
    "options", [{}, {"empty": "wrong"}, {"empty": "original"}, {"threshold": 0.3}]
)
def test_many_models_are_counted_as_few_are(
    synthetic_store: Store,
    made_up: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    """The array gives what the views give, by every rule."""
    few = realdb.compare(*made_up, store=synthetic_store.root, **options)
    monkeypatch.setattr(comparing, "MANY", 1)
    many = realdb.compare(*made_up, store=synthetic_store.root, **options)
    without = {"same_label_share": None, "same_wrong_share": None}
    expected = [row | without for row in rows(few.pairs)]
    assert [row | without for row in rows(many.pairs)] == [pytest.approx(row) for row in expected]
    assert rows(many.models) == rows(few.models)
    assert many.cochran_q == few.cochran_q


def test_many_models_along_a_series(
    synthetic_store: Store, checkpoints: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = realdb.compare(*checkpoints, along="natural", store=synthetic_store.root)
    monkeypatch.setattr(comparing, "MANY", 1)
    many = realdb.compare(*checkpoints, along="natural", store=synthetic_store.root)
    assert rows(many.rows) == [pytest.approx(row, nan_ok=True) for row in rows(few.rows)]


@pytest.mark.parametrize("few", [0, 1])
def test_the_array_is_the_view(
    synthetic_store: Store, made_up: list[Path], monkeypatch: pytest.MonkeyPatch, few: float
) -> None:
    """Whether many images are missing or few."""
    monkeypatch.setattr(judged, "_FEW", few)
    with Session(synthetic_store, views=["paired_counts"]) as session:
        session.add(made_up)
        session.prepare()
        names = [file.stem for file in made_up]
        counts, _ = judged.tables(comparing._read(session, names))
        session.con.register("counts", counts)
        different = (
            "(from counts except from paired_counts) union all (from paired_counts except from "
            "counts)"
        )
        assert session.con.execute(different).fetchall() == []
        assert counts.num_rows == session.view("paired_counts").count("*").fetchall()[0][0] == 12


# A series of models.


@pytest.fixture(scope="module")
def checkpoints(labels: dict[int, int], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    rng = np.random.default_rng(1)
    folder = tmp_path_factory.mktemp("checkpoints")
    return [
        file_of(
            folder / f"epoch{epoch}.csv",
            {
                image: label if rng.random() < 0.5 + epoch / 50 else 7
                for image, label in labels.items()
            },
        )
        for epoch in (1, 2, 10)
    ]


def test_along_the_natural_order(synthetic_store: Store, checkpoints: list[Path]) -> None:
    files = [checkpoints[place] for place in (2, 0, 1)]
    found = rows(realdb.compare(*files, along="natural", store=synthetic_store.root).rows)
    assert [row["model"] for row in found] == ["epoch1", "epoch2", "epoch10"]
    assert [row["previous_model"] for row in found] == [None, "epoch1", "epoch2"]
    assert found[0]["difference"] is None
    for before, after in pairwise(found):
        gain = after["real_accuracy"] - before["real_accuracy"]
        assert after["difference"] == pytest.approx(gain)
        assert after["gained_images"] - after["lost_images"] == pytest.approx(
            gain * after["common_images"]
        )
    # Two tests, not three: only the successive ones.
    p = [row["log10_mid_p"] for row in found[1:]]
    assert [row["holm_p"] for row in found[1:]] == pytest.approx(paired.holm(p).p.tolist())


def test_along_a_list(synthetic_store: Store, checkpoints: list[Path], tmp_path: Path) -> None:
    order = tmp_path / "order.txt"
    order.write_text("epoch10\nepoch1\n\nepoch2\n", encoding="utf-8")
    found = realdb.compare(*checkpoints, along=order, store=synthetic_store.root)
    assert [row["model"] for row in rows(found.rows)] == ["epoch10", "epoch1", "epoch2"]
    assert {row["rank_low"] for row in rows(found.models)} == {None}


@pytest.mark.parametrize(
    ("text", "value", "count"),
    [
        ("epoch1\nepoch2\n", "epoch10", 1),
        ("epoch1\nepoch2\nepoch10\nepoch99\nepoch98\n", "epoch99", 2),
        ("epoch1\nepoch2\nepoch10\nepoch1\n", "epoch1", 1),
    ],
)
def test_a_list_that_does_not_fit(tmp_path: Path, text: str, value: str, count: int) -> None:
    order = tmp_path / "order.txt"
    order.write_text(text, encoding="utf-8")
    with refused(DataError, value, file=order, value=value, count=count, parameter="along"):
        comparing.in_order(["epoch1", "epoch2", "epoch10"], order)


def test_a_list_that_is_not_there(
    synthetic_store: Store, checkpoints: list[Path], tmp_path: Path
) -> None:
    with refused(DataError, parameter="along"):
        realdb.compare(*checkpoints, along=tmp_path / "none.txt", store=synthetic_store.root)


# The edges.


def file_of(path: Path, labels: dict[int, int]) -> Path:
    path.write_text(
        "image_id,label\n" + "".join(f"{image},{label}\n" for image, label in labels.items())
    )
    return path


@pytest.fixture(scope="module")
def labels(synthetic_store: Store) -> dict[int, int]:
    """Return the first ReaL label of a thousand images."""
    query = (
        "select image_id, first_label from image_labels where label_count > 0 "
        "order by image_id limit 1000"
    )
    return dict(realdb.query(query, store=synthetic_store.root).fetchall())


def test_models_that_do_not_differ(
    synthetic_store: Store, labels: dict[int, int], tmp_path: Path
) -> None:
    files = [file_of(tmp_path / f"{name}.csv", labels) for name in "ab"]
    (pair,) = rows(realdb.compare(*files, store=synthetic_store.root).pairs)
    assert (pair["difference"], pair["standard_error"]) == (0, 0)
    assert (pair["mid_p"], pair["exact_p"], pair["holm_p"], pair["log10_mid_p"]) == (1, 1, 1, 0)
    assert pair["difference_low"] == -pair["difference_high"] < 0
    assert pair["error_consistency"] is None
    assert pair["same_wrong_share"] is None


def test_one_image(synthetic_store: Store, labels: dict[int, int], tmp_path: Path) -> None:
    image, label = next(iter(labels.items()))
    files = [
        file_of(tmp_path / "right.csv", {image: label}),
        file_of(tmp_path / "wrong.csv", {image: (label + 1) % CLASSES}),
    ]
    found = realdb.compare(*files, store=synthetic_store.root)
    (pair,) = rows(found.pairs)
    assert (pair["images"], pair["difference"]) == (1, 1)
    assert (pair["exact_p"], pair["mid_p"]) == (1, pytest.approx(0.5))
    assert -1 <= pair["difference_low"] <= pair["difference_high"] <= 1
    assert "1 images" in str(found)


def test_no_image_in_common(synthetic_store: Store, labels: dict[int, int], tmp_path: Path) -> None:
    image, other, third = [*labels][:3]
    files = [
        file_of(tmp_path / "a.csv", {image: 1, third: 1}),
        file_of(tmp_path / "b.csv", {other: 1}),
        file_of(tmp_path / "c.csv", {image: 2, other: 2}),
    ]
    with refused(DataError, "a and b", value="a", count=1):
        realdb.compare(*files, store=synthetic_store.root)
    for by in ({"by": "animal"}, {"images": True}, {"along": "natural"}):
        with refused(DataError, "a and b" if "along" not in by else "b and a", count=1):
            realdb.compare(*files, store=synthetic_store.root, **by)


def test_a_pair_without_images_that_all_have(
    synthetic_store: Store, labels: dict[int, int], tmp_path: Path
) -> None:
    one, two, three = [*labels][:3]
    files = [
        file_of(tmp_path / "a.csv", {one: 1, two: 1}),
        file_of(tmp_path / "b.csv", {two: 1, three: 1}),
        file_of(tmp_path / "c.csv", {one: 2, three: 2}),
    ]
    found = realdb.compare(*files, store=synthetic_store.root)
    assert (found.cochran_q, found.common_images) == (None, None)
    assert len(rows(found.pairs)) == 3


def test_fewer_than_two_models(synthetic_store: Store, made_up: list[Path]) -> None:
    with refused(DataError, count=0):
        realdb.compare(store=synthetic_store.root)
    with refused(DataError, "b", count=1):
        realdb.compare(made_up[0], store=synthetic_store.root)


def test_options_that_exclude_each_other(synthetic_store: Store, made_up: list[Path]) -> None:
    root = synthetic_store.root
    with refused(UsageError, parameter="images"):
        realdb.compare(*made_up, by="class", images=True, store=root)
    with refused(UsageError, parameter="along"):
        realdb.compare(*made_up, by="class", along="natural", store=root)
    with refused(UsageError, parameter="se", value="classes"):
        realdb.compare(*made_up, by="class", se="classes", store=root)
    with refused(UsageError, parameter="by", value="metaclass"):
        realdb.compare(*made_up, by="metaclass", store=root)
    with refused(UsageError, parameter="se", value="raters"):
        realdb.compare(*made_up, se="raters", store=root)


def test_a_store_of_labels_alone(bare_store: Store, made_up: list[Path]) -> None:
    files = made_up[:2]
    (pair,) = rows(realdb.compare(*files, store=bare_store.root).pairs)
    assert pair["images"] > 0
    assert pair["original_images"] is pair["original_mid_p"] is None
    assert rows(realdb.compare(*files, by="label-count", store=bare_store.root).rows)
    for options in ({"by": "class"}, {"by": "animal"}, {"se": "classes"}):
        with refused(QueryError, parameter=next(iter(options))):
            realdb.compare(*files, store=bare_store.root, **options)
    with pytest.raises(QueryError):  # the votes are not there
        realdb.compare(*files, images=True, store=bare_store.root)


# Stored models, the leaderboard, and the command line.


@pytest.fixture(scope="module")
def stored(
    synthetic_store: Store, made_up: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    root = tmp_path_factory.mktemp("stored") / "store"
    # Nothing reads realdb.duckdb.
    shutil.copytree(synthetic_store.root, root, ignore=shutil.ignore_patterns("realdb.duckdb"))
    realdb.add(*made_up, store=root)
    return root


def test_stored_models(stored: Path, several: realdb.Comparison) -> None:
    found = realdb.compare(store=stored)
    names = sorted(row["model"] for row in rows(several.models))
    assert [(row["model_a"], row["model_b"]) for row in rows(found.pairs)] == [
        *combinations(names, 2)
    ]
    assert found.cochran_q is not None
    assert found.cochran_q.statistic == pytest.approx(several.cochran_q.statistic)  # type: ignore[union-attr]
    con = realdb.connect(store=stored)
    assert con.execute("select count(*) from comparison").fetchall() == [(12,)]
    assert con.execute("select count(*) from paired_tests").fetchall() == [(12,)]


def test_the_leaderboard_has_rank_intervals(stored: Path, made_up: list[Path]) -> None:
    for files in ((), made_up):
        found = {row["model"]: row for row in rows(realdb.leaderboard(*files, store=stored))}
        ranks = {model: (row["rank_low"], row["rank_high"]) for model, row in found.items()}
        assert ranks == {"b": (1, 1), "a": (2, 3), "Z": (2, 3), "part": (4, 4)}
        for row in found.values():
            is_supported = row["is_change_supported"]
            if row["rank_change"] == 0:
                assert is_supported is None
            else:
                inside = row["rank_low"] <= row["original_rank"] <= row["rank_high"]
                assert is_supported == (not inside)


def test_many_models_have_rank_intervals_as_an_option(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "MOST_RANKED", 3)
    with pytest.warns(RealdbWarning, match="4") as caught:
        found = rows(realdb.leaderboard(store=stored))
    assert any("`rank_intervals=True`" in str(each.message) for each in caught)
    assert {row["rank_low"] for row in found} == {None}
    found = rows(realdb.leaderboard(store=stored, rank_intervals=True))
    assert None not in {row["rank_low"] for row in found}


RANKS = ("rank_low", "rank_high")
RULES: list[dict[str, Any]] = [
    {},
    {"empty": "wrong"},
    {"threshold": 0.3},
    {"average": "class"},
    {"empty": "original"},
    {"labels": "real@0.3", "empty": "wrong", "average": "class"},
    {"labels": "original"},
]


@pytest.mark.cases(2)
@pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
@pytest.mark.parametrize("rules", RULES, ids=str)
def test_stored_models_are_judged_as_their_files(
    stored: Path, made_up: list[Path], rules: dict[str, Any]
) -> None:
    """By each rule, in each call that ranks or compares models."""
    names = sorted(path.stem for path in made_up)
    calls: list[tuple[Callable[..., Any], Sequence[Sequence[str]]]] = [
        (realdb.accuracy_table, [names]),
        (realdb.leaderboard, [(), names]),
    ]
    for call, ways in calls:
        expected, *found = (
            {row["model"]: row for row in rows(call(*models, store=stored, **rules))}
            for models in (made_up, *ways)
        )
        # The order of a sum changes its last digits.
        alike = {model: pytest.approx(row) for model, row in expected.items()}
        assert found == [alike] * len(ways)
    if "average" not in rules:
        for row in rows(realdb.compare(store=stored, **rules).models):
            ranked = expected[row["model"]]
            assert [row[name] for name in RANKS] == [ranked[name] for name in RANKS]


def test_many_models_with_missing_images_are_one_warning(
    synthetic_store: Store, labels: dict[int, int], tmp_path: Path
) -> None:
    images = sorted(labels)
    files = [
        file_of(tmp_path / f"m{at}.csv", {image: labels[image] for image in images[at + 1 :]})
        for at in range(7)
    ]
    for number in (5, 7):
        with pytest.warns(RealdbWarning) as caught:
            realdb.accuracy_table(*files[:number], store=synthetic_store.root)
        texts = [str(each.message) for each in caught if "covers only" in str(each.message)]
        if number == 5:
            assert [f"m{at} covers" in text for at, text in enumerate(texts)] == [True] * 5
        else:
            (text,) = texts
            assert "7 of 7" in text and f"m6 covers only {len(images) - 7:,} " in text


def test_the_mean_of_the_classes_has_no_rank_intervals(stored: Path, made_up: list[Path]) -> None:
    for files in ((), made_up):
        with pytest.warns(RealdbWarning, match="average"):
            found = rows(realdb.leaderboard(*files, store=stored, average="class"))
        assert {row["rank_low"] for row in found} == {None}


def printed(*words: object) -> list[dict[str, str]]:
    result = run.invoke(cli.app, [*map(str, words), "--format", "csv"])
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_the_command(synthetic_store: Store, made_up: list[Path]) -> None:
    where = ("--store", synthetic_store.root)
    files = made_up[:2]
    pairs = printed("compare", *files, *where)
    assert [(row["model_a"], row["model_b"]) for row in pairs] == [("b", "a")]
    found = realdb.compare(*files, store=synthetic_store.root)
    assert float(pairs[0]["difference"]) == rows(found.pairs)[0]["difference"]
    images = printed("compare", *files, "--images", *where)
    counts = rows(found.pairs)[0]
    assert len(images) == counts["only_a_right"] + counts["only_b_right"]
    assert {row["right_model"] for row in images} == {"a", "b"}
    for row in images[:50]:
        assert (row["model_a"], row["model_b"]) == ("b", "a")
    groups = printed("compare", *files, "--by", "animal", *where)
    assert {row["animal"] for row in groups} == {"animal", "object"}
    words = ["compare", *files, "--along", "natural", "--format", "json", *where]
    series = json.loads(run.invoke(cli.app, [*map(str, words)]).stdout)
    assert [row["model"] for row in series] == ["a", "b"]
    assert series[1]["common_images"] == counts["images"]


def test_the_images_can_be_exported(
    synthetic_store: Store, made_up: list[Path], tmp_path: Path
) -> None:
    target = tmp_path / "flips.parquet"
    done = realdb.export("flips", target, predictions=[*made_up[:2]], store=synthetic_store.root)
    listed = rows(realdb.compare(*made_up[:2], images=True, store=synthetic_store.root).rows)
    assert done.count == len(listed)
    assert set(pq.read_table(target)["image_id"].to_pylist()) == {row["image_id"] for row in listed}
    for what in ("paired_tests", "rank_intervals", "comparison"):
        done = realdb.export(
            what,
            tmp_path / f"{what}.csv",
            predictions=[*made_up[:2]],
            store=synthetic_store.root,
        )
        assert done.count > 0


def test_label_uncertainty_takes_no_rule_for_labels(
    synthetic_store: Store, made_up: list[Path]
) -> None:
    for name, value in [("by", "class"), ("threshold", 0.5), ("empty", "wrong")]:
        with refused(UsageError, parameter=name):
            realdb.accuracy_table(
                made_up[0], label_uncertainty=True, store=synthetic_store.root, **{name: value}
            )


def test_every_view_of_pairs_names_them_in_one_order(
    synthetic_store: Store, made_up: list[Path]
) -> None:
    views = [name for name, view in catalog.views().items() if "model_a" in view.about.columns]
    assert len(views) >= 7
    pair = "array_agg(distinct (model_a, model_b))"
    selects = [f"select '{name}', {pair} from {name}" for name in views]
    found = realdb.query(" union all ".join(selects), *made_up, store=synthetic_store.root)
    pairs = set(combinations(sorted(file.stem for file in made_up), 2))
    assert {name: set(pairs) for name, pairs in found.fetchall()} == dict.fromkeys(views, pairs)


def test_on_another_engine(stored: Path, sail_address: str) -> None:
    """The counts come from the engine, and the tests are computed here."""
    for sql in ("from rank_intervals", "from paired_tests"):
        there = realdb.query(f"{sql} order by 1, 2", store=stored, engine=sail_address).fetchall()
        here = realdb.query(f"{sql} order by 1, 2", store=stored).fetchall()
        assert sorted(map(repr, there)) == sorted(map(repr, here)) != []


# By other labels than ReaL's.


@pytest.fixture(scope="module")
def assessed(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of the real files with the other assessments."""
    store = realdb.ingest(real_data / "upstream", store=tmp_path_factory.mktemp("assessed"))
    folder = tmp_path_factory.mktemp("files")
    assessments.add_all(store, folder)
    groups = folder / "sizes.csv"
    lines = [f"{image},{name}" for image in range(1, 3_001) for name in _sizes(image)]
    groups.write_text("\n".join(["image,group", *lines]), encoding="utf-8")
    realdb.add_groups(groups, store=store.root)
    return store.root


def _sizes(image: int) -> list[str]:
    """Return the groups of an image: one, both, or none of two."""
    return [name for name, of in {"small": 2, "wide": 3}.items() if image % of == 0]


OTHER_LABELS: list[dict[str, Any]] = [
    {"labels": "multilabel-v3"},
    {"labels": "multilabel-v3", "unclear": "skip", "problematic": "keep"},
    {"labels": "cleanlab-mturk", "empty": "wrong"},
    {"labels": "any:real,multilabel-v3"},
    {"labels": "real@0.5"},
]


@pytest.mark.cases(3)
@pytest.mark.parametrize("rules", OTHER_LABELS)
def test_counts_by_other_labels(assessed: Path, files: list[Path], rules: dict[str, Any]) -> None:
    """They add up to the correct images of `accuracy`, and the original columns do not change."""
    found = realdb.compare(*files, store=assessed, **rules)
    (pair,) = rows(found.pairs)
    judged = rows(realdb.accuracy_table(*files, store=assessed, **rules))
    right = {row["model"]: row["correct_images"] for row in judged}
    assert pair["images"] == judged[0]["scored_images"]
    assert pair["both_right"] + pair["only_a_right"] == right["ViT"]
    assert pair["both_right"] + pair["only_b_right"] == right["ResNet50"]
    exact = contingency.mcnemar(
        [[0, pair["only_a_right"]], [pair["only_b_right"], 0]], exact=True
    ).pvalue
    assert pair["exact_p"] == pytest.approx(exact, rel=1e-9)
    assert (pair["original_only_a_right"], pair["original_only_b_right"]) == (4_340, 3_402)
    models = {row["model"]: row for row in rows(found.models)}
    for row in judged:
        assert models[row["model"]]["accuracy"] == row["accuracy"]
        assert models[row["model"]]["rule"] == row["rule"]


def test_rows_state_the_labels(assessed: Path, files: list[Path]) -> None:
    """No column is about ReaL, and the images have no votes."""
    for options in ({}, {"by": "animal"}, {"images": True}, {"along": "natural"}):
        found = realdb.compare(*files, store=assessed, labels="multilabel-v3", **options)
        assert found.rule is not None
        assert found.rule in str(found)
        for relation in (found.models, found.pairs, found.rows):
            stating = set(relation.project("label_set, rule").fetchall())
            assert len(stating) == 1
            ((label_set, rule),) = stating
            assert label_set == "multilabel-v3"
            assert rule in found.rule
            assert not [name for name in relation.columns if "real_" in name or "votes" in name]
    plain = realdb.compare(*files, store=assessed, images=True)
    assert plain.rule is None
    assert {"no_votes_a", "yes_votes_b"} <= {*plain.rows.columns}
    assert "rule" not in plain.pairs.columns


def test_images_by_other_labels(assessed: Path, files: list[Path]) -> None:
    found = realdb.compare(*files, store=assessed, labels="multilabel-v3", images=True)
    right = realdb.query(
        "select a.image_id, a.is_real_correct from scored_predictions as a "
        "join scored_predictions as b using (image_id) where a.model = 'ViT' "
        "and b.model = 'ResNet50' and a.is_real_correct <> b.is_real_correct",
        *files,
        store=assessed,
        labels="multilabel-v3",
    ).fetchall()
    assert {(row["image_id"], row["right_model"] == "ViT") for row in rows(found.rows)} == {*right}


def test_many_models_by_other_labels(
    assessed: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The array follows the rules as the views do."""
    for rules in OTHER_LABELS:
        monkeypatch.setattr(comparing, "MANY", 100)
        few = rows(realdb.compare(*files, store=assessed, **rules).pairs)
        monkeypatch.setattr(comparing, "MANY", 1)
        many = rows(realdb.compare(*files, store=assessed, **rules).pairs)
        left_out = ("same_label_share", "same_wrong_share")
        for few_row, many_row in zip(few, many, strict=True):
            for name in set(few_row) - {*left_out}:
                assert many_row[name] == pytest.approx(few_row[name]), name


def test_rank_intervals_by_other_labels(assessed: Path, files: list[Path]) -> None:
    found = rows(realdb.leaderboard(*files, store=assessed, labels="multilabel-v3"))
    assert [(row["model"], row["rank_low"], row["rank_high"]) for row in found] == [
        ("ViT", 1, 1),
        ("ResNet50", 2, 2),
    ]
    # The tests compare shares of the images, and not means of classes.
    found = rows(realdb.leaderboard(*files, store=assessed, average="class"))
    assert {row["rank_low"] for row in found} == {None}


def test_the_command_by_other_labels(assessed: Path, files: list[Path]) -> None:
    words = ("compare", *files, "--store", assessed, "--labels", "multilabel-v3")
    (pair,) = printed(*words, "--unclear", "wrong", "--problematic", "keep")
    assert pair["label_set"] == "multilabel-v3"
    expected = realdb.compare(
        *files, store=assessed, labels="multilabel-v3", unclear="wrong", problematic="keep"
    )
    assert int(pair["only_a_right"]) == rows(expected.pairs)[0]["only_a_right"]


@pytest.mark.cases(2)
@pytest.mark.parametrize("rules", [{}, {"labels": "multilabel-v3"}])
@pytest.mark.parametrize("grouping", ["sizes", "animal_group"])
def test_by_a_grouping(
    assessed: Path, files: list[Path], grouping: str, rules: dict[str, Any]
) -> None:
    """The groups, which may have images in common, are those of `accuracy`."""
    found = rows(realdb.compare(*files, by=grouping, store=assessed, **rules).rows)
    accuracies = {
        (row["model"], row["group_name"]): (row["correct_images"], row["scored_images"])
        for row in rows(realdb.accuracy_table(*files, by=grouping, store=assessed, **rules))
    }
    assert len(found) >= 2
    for row in found:
        assert row["grouping"] == grouping
        both = row["both_right"]
        for model, alone in (("ViT", "only_a_right"), ("ResNet50", "only_b_right")):
            expected = accuracies.pop((model, row["group_name"]))
            assert (both + row[alone], row["images"]) == expected
    assert not [of for of in accuracies.values() if of[1]], "no group is missing"
    np.testing.assert_allclose(
        [row["holm_p"] for row in found], paired.holm([row["log10_mid_p"] for row in found]).p
    )


def test_an_unknown_grouping(assessed: Path, files: list[Path]) -> None:
    with refused(UsageError, parameter="by", value="sizess") as caught:
        realdb.compare(*files, by="sizess", store=assessed)
    assert "sizes" in str(caught.value)
    with refused(UsageError, parameter="by", value="label-count"):
        realdb.compare(*files, by="label-count", match="animal_group", store=assessed)
    (row,) = rows(realdb.compare(*files, match="animal_group", store=assessed).pairs)
    assert row["label_set"] == "real"
    assert "animal_group" in row["rule"]


def test_ranks_by_label_set(assessed: Path, files: list[Path]) -> None:
    """The tests by each label set are those of a comparison by its labels."""
    found = rows(
        realdb.query("from paired_tests_by_label_set", *files, store=assessed).order("label_set")
    )
    assert {row["label_set"] for row in found} >= {"real", "original", "multilabel-v3"}
    for row in found:
        # The view names the models in the order of their names: ResNet50, ViT.
        (pair,) = rows(realdb.compare(*files, labels=row["label_set"], store=assessed).pairs)
        assert -row["difference"] == pytest.approx(pair["difference"])
        for name in ("standard_error", "exact_p", "mid_p", "holm_p", "error_consistency"):
            assert row[name] == pytest.approx(pair[name], rel=1e-9), name
    ranks = rows(realdb.query("from ranks_by_label_set", *files, store=assessed))
    holm = {row["label_set"]: row["holm_p"] for row in found}
    for row in ranks:
        place = row["label_set_rank"]
        is_apart = holm[row["label_set"]] < 0.05
        expected = (place, place) if is_apart else (1, 2)
        assert (row["rank_low"], row["rank_high"]) == expected
        is_changed = place != row["real_rank"]
        assert row["is_change_supported"] == (is_apart if is_changed else None)
    assert False in {row["is_change_supported"] for row in ranks}, "imagenet-m has 64 images"
