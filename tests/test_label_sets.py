"""Label sets and groups in the store: the user's own files, the library calls, the commands."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import realdb
from realdb import cli
from realdb.errors import DataError, QueryError, RealdbWarning, StoreError, UsageError
from realdb.store import label_sets
from realdb.store.store import Store, resolve
from refusals import refused

pytestmark = pytest.mark.usefixtures("store")
Add = Callable[..., duckdb.DuckDBPyRelation]


@pytest.fixture
def store(synthetic_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a copy of the synthetic store, as the default store of the test."""
    root = Path(shutil.copytree(synthetic_store.root, tmp_path / "own"))
    monkeypatch.setenv("REALDB_HOME", str(root))
    monkeypatch.setenv("REALDB_OFFLINE", "1")
    return resolve(root)


@pytest.fixture
def add(tmp_path: Path) -> Add:
    """Return a function that adds a label set from the text of a file."""

    def add(text: str, file: str = "mine.csv", **options: Any) -> duckdb.DuckDBPyRelation:
        (tmp_path / file).write_text(text, encoding="utf-8")
        return realdb.add_labels(tmp_path / file, **options)

    return add


def ask(query: str) -> list[tuple[Any, ...]]:
    return realdb.query(query).fetchall()


def stored() -> list[tuple[Any, ...]]:
    return ask("select image_id, label, verdict, score from stored_assessments order by all")


VOTES = """image,label,rater,answer
1,5,Ada,yes
1,5,Ben,yes
1,5,Eve,no
2,5,Ada,no
2,5,Ben,maybe
2,6,Ada,yes
2,6,Ben,no
3,7,Gold,yes
1,5,Gold,no
"""


# The user's own files.


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("image,label\n1,5\n2,6\n", [(1, 5, "correct", None), (2, 6, "correct", None)]),
        (
            "file_name,class,Verdict\nILSVRC2012_val_00000003.JPEG,5,WRONG\n"
            "val/00000004.png,6, correct\n",
            [(3, 5, "wrong", None), (4, 6, "correct", None)],
        ),
        (
            "image,label,score\n1,5,0.7\n1,6,0.5\n1,7,0.3\n1,8,0\n",
            [
                *((1, 5, "correct", 0.7), (1, 6, "unclear", 0.5), (1, 7, "wrong", 0.3)),
                (1, 8, "wrong", 0.0),
            ],
        ),
        (
            "image,label,score,verdict\n1,5,0.2,correct\n1,6,,wrong\n",
            [(1, 5, "correct", 0.2), (1, 6, "wrong", None)],
        ),
    ],
)
def test_assessments(add: Add, text: str, rows: list[tuple[Any, ...]]) -> None:
    found = add(text)
    assert stored() == rows
    assert found.project("label_set, status, images").fetchall() == [
        ("mine", "added", len({row[0] for row in rows}))
    ]


def test_class_names_and_wordnet_ids_are_labels(add: Add, store: Store) -> None:
    con = store.connect(["classes"])
    names = con.execute("select wordnet_id, name from classes where label in (3, 9)").fetchall()
    add("image,label\n" + "".join(f"{place},{words[0]}\n" for place, words in enumerate(names, 1)))
    assert [row[1] for row in stored()] == [3, 9]
    named = "".join(f'{place},"{words[1]}"\n' for place, words in enumerate(names, 1))
    add(f"image,label\n{named}", "named.csv")
    assert ask("select label from stored_assessments where label_set = 'named' order by all") == [
        (3,),
        (9,),
    ]


def test_threshold_makes_verdicts_from_scores(add: Add) -> None:
    add("image,label,score\n1,5,0.8\n1,6,0.79\n", threshold=0.8)
    assert [row[2] for row in stored()] == ["correct", "wrong"]


def test_json_and_parquet_files_are_read(add: Add, tmp_path: Path) -> None:
    rows = [{"image": 1, "label": 5, "verdict": "unclear"}]
    add(json.dumps(rows), "one.json")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "two.parquet")
    realdb.add_labels(tmp_path / "two.parquet", name="two", title="T", licence="MIT", citation="C")
    assert ask("select label_set, verdict from stored_assessments order by all") == [
        ("one", "unclear"),
        ("two", "unclear"),
    ]
    assert ask("select title, licence, citation from label_sets where label_set = 'two'") == [
        ("T", "MIT", "C")
    ]


