"""Judging predictions by other label sets: accuracy, leaderboard and sql with `labels`."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import assessments
import label_files
import numpy as np
import pytest

import commands
import realdb
from realdb.api.rules import Rules
from realdb.errors import DataError, QueryError, UsageError
from realdb.store.store import Store
from refusals import refused

MODELS = ("ViT", "ResNet50")
MULTILABEL = "multilabel-v3"


@pytest.fixture(scope="module")
def real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store of the real files with the other assessments and two models."""
    store = realdb.ingest(real_data / "upstream", store=tmp_path_factory.mktemp("assessed"))
    assessments.add_all(store, tmp_path_factory.mktemp("files"))
    realdb.add(*(real_data / "predictions" / f"{model}.csv" for model in MODELS), store=store.root)
    return store


def judged(store: Store, **rules: Any) -> dict[str, realdb.AccuracyByLabels]:
    """Return the accuracy of each model by other labels."""
    found = [realdb.accuracy(model, store=store.root, **rules) for model in MODELS]
    assert all(isinstance(each, realdb.AccuracyByLabels) for each in found)
    return {each.model: each for each in found if isinstance(each, realdb.AccuracyByLabels)}


@pytest.mark.parametrize(
    ("rules", "images", "hits"),
    [
        ({"labels": MULTILABEL, "unclear": "wrong"}, 18_692, (16_235, 15_919)),
        ({"labels": MULTILABEL}, 18_692, (16_257, 15_941)),
        ({"labels": f"all:real,{MULTILABEL}"}, 17_000, (14_814, 14_572)),
        ({"labels": f"consensus:2:real,{MULTILABEL}", "empty": "skip"}, 17_000, (14_814, 14_572)),
        ({"labels": f"any:real,{MULTILABEL}"}, 17_751, (16_001, 15_715)),
        ({"labels": "cleanlab-mturk"}, 4_976, (3_127, 2_940)),
        ({"labels": "real@0.5"}, 48_070, (40_521, 40_007)),
        ({"labels": "any:real@0.5,original"}, 48_070, (42_079, 41_409)),
        ({"labels": "original"}, 50_000, (39_003, 38_065)),
    ],
)
def test_figures_by_other_labels(
    real: Store, rules: dict[str, Any], images: int, hits: tuple[int, int]
) -> None:
    found = judged(real, **rules)
    for model, correct in zip(MODELS, hits, strict=True):
        assert (found[model].correct_images, found[model].scored_images) == (correct, images)
        assert found[model].accuracy == pytest.approx(correct / images, abs=1e-12)
        assert found[model].label_set == rules["labels"]


def test_the_mean_of_the_classes(real: Store) -> None:
    """TensorFlow Datasets' own figure."""
    found = judged(real, labels=MULTILABEL, average="class")
    assert [round(found[model].accuracy or 0, 6) for model in MODELS] == [0.867670, 0.850796]
    assert found["ViT"].accuracy_low is None
    found = judged(real, average="class")
    assert [round(found[model].accuracy or 0, 6) for model in MODELS] == [0.836450, 0.825903]


def test_real_on_the_images_of_another_set(real: Store) -> None:
    """ReaL on the images that multilabel-v3 judges and that have ReaL labels."""
    rows = realdb.query(
        f"""
        select model, count(*), count_if(is_real_correct)
        from scored_predictions
        where image_id in (
            select image_id from stored_assessments where label_set = '{MULTILABEL}'
            except
            select image_id from image_flags where flag = 'problematic'
        ) and label_count > 0
        group by model
        """,
        store=real.root,
    ).fetchall()
    expected = {"ViT": 0.853586, "ResNet50": 0.838713}
    assert {model: (images, round(hits / images, 6)) for model, images, hits in rows} == {
        model: (17_751, share) for model, share in expected.items()
    }


def test_images_that_a_set_judges_and_gives_no_label(real: Store) -> None:
    """They follow `empty`; images that the set does not judge are never scored."""
    found = judged(real, labels="cleanlab-mturk", empty="wrong")
    assert {each.scored_images for each in found.values()} == {5_440}
    found = judged(real, labels=f"all:real,{MULTILABEL}", empty="wrong")
    assert {each.scored_images for each in found.values()} == {17_751}
    found = judged(real, labels="biodiversity", empty="wrong")
    assert {each.scored_images for each in found.values()} == {13_450}


