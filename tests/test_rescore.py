from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import realdb
from realdb.errors import DataError, QueryError, UsageError
from realdb.store.store import Store
from refusals import refused

# From FACTS: ViT.csv at other operating points.
VIT = {
    0.2: (0.849402, 48_925),
    0.5: (0.842958, 48_070),
    0.9: (0.840272, 45_997),
    0.99: (0.850731, 43_070),
}


def models(found: realdb.Rescored) -> dict[str, dict[str, Any]]:
    rows = found.models.fetchall()
    return {row[0]: dict(zip(found.models.columns, row, strict=True)) for row in rows}


@pytest.fixture(scope="module")
def stored(
    synthetic_store: Store, synthetic: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a store with two models."""
    root = tmp_path_factory.mktemp("stored") / "store"
    # Nothing reads realdb.duckdb.
    shutil.copytree(synthetic_store.root, root, ignore=shutil.ignore_patterns("realdb.duckdb"))
    realdb.add(synthetic / "predictions", store=root)
    return root


@pytest.fixture(scope="module")
def of_majority(synthetic_store: Store, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Return a file of scores."""
    out = tmp_path_factory.mktemp("scores") / "scores.parquet"
    realdb.scores(method="majority", out=out, store=synthetic_store.root)
    return pq.read_table(out)


# What was published.


def test_votes_give_the_published_scores_and_labels(real_store: Store) -> None:
    found = realdb.verify_scores(store=real_store.root)
    assert found.is_equal
    assert (found.questions, found.recomputed_questions) == (184_962, 184_962)
    assert (found.published_labels, found.recomputed_labels) == (57_553, 57_553)
    assert (found.differing_scores, found.differing_labels) == (0, 0)
    assert found.largest_difference < 1e-12


def test_the_constants_of_the_formula(real_store: Store) -> None:
    """FACTS, "scores.npz from the votes, exactly"."""
    con = realdb.connect(store=real_store.root)
    ((valid, invalid, valid_for_original, experts),) = con.execute(
        """
        select
            count_if(is_valid),
            count_if(not is_valid),
            count_if(is_valid_for_original),
            max(experts)
        from golden_truths
        """
    ).fetchall()
    assert (valid, invalid, valid_for_original, experts) == (248, 887, 303, 5)
    found = con.execute(
        "select answer, valid_answers, invalid_answers, log_likelihood_ratio "
        "from original_label_evidence"
    ).fetchall()
    assert sorted(found) == [
        ("no", 170, 810, pytest.approx(-0.552758, abs=5e-7)),
        ("yes", 133, 22, pytest.approx(2.766192, abs=5e-7)),
    ]
    average = con.execute(
        "select distinct rater_id from rater_evidence where is_average order by rater_id"
    ).fetchall()
    assert [rater for (rater,) in average] == [111, 132, 134, 146, 153, 167, 189]
    assert con.execute("select count(*) from rater_evidence").fetchall() == [(85 * 3,)]


def test_a_changed_vote_is_found(change: Callable[..., None], ingest: Callable[..., Store]) -> None:
    def turn(tensor: np.ndarray) -> np.ndarray:
        rater, question = np.argwhere(tensor.any(axis=2))[0]
        tensor[rater, question] = np.roll(tensor[rater, question], 1)
        return tensor

    change("raters.npz", tensor=turn)
    found = realdb.verify_scores(store=ingest().root)
    assert not found.is_equal
    assert found.differing_scores == 1
    assert found.largest_difference > 1e-6


def test_a_changed_label_is_found(
    source_folder: Path, synthetic_store: Store, ingest: Callable[..., Store]
) -> None:
    path = source_folder / "real.json"
    lists = json.loads(path.read_text())
    query = "select min(image_id) from image_labels where is_rated and label_count > 1"
    ((image,),) = realdb.query(query, store=synthetic_store.root).fetchall()
    lists[image - 1].pop()
    path.write_text(json.dumps(lists))
    found = realdb.verify_scores(store=ingest().root)
    assert not found.is_equal
    assert (found.differing_scores, found.differing_labels) == (0, 1)


@pytest.mark.parametrize("file", ["raters.npz", "raters_golden.npz", "golden.npz"])
def test_a_store_without_votes_names_the_file(
    file: str, source_folder: Path, ingest: Callable[..., Store]
) -> None:
    (source_folder / file).unlink()
    opened = ingest()
    with refused(QueryError, "realdb ingest FOLDER", file=file):
        realdb.verify_scores(store=opened.root)
    with refused(QueryError, file=file):
        realdb.scores(store=opened.root)


# Other rules.


def test_the_published_rules_change_nothing(real_store: Store, real_data: Path) -> None:
    found = realdb.scores(real_data / "predictions", store=real_store.root)
    assert (found.labels.added_labels, found.labels.removed_labels) == (0, 0)
    assert found.changes.fetchall() == []
    expected = {"ViT": 39_337 / 46_837, "ResNet50": 38_855 / 46_837}
    for name, row in models(found).items():
        assert row["accuracy_on_recomputed_images"] == expected[name]
        assert row["accuracy_on_scored_images"] == expected[name]
        assert (row["common_images"], row["common_change"]) == (46_837, 0)


@pytest.mark.parametrize("threshold", VIT)
def test_another_threshold(threshold: float, real_store: Store, real_data: Path) -> None:
    file = real_data / "predictions" / "ViT.csv"
    found = realdb.scores(file, threshold=threshold, store=real_store.root)
    share, images = VIT[threshold]
    row = models(found)["ViT"]
    assert row["accuracy_on_recomputed_images"] == pytest.approx(share, abs=5e-7)
    assert row["recomputed_images"] == found.labels.recomputed_images == images


@pytest.mark.parametrize(
    ("rules", "common", "vit", "resnet50"),
    [
        ({"golden_majority": 4}, 45_438, (0.002420, -0.010036), (0.003358, -0.010058)),
        ({"maybe_as": "no"}, 44_181, (0.007636, -0.006971), (0.008753, -0.007333)),
        (
            {"method": "majority", "threshold": 0.8},
            36_330,
            (0.041330, -0.024553),
            (0.051593, -0.023369),
        ),
        ({"original_label_for": "none"}, 46_253, (-0.005477, -0.006054), (-0.004411, -0.005427)),
    ],
    ids=str,
)
def test_changes_are_on_the_same_images(
    rules: dict[str, Any],
    common: int,
    vit: tuple[float, float],
    resnet50: tuple[float, float],
    real_store: Store,
    real_data: Path,
) -> None:
    """FACTS, "Changes of accuracy under other rules, on the same images".

    The first figure of a pair subtracts accuracies over different images, which is no change.
    """
    found = models(realdb.scores(real_data / "predictions", store=real_store.root, **rules))
    for name, (apart, change) in (("ViT", vit), ("ResNet50", resnet50)):
        row = found[name]
        assert row["common_images"] == common
        assert row["common_change"] == pytest.approx(change, abs=5e-7)
        difference = row["accuracy_on_recomputed_images"] - row["accuracy_on_scored_images"]
        assert difference == pytest.approx(apart, abs=5e-7)


def test_ties_at_the_threshold(real_store: Store, real_data: Path) -> None:
    """FACTS, "Ties at the threshold": weighted votes with exact arithmetic."""
    root = real_store.root
    found = realdb.scores(real_data / "predictions", method="weighted", threshold=0.8, store=root)
    labels = found.labels
    assert (labels.recomputed_labels, labels.recomputed_images) == (37_400, 35_206)
    assert (labels.removed_labels, labels.added_labels, labels.changed_images) == (
        20_153,
        0,
        14_944,
    )
    accuracy = {name: row["accuracy_on_recomputed_images"] for name, row in models(found).items()}
    assert accuracy == {"ViT": 31_241 / 35_206, "ResNet50": 31_293 / 35_206}
    # Weights are k/2270, and so are scores, but for their last digits.
    exact = "abs(score - 0.8) < 1e-12"
    assert len(found.scores.filter(exact)) == 7
    kept = found.scores.filter("score < 0.8").filter(exact).select("image_id, label").fetchall()
    assert kept == [(30538, 799), (31893, 508), (31893, 673), (37645, 403)]
    removed = set(found.changes.select("image_id, label").fetchall())
    assert not removed & set(kept)
    assert len(found.scores.filter("abs(score - 0.5) < 1e-12")) == 144
    higher = realdb.scores(method="weighted", threshold=0.9, store=root)
    assert higher.labels.recomputed_labels == 33_292


@pytest.mark.parametrize(
    ("method", "labels"),
    [
        ("pipeline", 57_553),
        ("majority", 39_222),
        ("weighted", 37_400),
        ("one-coin", 43_625),
        ("dawid-skene", 58_464),
    ],
)
def test_labels_kept_at_the_published_threshold(
    method: str, labels: int, real_store: Store
) -> None:
    found = realdb.scores(method=method, threshold=0.8, store=real_store.root)
    assert found.labels.recomputed_labels == labels


def test_rules_in_sql_match_the_call(synthetic_store: Store) -> None:
    root = synthetic_store.root
    out = realdb.scores(
        golden_majority=2, maybe_as="no", left_out_raters=[101], threshold=0.6, store=root
    )
    left_out = realdb.query(
        "from relabelling_if(golden_majority := 2, maybe_as := 'no', left_out_raters := [101], "
        "threshold := 0.6)",
        store=root,
    )
    assert left_out.fetchall() == out.counts.fetchall()
    assert out.labels.added_labels + out.labels.removed_labels == len(out.changes) > 0


@pytest.mark.cases(2)
@pytest.mark.parametrize("method", ["majority", "weighted", "dawid-skene", "one-coin"])
def test_scores_of_a_method_replace_the_published_ones(
    method: str, synthetic_store: Store, synthetic: Path, tmp_path: Path
) -> None:
    """Judged by the file of scores a model has the accuracy that `scores` said."""
    root, file = synthetic_store.root, synthetic / "predictions" / "model_a.csv"
    out = tmp_path / "it's the scores.parquet"
    found = realdb.scores(file, method=method, threshold=0.55, out=out, store=root)
    assert (found.fit is not None) == (method in ("dawid-skene", "one-coin"))
    assert pq.read_table(out).num_rows == synthetic_store.tables["questions"]
    assert found.threshold == 0.55
    judged = realdb.accuracy(file, scores=out, store=root)
    assert judged == realdb.accuracy(file, scores=out, threshold=0.55, store=root)
    row = models(found)["model_a"]
    assert judged.real_accuracy == row["accuracy_on_recomputed_images"]
    assert judged.scored_images == row["recomputed_images"]
    labels = realdb.query("select count(*) from labels", scores=out, store=root)
    assert labels.fetchall() == [(found.labels.recomputed_labels,)]
    with refused(DataError, file=out, parameter="force"):
        realdb.scores(method=method, out=out, store=root)
    other = out.with_suffix(".csv")
    with refused(UsageError, out.name, file=other, parameter="out", value=".csv"):
        realdb.scores(method=method, out=other, store=root)


@pytest.mark.parametrize("method", ["majority", "weighted"])
def test_shares_of_votes_keep_as_many_labels_as_were_published(
    method: str, real_store: Store
) -> None:
    """No other threshold comes nearer to 57,553 labels without splitting ties."""
    root = real_store.root
    found = realdb.scores(method=method, store=root)
    same = realdb.scores(method=method, threshold="same-count", store=root)
    assert (found.threshold, found.labels) == (same.threshold, same.labels)
    assert repr(found.threshold) in str(found)
    rounded = np.sort(np.round(found.scores.fetchnumpy()["score"], 12))
    counts = 25_111 + len(rounded) - np.searchsorted(rounded, np.unique(rounded))
    assert found.labels.recomputed_labels in counts
    assert abs(counts - 57_553).min() == abs(found.labels.recomputed_labels - 57_553)
    expected = {"majority": (0.4, 60_074), "weighted": (0.398072044647, 57_553)}
    assert (found.threshold, found.labels.recomputed_labels) == expected[method]


def test_a_file_of_scores_records_its_threshold(
    synthetic_store: Store, stored: Path, synthetic: Path, tmp_path: Path
) -> None:
    root, file, out = synthetic_store.root, synthetic / "predictions", tmp_path / "scores.parquet"
    found = realdb.scores(file, method="majority", out=out, store=root)
    assert found.threshold not in (0.8, 0.5)
    assert pq.read_metadata(out).metadata[b"realdb_threshold"] == repr(found.threshold).encode()
    expected = {name: row["accuracy_on_recomputed_images"] for name, row in models(found).items()}
    table = realdb.accuracy_table(file, scores=out, store=root)
    assert dict(table.select("model, real_accuracy").fetchall()) == expected
    ranked = realdb.leaderboard(scores=out, store=stored)
    assert dict(ranked.select("model, real_accuracy").fetchall()) == expected
    labels = tmp_path / "labels.parquet"
    done = realdb.export("labels", labels, scores=out, store=root)
    assert done.count == found.labels.recomputed_labels
    notice = json.loads(pq.read_metadata(labels).metadata[b"realdb_query"])
    assert notice["threshold"] == found.threshold
    # A named threshold has precedence; files of other tools record none.
    higher = realdb.scores(method="majority", threshold=0.8, store=root).labels.recomputed_labels
    count = "select count(*) from labels"
    assert realdb.query(count, scores=out, threshold=0.8, store=root).fetchall() == [(higher,)]
    pq.write_table(pq.read_table(out).replace_schema_metadata(None), out)
    assert realdb.query(count, scores=out, store=root).fetchall() == [(higher,)]


@pytest.mark.parametrize("recorded", ["high", "1.5", "nan"])
def test_an_invalid_recorded_threshold_is_refused(
    recorded: str, synthetic_store: Store, of_majority: pa.Table, tmp_path: Path
) -> None:
    root, out = synthetic_store.root, tmp_path / "scores.parquet"
    pq.write_table(of_majority.replace_schema_metadata({"realdb_threshold": recorded}), out)
    with refused(DataError, file=out, parameter="scores", value=recorded):
        realdb.query("from labels", scores=out, store=root)
    assert realdb.query("from labels", scores=out, threshold=0.8, store=root).fetchall()


def test_majority_is_the_share_of_yes(synthetic_store: Store) -> None:
    root = synthetic_store.root
    found = realdb.scores(method="majority", store=root).scores.fetchall()
    shares = realdb.query(
        "select image_id, label, (yes_votes + maybe_votes / 2) / (no_votes + maybe_votes + "
        "yes_votes) from rated_questions order by image_id, label",
        store=root,
    ).fetchall()
    assert [row[:2] for row in found] == [row[:2] for row in shares]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in shares])