def test_majority_makes_labels_from_votes(add: Add) -> None:
    found = add(VOTES, golden=["Gold"])
    assert stored() == [
        # The golden answers decide.
        (1, 5, "wrong", 0.0),
        (2, 5, "wrong", 0.25),
        (2, 6, "unclear", 0.5),
        (3, 7, "correct", 1.0),
    ]
    assert found.project("images, votes").fetchall() == [(3, 7)]
    assert ask("select count(*) from campaign_votes where is_golden") == [(2,)]


@pytest.mark.parametrize("method", ["dawid-skene", "one-coin"])
def test_a_model_of_the_raters_follows_the_good_ones(add: Add, method: str) -> None:
    lines = ["image,label,rater,answer"]
    for image in range(1, 101):
        truth = image % 3 == 0
        for rater, errs in (("a", 50), ("b", 33), ("c", 2), ("d", 3)):
            wrong = image % errs == 0 if rater in "ab" else image % errs != 0
            lines.append(f"{image},1,{rater},{'yes' if truth != wrong else 'no'}")
    add("\n".join(lines) + "\n", aggregate=method)
    right = sum((row[2] == "correct") == (row[0] % 3 == 0) for row in stored())
    assert right >= 95


def test_crowd_kit_cleanlab_and_fiftyone_are_read_back(tmp_path: Path) -> None:
    votes = ask("select image_id, label, rater_id::varchar, answer from votes where round = 'main'")
    for what, file in (("crowdkit", "c.csv"), ("cleanlab", "l.parquet")):
        realdb.export(what, tmp_path / file)
        realdb.add_labels(tmp_path / file, name=what)
        found = ask(
            "select image_id, label, rater, answer from campaign_votes "
            f"where label_set = '{what}' order by all"
        )
        assert found == sorted(votes), what
    realdb.export("images", tmp_path / "f.json", format="fiftyone", where="image_id <= 5000")
    realdb.add_labels(tmp_path / "f.json", name="f")
    labels = ask("select image_id, label from labels where image_id <= 5000 order by all")
    assert labels == ask(
        "select image_id, label from stored_assessments where label_set = 'f' order by all"
    )


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("image,label\n", {"count": 0}),
        ("image,other\n1,2\n", {"column": "label", "parameter": "columns"}),
        ("label,other\n1,2\n", {"column": "image", "parameter": "columns"}),
        ("image,file_name,label\n1,2,3\n", {"column": "image", "count": 2}),
        ("image,label\n1,5\n0,6\n", {"column": "image", "row": 2, "value": "0", "count": 1}),
        ("image,label\n50001,5\n", {"column": "image", "row": 1, "value": "50001"}),
        ("image,label\ncat.jpg,5\n", {"column": "image", "row": 1, "value": "cat.jpg"}),
        ("image,label\n1,1000\n2,1000\n", {"column": "label", "value": "1000", "count": 2}),
        ("image,label\n1,-1\n", {"column": "label", "value": "-1"}),
        ("image,label\n1,\n", {"column": "label", "value": None}),
        ("image,label\n1,n99999999\n", {"column": "label", "value": "n99999999"}),
        ("image,label,verdict\n1,5,maybe\n", {"column": "verdict", "value": "maybe"}),
        ("image,label,verdict\n1,5,\n", {"column": "verdict", "row": 1}),
        ("image,label,score\n1,5,1.5\n", {"column": "score", "value": "1.5"}),
        ("image,label,score\n1,5,nan\n", {"column": "score", "value": "nan"}),
        ("image,label,score\n1,5,\n1,6,0.5\n", {"column": "score", "row": 1}),
        ("image,label,score\n1,5,high\n", {"column": "score", "value": "high"}),
        # Repeats and contradictions.
        ("image,label\n1,5\n2,5\n1,5\n", {"column": "label", "row": 3, "count": 1}),
        ("image,label,verdict\n1,5,wrong\n1,5,correct\n", {"column": "label", "row": 2}),
        # Votes.
        ("image,label,rater\n1,5,Ada\n", {"column": "answer"}),
        ("image,label,answer\n1,5,yes\n", {"column": "rater"}),
        ("image,label,rater,answer\n1,5,Ada,perhaps\n", {"column": "answer", "value": "perhaps"}),
        ("image,label,rater,answer\n1,5,,yes\n", {"column": "rater", "row": 1}),
        (
            "image,label,rater,answer\n1,5,Ada,yes\n1,5,Ada,no\n",
            {"column": "rater", "value": "Ada", "row": 2, "count": 1},
        ),
        ("image,label,rater,answer\n1,5,Ada,yes\n1,5,Ada,yes\n", {"column": "rater", "count": 1}),
    ],
)
def test_an_invalid_file_is_refused(
    add: Add, store: Store, text: str, fields: dict[str, Any]
) -> None:
    with refused(DataError, "mine.csv", **fields):
        add(text)
    assert label_sets.names(store.root) == []