def test_skipped_and_kept_images(real: Store) -> None:
    (unclear,) = realdb.query(
        f"""
        select count(distinct image_id) from stored_assessments
        where label_set = '{MULTILABEL}' and verdict = 'unclear' and image_id not in (
            select image_id from image_flags where flag = 'problematic'
        )
        """,
        store=real.root,
    ).fetchall()[0]
    assert unclear > 0
    without = judged(real, labels=MULTILABEL, unclear="skip")
    assert without["ViT"].scored_images == 18_692 - unclear
    kept = judged(real, labels=MULTILABEL, problematic="keep", empty="wrong")
    assert kept["ViT"].scored_images == 20_000


def test_an_oracle_of_plain_python(real: Store) -> None:
    """A consensus of four sets, counted image by image."""
    sets = ("real", MULTILABEL, "cleanlab-mturk", "biodiversity")
    rows = realdb.query(
        "select label_set, image_id, label, verdict from assessments", store=real.root
    ).fetchall()
    flagged = "select label_set, image_id from image_flags where flag = 'problematic'"
    left_out = set(realdb.query(flagged, store=real.root).fetchall())
    correct: dict[int, dict[int, set[str]]] = {}
    for label_set, image, label, verdict in rows:
        if label_set in sets and (label_set, image) not in left_out and verdict == "correct":
            correct.setdefault(image, {}).setdefault(label, set()).add(label_set)
    labels = {
        image: {label for label, by in of.items() if len(by) >= 2} for image, of in correct.items()
    }
    labels = {image: of for image, of in labels.items() if of}
    first = dict(
        realdb.query(
            "select image_id, label from predictions where model = 'ViT' and rank = 1",
            store=real.root,
        ).fetchall()
    )
    # ReaL judges every image.
    judges: dict[int, set[str]] = {image: {"real"} for image in range(1, 50_001)}
    for label_set, image, _, _ in rows:
        if label_set in sets and (label_set, image) not in left_out:
            judges[image].add(label_set)
    rule = f"consensus:2:{','.join(sets)}"
    found = judged(real, labels=rule)["ViT"]
    assert found.scored_images == sum(len(by) >= 2 for by in judges.values())
    labelled = judged(real, labels=rule, empty="skip")["ViT"]
    assert labelled.scored_images == len(labels) < found.scored_images
    right = sum(first[image] in of for image, of in labels.items())
    assert found.correct_images == labelled.correct_images == right


@pytest.mark.filterwarnings("ignore:the rank intervals are omitted:realdb.RealdbWarning")
def test_every_column_says_which_labels_judge(real: Store) -> None:
    for rows in (
        realdb.accuracy_table(*MODELS, store=real.root, labels=MULTILABEL),
        realdb.accuracy_table(*MODELS, store=real.root, labels=MULTILABEL, by="class"),
        realdb.leaderboard(store=real.root, labels=MULTILABEL),
        realdb.leaderboard(*MODELS, store=real.root, labels=MULTILABEL, average="class"),
    ):
        assert not [name for name in rows.columns if "real" in name]
        assert {row[0] for row in rows.project("label_set").fetchall()} == {MULTILABEL}
    plain = realdb.accuracy_table(*MODELS, store=real.root).columns
    assert "real_accuracy" in plain and "label_set" not in plain


def test_leaderboard_and_sql_agree_with_accuracy(real: Store) -> None:
    expected = {model: each.accuracy for model, each in judged(real, labels=MULTILABEL).items()}
    board = realdb.leaderboard(store=real.root, labels=MULTILABEL)
    assert dict(board.project("model, accuracy").fetchall()) == expected
    assert (
        dict(
            realdb.query(
                "select model, real_accuracy from accuracy", store=real.root, labels=MULTILABEL
            ).fetchall()
        )
        == expected
    )


def test_match_by_group(real: Store, tmp_path: Path) -> None:
    groups = tmp_path / "halves.csv"
    groups.write_text(
        "label,group\n" + "".join(f"{label},{label // 500}\n" for label in range(1000))
    )
    realdb.add_groups(groups, store=real.root)
    found = judged(real, match="halves")["ViT"]
    (hits,) = realdb.query(
        """
        select count(distinct p.image_id)
        from predictions as p
        join labels as l on p.image_id = l.image_id and p.label // 500 = l.label // 500
        where p.model = 'ViT' and p.rank = 1
        """,
        store=real.root,
    ).fetchall()[0]
    assert (found.correct_images, found.scored_images) == (hits, 46_837)
    with refused(UsageError, "match", parameter="by"):
        realdb.accuracy_table("ViT", store=real.root, match="halves", by="label-count")
    with refused(DataError, "halves", parameter="match", value="thirds"):
        realdb.accuracy_table("ViT", store=real.root, match="thirds")