def test_rules_apply_to_methods(synthetic_store: Store) -> None:
    """Leaving out a rater or counting a maybe as yes changes the votes of a method."""
    root = synthetic_store.root
    plain, without, yes = (
        realdb.scores(method="majority", store=root, **rule).scores.fetchall()
        for rule in ({}, {"left_out_raters": [101]}, {"maybe_as": "yes"})
    )
    assert plain != without
    assert sum(score for *_, score in yes) > sum(score for *_, score in plain)


@pytest.mark.parametrize(
    ("rules", "parameter", "value"),
    [
        ({"golden_majority": 6}, "golden_majority", 6),
        ({"original_majority": 0}, "original_majority", 0),
        ({"smoothing": 0.0}, "smoothing", 0.0),
        ({"smoothing": float("nan")}, "smoothing", "nan"),
        ({"threshold": 1.5}, "threshold", 1.5),
        ({"threshold": "same"}, "threshold", "same"),
        ({"method": "mean"}, "method", "mean"),
        ({"maybe_as": "perhaps"}, "maybe_as", "perhaps"),
        ({"original_label_for": "dogs"}, "original_label_for", "dogs"),
        ({"left_out_raters": [7]}, "left_out_raters", 7),
        ({"method": "majority", "smoothing": 2.0}, "smoothing", "majority"),
        ({"clamp_golden": True}, "clamp_golden", "pipeline"),
        ({"method": "dawid-skene", "golden_majority": 4}, "golden_majority", "dawid-skene"),
    ],
)
def test_invalid_rules_are_refused(
    rules: dict[str, Any], parameter: str, value: object, synthetic_store: Store
) -> None:
    with refused(UsageError, parameter=parameter, value=value):
        realdb.scores(store=synthetic_store.root, **rules)