@pytest.mark.parametrize(
    ("text", "options", "parameter"),
    [
        ("image,label\n1,5\n", {"aggregate": "majority"}, "aggregate"),
        ("image,label\n1,5\n", {"golden": ["Ada"]}, "golden"),
        ("image,label\n1,5\n", {"threshold": 0.5}, "threshold"),
        ("image,label,verdict,score\n1,5,wrong,1\n", {"threshold": 0.5}, "threshold"),
        ("image,label,score\n1,5,1\n", {"threshold": 2}, "threshold"),
        ("image,label\n1,5\n", {"columns": {"picture": "image"}}, "columns"),
        ("image,label\n1,5\n", {"source": "x"}, "source"),
        (VOTES, {"aggregate": "mean"}, "aggregate"),
        (VOTES, {"golden": ["gold"]}, "golden"),
        (VOTES, {"golden": ["Ada", "Ben", "Eve", "Gold"]}, "golden"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    add: Add, text: str, options: dict[str, Any], parameter: str
) -> None:
    with refused(UsageError, parameter=parameter):
        add(text, **options)


def test_golden_answers_that_contradict_each_other_are_refused(add: Add) -> None:
    with refused(DataError, column="answer", count=1):
        add(VOTES, golden=["Ada", "Eve"])
    with refused(DataError, "maybe", column="answer"):
        add(VOTES, golden=["Ben"])


# Names.


@pytest.mark.parametrize(
    "name", ["real", "Original", "a:b", "a,b", "real@0.5", "", " a", "a\nb", "\u202ea", "x" * 101]
)
def test_an_invalid_name_is_refused(add: Add, name: str) -> None:
    if name:
        with refused(UsageError, parameter="name", value=name):
            add("image,label\n1,5\n", name=name)
    with refused(UsageError, parameter="name", value=name):
        label_sets.require_name(name)


@pytest.mark.parametrize(
    "name", ["../up", ".hidden", "a/b", "con", "it's", "Größe ünd", "A", "%41"]
)
def test_names_with_special_characters_are_stored(add: Add, store: Store, name: str) -> None:
    add("image,label\n1,5\n", name=name)
    assert ask("select label_set from stored_label_sets") == [(name,)]
    (folder,) = label_sets.folders(store.root)
    assert folder.parent == store.root / "label_sets"
    realdb.remove_labels(name)
    assert ask("select count(*) from stored_label_sets") == [(0,)]


# Adding, replacing and removing.


def test_adding_the_same_rows_again_changes_nothing(add: Add) -> None:
    text = "image,label\n1,5\n"
    status = [add(text).project("status").fetchall()[0][0] for _ in range(2)]
    assert status == ["added", "unchanged"]
    with refused(DataError, value="mine", parameter="replace"):
        add("image,label\n1,6\n")
    assert stored() == [(1, 5, "correct", None)]
    found = add("image,label\n1,6\n", replace=True)
    assert found.project("status").fetchall() == [("replaced",)]
    assert stored() == [(1, 6, "correct", None)]


def test_a_new_ingest_keeps_label_sets(add: Add, store: Store, synthetic: Path) -> None:
    add("image,label\n1,5\n")
    with pytest.warns(RealdbWarning):
        realdb.ingest(synthetic, store=store.root, parquet_only=True)
    assert stored() == [(1, 5, "correct", None)]


def test_removing_an_unknown_label_set_is_refused(add: Add) -> None:
    add("image,label\n1,5\n")
    with refused(DataError, "mine", value="mini", parameter="names"):
        realdb.remove_labels("mine", "mini")
    with refused(DataError, value="real"):
        realdb.remove_labels("real")
    assert len(stored()) == 1


def test_label_sets_are_listed(add: Add) -> None:
    add(VOTES, golden=["Gold"], title="Ours")
    found = realdb.label_sets().project("label_set, title, images").fetchall()
    assert [name for name, _, _ in found] == ["mine", "original", "real"]
    assert found[0] == ("mine", "Ours", 3)


def test_published_label_sets_are_refused_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REALDB_CACHE", str(tmp_path / "cache"))
    with refused(DataError, "human_accuracy_v3.0.0.json", "brain-car-datasets", count=1):
        realdb.add_labels("multilabel-v3")
    with refused(DataError, "imagenet-x==0.0.7", count=4):
        realdb.add_labels("imagenet-x")
    with refused(UsageError, "multilabel-v3", parameter="what", value="multilabel-v2"):
        realdb.add_labels("multilabel-v2")
    with refused(UsageError, parameter="golden"):
        realdb.add_labels("multilabel-v3", golden=["Ada"])


def test_a_file_in_the_cache_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, real_data: Path
) -> None:
    file = real_data / "assessments" / "vit3b_mistakes.json"
    folder = tmp_path / "cache" / "7c48988d683c6071"
    folder.mkdir(parents=True)
    shutil.copy(file, folder)
    monkeypatch.setenv("REALDB_CACHE", str(tmp_path / "cache"))
    found = realdb.add_labels("vit3b-mistakes")
    assert found.project("images, licence").fetchall() == [(378, "Apache-2.0")]


def test_another_checksum_warns(tmp_path: Path) -> None:
    mistake = {"top_prediction": 4, "failure category": "Fine", "failure severity": "Major"}
    path = tmp_path / "vit3b_mistakes.json"
    path.write_text(json.dumps({"ILSVRC2012_val_00000001.JPEG": mistake}))
    with pytest.warns(RealdbWarning, match="7c48988d683c"):
        realdb.add_labels(path)
    assert stored() == [(1, 4, "wrong", None)]


# Damage.


@pytest.mark.cases(3)
@pytest.mark.parametrize("file", ["stored_assessments.parquet", "checksums.json"])
@pytest.mark.parametrize("how", ["change", "remove", "empty"])
def test_a_damaged_file_is_detected(add: Add, store: Store, file: str, how: str) -> None:
    add("image,label\n1,5\n")
    path = store.root / "label_sets" / "mine" / file
    if how == "remove":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(b"" if how == "empty" else content[:-20] + b"x" * 20)
    with refused(StoreError, "mine", value="mine"):
        stored()
    failed = [check for check in realdb.verify() if check.is_passed is False]
    assert [check.check for check in failed] == ["stored label sets"]
    assert "mine" in failed[0].found
    # Calls that do not read label sets still work.
    assert realdb.real_labels()


def test_verify_passes_for_an_undamaged_store(add: Add) -> None:
    add(VOTES, golden=["Gold"])
    checks = {check.check: check.is_passed for check in realdb.verify()}
    assert checks["stored label sets"]
    assert checks["key of campaign_votes"]


# Campaigns.


def test_agreement_and_quality_of_a_campaign(add: Add) -> None:
    lines = ["image,label,rater,answer"]
    for image in range(1, 41):
        truth = image % 2 == 0
        for rater, errs in (("Ada", 41), ("Ben", 10)):
            lines.append(f"{image},1,{rater},{'yes' if truth != (image % errs == 0) else 'no'}")
        if image <= 20:
            lines.append(f"{image},1,Gold,{'yes' if truth else 'no'}")
    add("\n".join(lines) + "\n", golden=["Gold"])
    found = realdb.agreement(labels="mine", bootstrap=0)
    assert found.project("questions, votes, observed_agreement").fetchall() == [(40, 80, 0.9)]
    quality = realdb.agreement(labels="mine", by="rater")
    assert quality.project("rater, votes, golden_answers, sensitivity, specificity").fetchall() == [
        ("Ada", 40, 20, 1.0, 1.0),
        ("Ben", 40, 20, 0.8, 1.0),
    ]
    with refused(QueryError, "mine", value="mini"):
        realdb.agreement(labels="mini")


def test_a_campaign_works_in_a_store_without_votes(bare_store: Store, tmp_path: Path) -> None:
    root = Path(shutil.copytree(bare_store.root, tmp_path / "bare"))
    (tmp_path / "mine.csv").write_text(VOTES)
    realdb.add_labels(tmp_path / "mine.csv", golden=["Gold"], store=root)
    found = realdb.agreement(labels="mine", bootstrap=0, store=root)
    assert found.project("questions, votes").fetchall() == [(3, 7)]


def test_explain_returns_verdicts_and_votes(add: Add) -> None:
    add(VOTES, golden=["Gold"])
    found = realdb.explain(1).assessments
    assert [(one.label_set, one.label, one.verdict) for one in found] == [("mine", 5, "wrong")]
    assert found[0].votes == {"Ada": "yes", "Ben": "yes", "Eve": "no", "Gold": "no"}
    assert json.dumps(realdb.explain(1).as_dict())


# Groups.


def test_groups_are_added_listed_and_removed(tmp_path: Path) -> None:
    (tmp_path / "habitat.csv").write_text("label,group\n1,water\n2,land\n2,water\n")
    (tmp_path / "slices.csv").write_text("image,slice\n1,dark\n2,dark\n")
    found = realdb.add_groups(tmp_path / "habitat.csv").fetchall()
    assert found == [("habitat", "added", "classes", 2, 3)]
    realdb.add_groups(tmp_path / "slices.csv", name="light")
    assert realdb.groups().fetchall() == [("habitat", "classes", 2, 3), ("light", "images", 1, 2)]
    assert ask("from class_groups order by all") == [
        ("habitat", 1, "water"),
        ("habitat", 2, "land"),
        ("habitat", 2, "water"),
    ]
    realdb.remove_groups("habitat")
    assert realdb.groups().fetchall() == [("light", "images", 1, 2)]
    with refused(DataError, value="habitat"):
        realdb.remove_groups("habitat")


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("label,what\n1,a\n", {"column": "group"}),
        ("what,group\n1,a\n", {"column": "image", "count": 0}),
        ("image,label,group\n1,1,a\n", {"column": "image", "count": 2}),
        ("label,group\n1,\n2,a\n", {"column": "group", "row": 1, "count": 1}),
        ("label,group\n1,a\n1,a\n", {"row": 2, "count": 1}),
        ("label,group\n1000,a\n", {"column": "label", "value": "1000"}),
    ],
)
def test_invalid_groups_are_refused(tmp_path: Path, text: str, fields: dict[str, Any]) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with refused(DataError, "mine.csv", **fields):
        realdb.add_groups(tmp_path / "mine.csv")