# The views that compare label sets ----------------------------------------------------------------


def rows_of(store: Store, sql: str, *files: str | Path) -> list[tuple[Any, ...]]:
    return realdb.query(sql, *files, store=store.root).fetchall()


def test_real_against_multilabel(real: Store) -> None:
    ((*found, jaccard),) = rows_of(
        real,
        f"""
        select
            labelled_images, equal_images, larger_images, smaller_images, disjoint_images,
            only_other_images, correct_labels, wrong_labels, unclear_labels, unjudged_labels,
            jaccard
        from label_set_agreement
        where label_set = 'real' and other_set = '{MULTILABEL}'
        """,
    )
    assert found[:6] == [18_457, 13_956, 1_360, 1_720, 941, 1_092]
    assert found[6:] == [19_257, 1_891, 121, 1_966]
    assert round(jaccard, 4) == 0.7254


def test_label_set_agreement_is_the_comparison_of_two_sets(real: Store) -> None:
    """`realdb labels compare` counts the same."""
    for first, second in (("real", MULTILABEL), ("cleanlab-mturk", "real"), ("original", "real")):
        ((*found, jaccard),) = rows_of(
            real,
            f"""
            select labelled_images, equal_images, larger_images, smaller_images, disjoint_images,
                only_images, only_other_images, correct_labels, unclear_labels, wrong_labels,
                unjudged_labels, jaccard
            from label_set_agreement
            where label_set = '{first}' and other_set = '{second}'
            """,
        )
        ((*expected, other_jaccard),) = rows_of(
            real,
            f"""
            select images, equal_images, larger_images, smaller_images, disjoint_images,
                only_first_images, only_second_images, correct_labels, unclear_labels,
                wrong_labels, not_judged_labels, jaccard
            from label_sets_compared('{first}', '{second}')
            """,
        )
        assert found == expected
        assert jaccard == pytest.approx(other_jaccard, abs=1e-12)


def test_the_original_label_on_disjoint_images(real: Store) -> None:
    """Of 751 disjoint images the original label is multilabel-v3's on 750."""
    assert rows_of(
        real,
        f"""
        with m as (
            select image_id, list(label) as labels from assessments
            where label_set = '{MULTILABEL}' and verdict = 'correct' and image_id not in (
                select image_id from image_flags where flag = 'problematic'
            )
            group by image_id
        ),
        r as (select image_id, list(label) as labels from labels group by image_id)
        select count(*), count_if(list_contains(m.labels, i.original_label))
        from m join r using (image_id) join images as i using (image_id)
        where not list_has_any(m.labels, r.labels)
        """,
    ) == [(751, 750)]


def test_label_set_agreement_is_symmetric(real: Store) -> None:
    assert rows_of(
        real,
        """
        select count(*) from label_set_agreement as a
        join label_set_agreement as b on a.label_set = b.other_set and a.other_set = b.label_set
        where (a.jaccard, a.equal_images, a.larger_images, a.only_images)
            is distinct from (b.jaccard, b.equal_images, b.smaller_images, b.only_other_images)
        """,
    ) == [(0,)]


def test_score_calibration(real: Store) -> None:
    found = rows_of(
        real,
        f"""
        select score_from, round(correct_share, 3), questions, round(auc, 4)
        from score_calibration where label_set = '{MULTILABEL}' order by score_from
        """,
    )
    shares = {score: share for score, share, _, _ in found}
    expected = {0.8: 0.603, 0.9: 0.628, 0.97: 0.762, 0.999: 0.924, 0.0: 0.086}
    assert {score: shares[score] for score in expected} == expected
    assert sum(questions for _, _, questions, _ in found) == 40_517
    assert {auc for *_, auc in found} == {0.9083}


def test_label_choice(real: Store) -> None:
    found = rows_of(
        real,
        "select model, round(original_share, 4), chance from label_choice "
        "where label_count <= 5 order by label_count",
    )
    shares = {model: [share for name, share, _ in found if name == model] for model in MODELS}
    assert shares == {
        "ViT": [0.7104, 0.5876, 0.5127, 0.4434],
        "ResNet50": [0.6663, 0.5643, 0.4921, 0.4479],
    }
    assert [chance for name, _, chance in found if name == "ViT"] == [1 / 2, 1 / 3, 1 / 4, 1 / 5]