def test_leaving_out_all_raters_is_refused(synthetic_store: Store) -> None:
    root = synthetic_store.root
    raters = realdb.query("select rater_id from raters where not is_expert", store=root).fetchall()
    with refused(UsageError, parameter="left_out_raters", count=len(raters)):
        realdb.scores(left_out_raters=[rater for (rater,) in raters], store=root)


def test_a_stored_model_is_not_judged_twice(stored: Path, synthetic: Path) -> None:
    files = synthetic / "predictions"
    expected = models(realdb.scores(files / "model_a.csv", threshold=0.5, store=stored))
    assert expected.keys() == {"model_a"}
    found = models(realdb.scores(threshold=0.5, store=stored))
    assert found.keys() == {"model_a", "model_b"}
    for name in ("common_change", "accuracy_on_recomputed_images", "scored_images"):
        assert found["model_a"][name] == expected["model_a"][name]
    assert len(realdb.explain(1, files, store=stored).models) == 2


def with_scores(table: Any, scores: Any) -> Any:
    return table.set_column(2, "score", scores)


@pytest.mark.parametrize(
    ("change", "fact", "fields"),
    [
        # Other counts tell one fault from another.
        (lambda table: pa.concat_tables([table, table.slice(0, 2)]), " 2 ", {"count": 2}),
        (lambda table: table.slice(3), " 3 ", {"count": 3}),
        (
            lambda table: with_scores(table, pa.array([1.5] * 4 + [0.5] * (len(table) - 4))),
            " 4 ",
            {"count": 4},
        ),
        (
            lambda table: with_scores(table, table.column("score").cast(pa.string())),
            "score VARCHAR",
            {"count": None},
        ),
        (lambda table: table.drop_columns("score"), "image_id, label", {"column": "score"}),
    ],
    ids=["twice", "missing", "above 1", "text", "no column"],
)
def test_a_file_of_scores_that_is_refused(
    change: Callable[[Any], Any],
    fact: str,
    fields: dict[str, Any],
    synthetic_store: Store,
    of_majority: pa.Table,
    synthetic: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "scores.parquet"
    pq.write_table(change(of_majority), out)
    with refused(DataError, fact, parameter="scores", file=out, **fields):
        realdb.accuracy(
            synthetic / "predictions" / "model_a.csv", scores=out, store=synthetic_store.root
        )