@pytest.mark.parametrize("name", ["factor", "metaclass", "class", "a:b"])
def test_reserved_names_of_groupings_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.csv").write_text("label,group\n1,a\n")
    with refused(UsageError, parameter="name", value=name):
        realdb.add_groups(tmp_path / "mine.csv", name=name)


# The commands.


def test_commands_print_the_results_of_the_calls(
    store: Store, tmp_path: Path, run: Callable[..., Any]
) -> None:
    (tmp_path / "mine.csv").write_text(VOTES)
    done = run("labels", "add", tmp_path / "mine.csv", "--golden", "Gold", "--licence", "MIT")
    assert done.exit_code == 0
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["label_set"], row["correct"], row["votes"]) == ("mine", "1", "7")
    assert "MIT" in done.stderr
    listed = list(csv.DictReader(io.StringIO(run("labels", "list").stdout)))
    assert [row["label_set"] for row in listed] == ["mine", "original", "real"]
    assert "Ben" in run("agreement", "--labels", "mine", "--by", "rater").stdout
    (tmp_path / "g.csv").write_text("label,group\n1,a\n")
    assert run("groups", "add", tmp_path / "g.csv").exit_code == 0
    assert "g,classes,1,1" in run("groups", "list").stdout
    assert run("groups", "remove", "g").exit_code == 0
    assert run("labels", "remove", "mine").exit_code == 0
    assert label_sets.names(store.root) == []


@pytest.fixture
def run() -> Callable[..., Any]:
    from typer.testing import CliRunner

    def run(*words: object) -> Any:
        return CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=False)

    return run