def test_mistake_categories(real: Store) -> None:
    assert rows_of(
        real,
        "select label_set, sum(mistakes), sum(real_mistakes) from mistake_categories "
        "group by label_set order by label_set",
    ) == [("greedy-soups-mistakes", 249, 67), ("vit3b-mistakes", 378, 85)]


def test_biodiversity(real: Store) -> None:
    """How many original labels of each verdict are ReaL labels."""
    rows = rows_of(
        real,
        """
        select a.verdict, count(*), count(l.label),
            count(*) filter (a.score = 0), count(l.label) filter (a.score = 0)
        from stored_assessments as a
        left join labels as l on a.image_id = l.image_id and a.label = l.label
        where a.label_set = 'biodiversity'
        group by a.verdict
        """,
    )
    found = {verdict: counts for verdict, *counts in rows}
    assert found["correct"][:2] == [11_348, 10_486]
    assert found["unclear"][0] == 454
    assert found["wrong"][:2] == [1_648, 823]
    _, _, worst, kept = found["wrong"]
    assert (worst, round(kept / worst, 3)) == (1_173, 0.442)


def test_cleanlab(real: Store) -> None:
    rows = rows_of(
        real,
        """
        select labels, count(*) from (
            select count(*) filter (verdict = 'correct') as labels
            from stored_assessments where label_set = 'cleanlab-mturk' group by image_id
        ) group by labels order by labels
        """,
    )
    assert rows == [(0, 464), (1, 5_440 - 464 - 829), (2, 829)]


def test_ranks_by_label_set_are_those_of_accuracy(real: Store) -> None:
    rows = rows_of(
        real,
        "select label_set, model, accuracy, correct_images, scored_images, "
        "label_set_rank from ranks_by_label_set",
    )
    assert {row[0] for row in rows} >= {"original", MULTILABEL, "cleanlab-mturk", "biodiversity"}
    for label_set, model, accuracy, correct, images, rank in rows:
        if label_set != "real":
            board = realdb.leaderboard(store=real.root, labels=label_set)
            expected = board.filter(f"model = '{model}'").project("accuracy, scored_images, rank")
            assert expected.fetchall() == [(accuracy, images, rank)]
            assert accuracy == pytest.approx(correct / images)


def test_confusions_add_up_to_the_errors(real: Store) -> None:
    rows = rows_of(real, "select model, sum(weight) from confusions group by model")
    assert {model: round(errors, 6) for model, errors in rows} == {"ViT": 7_500, "ResNet50": 7_982}


def test_consensus_labels(real: Store) -> None:
    """ReaL and the original label agree on the unrated images, at the least."""
    ((two, three, unrated),) = rows_of(
        real,
        "select (select count(*) from consensus_labels(2)), (select count(*) from "
        "consensus_labels(3)), (select count(*) from consensus_labels(2) where image_id in "
        "(select image_id from unrated))",
    )
    assert two > three > 0
    assert unrated >= 25_111


def test_label_conflicts_have_two_sides(real: Store) -> None:
    assert rows_of(
        real,
        """
        select count(*) from (
            select count(distinct label_set) filter (verdict = 'correct') as supporting,
                count(distinct label_set) filter (verdict = 'wrong') as rejecting,
                count(distinct label_set) as sets
            from label_conflicts group by image_id, label
        ) where supporting = 0 or rejecting = 0 or sets < 2
        """,
    ) == [(0,)]


# ImageNet-X ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_factors(real: Store) -> Store:
    """Return the store with imagenet-x as well."""
    assessments.add_imagenet_x(real)
    return real


@pytest.mark.parametrize("grouping", ["factor", "top_factor"])
def test_imagenet_x(with_factors: Store, grouping: str) -> None:
    """Its accuracies and error ratios of all 16 factors, computed as imagenet_x does."""
    found = realdb.accuracy_table(*MODELS, store=with_factors.root, by=grouping, empty="wrong")
    rows = {
        (model, group): (accuracy, ratio, average, images)
        for model, group, accuracy, ratio, average, images in found.project(
            "model, group_name, real_accuracy, error_ratio, grouping_accuracy, grouping_images"
        ).fetchall()
    }
    assert len(rows) == 2 * 16
    published = {"ViT": 0.77525, "ResNet50": 0.76428}
    expected = _factors(with_factors, grouping)
    for (model, group), (accuracy, ratio, average, images) in rows.items():
        assert images == 46_110
        assert round(average, 5) == published[model]
        assert accuracy == pytest.approx(expected[model, group], abs=1e-12)
        assert ratio == pytest.approx((1 - accuracy) / (1 - average), abs=1e-12)


def _factors(store: Store, grouping: str) -> dict[tuple[str, str], float]:
    """Return the accuracy by model and factor, from the files themselves."""
    import json
    import zipfile

    wheel = label_files.imagenet_x()
    assert wheel is not None
    part = grouping.removesuffix("factor").rstrip("_") or "multi"
    with zipfile.ZipFile(wheel) as archive:
        folder = "imagenet_x/annotations"
        prototypes = archive.read(f"{folder}/prototypical_paths.csv").decode().split()
        lines = archive.read(f"{folder}/imagenet_x_val_{part}_factor.jsonl").splitlines()
    annotated = [json.loads(line) for line in lines]
    left_out = {name for line in prototypes for name in line.split(",")}
    labels: dict[int, set[int]] = {}
    for image, label in realdb.query(
        "select image_id, label from labels", store=store.root
    ).fetchall():
        labels.setdefault(image, set()).add(label)
    right: dict[tuple[str, str], list[bool]] = {}
    for model in MODELS:
        first = dict(
            realdb.query(
                f"select image_id, label from predictions where model = '{model}'",
                store=store.root,
            ).fetchall()
        )
        for row in annotated:
            if row["file_name"] in left_out:
                continue
            image = int(row["file_name"][15:23])
            for name, value in row.items():
                if value == 1 and name not in ("class", "file_name"):
                    right.setdefault((model, name), []).append(
                        first[image] in labels.get(image, ())
                    )
    return {key: float(np.mean(values)) for key, values in right.items()}


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        "",
        "real@",
        "real@2",
        "real@x",
        "original@0.5",
        "a:b",
        "consensus:real,original",
        "consensus:3:real,original",
        "consensus:0:real,original",
        "consensus:1:real",
        "any:real",
        "any:2:real,original",
        "all:real,real",
        "all:real,real@0.5",
        "all:real,,original",
        "all:",
    ],
)
def test_labels_of_no_known_form(labels: str) -> None:
    with refused(UsageError, parameter="labels", value=labels):
        Rules(labels=labels)


@pytest.mark.parametrize("rule", [{"threshold": 0.5}, {"threshold": 0.8}, {"scores": "s.parquet"}])
@pytest.mark.parametrize("labels", ["original", "real@0.7", "all:real@0.7,original"])
def test_labels_beside_scores(labels: str, rule: dict[str, Any]) -> None:
    with refused(UsageError, parameter=next(iter(rule))):
        Rules(labels=labels, **rule)


@pytest.mark.parametrize("rule", [{"unclear": "wrong"}, {"problematic": "keep"}])
@pytest.mark.parametrize("labels", ["real", "real@0.5"])
def test_rules_that_the_real_labels_have_no_use_for(labels: str, rule: dict[str, Any]) -> None:
    with refused(UsageError, parameter=next(iter(rule))):
        Rules(labels=labels, **rule)


def test_a_label_set_that_is_not_there(synthetic: Path, synthetic_store: Store) -> None:
    predictions = next((synthetic / "predictions").glob("*.csv"))
    for name, command in {
        MULTILABEL: f"realdb labels add {MULTILABEL}",
        "imagenet-m": f"realdb labels add {MULTILABEL}",
        "nothing like it": "realdb labels add FILE",
        "orignal": "original",
    }.items():
        with refused(DataError, "real, original", command, value=name, parameter="labels"):
            realdb.accuracy(predictions, store=synthetic_store.root, labels=name)
        with refused(DataError, command, value=name):
            realdb.query("from accuracy", predictions, store=synthetic_store.root, labels=name)


def test_a_set_by_which_nothing_can_be_right(
    ingest: Callable[..., Store], synthetic: Path, tmp_path: Path
) -> None:
    predictions, root = next((synthetic / "predictions").glob("*.csv")), ingest().root
    file = tmp_path / "wrong.csv"
    file.write_text("image,label,verdict\n1,5,wrong\n")
    realdb.add_labels(file, store=root)
    with refused(DataError, parameter="labels", value="wrong"):
        realdb.accuracy(predictions, store=root, labels="wrong")


@pytest.mark.parametrize("view", ["unasked_counts", "label_changes", "assessments", "relabelling"])
def test_views_that_mean_the_real_labels(synthetic_store: Store, view: str) -> None:
    with refused(QueryError, view, parameter="labels", value=view):
        realdb.query(f"from {view}", store=synthetic_store.root, labels="original")


def test_a_breakdown_that_is_not_there(synthetic: Path, synthetic_store: Store) -> None:
    predictions = next((synthetic / "predictions").glob("*.csv"))
    with refused(UsageError, "class", "label-count", "animal", parameter="by", value="factor"):
        realdb.accuracy_table(predictions, store=synthetic_store.root, by="factor")
    with refused(UsageError, parameter="average", value="class"):
        realdb.accuracy_table(predictions, store=synthetic_store.root, by="class", average="class")


def test_groups_of_classes_need_the_original_labels(bare_store: Store, tmp_path: Path) -> None:
    root = shutil.copytree(bare_store.root, tmp_path / "bare")
    for name, what in {"kinds": "label", "places": "image"}.items():
        file = tmp_path / f"{name}.csv"
        file.write_text(f"{what},group\n1,a\n2,b\n")
        realdb.add_groups(file, store=root)
    predictions = {f"ILSVRC2012_val_{image:08d}.JPEG": 1 for image in range(1, 9)}
    with refused(QueryError, parameter="by"):
        realdb.accuracy_table(predictions, store=root, by="kinds")
    with refused(QueryError, parameter="average"):
        realdb.accuracy_table(predictions, store=root, average="class")
    with refused(QueryError, parameter="labels"):
        realdb.accuracy_table(predictions, store=root, labels="original")
    with pytest.warns(realdb.RealdbWarning):
        found = realdb.accuracy_table(predictions, store=root, by="places")
    assert [row[0] for row in found.project("group_name").fetchall()] == ["a", "b"]


def test_the_rule_is_stated() -> None:
    assert Rules().is_stated is False
    one, several = Rules(labels="a"), Rules(labels="any:a,b")
    assert (one.unclear, several.unclear) == ("right", "wrong")
    assert Rules(labels="a", unclear="skip").text != one.text
    assert Rules(labels="a", problematic="keep").text != one.text
    assert Rules(labels="a", average="class").text != one.text
    assert Rules(labels="a", empty="wrong").text != one.text
    assert Rules(labels="all:a,b").text != several.text
    assert "metaclass" in Rules(match="metaclass").text


# The command line ---------------------------------------------------------------------------------


def command(*words: str | Path) -> tuple[str, str, int]:
    """Return what a command prints on stdout and stderr, and its exit code."""
    done = commands.run(words)
    return done.stdout, done.stderr, done.returncode


def test_the_command_line_states_the_rule(synthetic: Path, synthetic_store: Store) -> None:
    predictions = next((synthetic / "predictions").glob("*.csv"))
    store = ("--store", synthetic_store.root)
    rules = ("--labels", "original", "--empty", "wrong")
    out, err, code = command("accuracy", predictions, *store, *rules)
    (row,) = csv.DictReader(out.splitlines())
    rule = Rules(labels="original", empty="wrong").text
    assert (row["label_set"], row["rule"], code) == ("original", rule, 0)
    assert rule in err
    assert row["accuracy"] == row["original_accuracy"]
    out, err, code = command("leaderboard", predictions, *store, *rules)
    assert next(csv.DictReader(out.splitlines()))["rule"] == rule
    assert (rule in err, code) == (True, 0)
    query = "select correct_images from accuracy"
    out, err, code = command("sql", query, predictions, *store, "--labels", "original")
    assert (out.split()[-1], code) == (row["correct_images"], 0)
    assert Rules(labels="original").text in err
    _, err, _ = command("accuracy", predictions, *store)
    assert "label" not in err


@pytest.mark.parametrize(
    ("options", "parameter", "code"),
    [
        (("--labels", "original", "--threshold", "0.5"), "--threshold", 2),
        (("--labels", "nothing"), "realdb labels add", 1),
        (("--labels", "all:real"), "--labels", 2),
        (("--by", "nothing"), "--by", 2),
        (("--match", "nothing"), "realdb groups add", 1),
        (("--unclear", "wrong"), "--unclear", 2),
    ],
)
def test_the_command_line_refuses(
    synthetic: Path,
    synthetic_store: Store,
    options: tuple[str, ...],
    parameter: str,
    code: int,
) -> None:
    predictions = next((synthetic / "predictions").glob("*.csv"))
    out, err, found = command("accuracy", predictions, "--store", synthetic_store.root, *options)
    assert (out, found) == ("", code)
    assert parameter in err
