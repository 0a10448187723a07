"""The real published label sets, compared with known figures."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import label_files
import pytest

import realdb
from realdb.errors import DataError, RealdbWarning, UsageError
from realdb.store.store import Store, resolve
from refusals import refused

FILES = {
    "biodiversity": "Biodiversity_ImageNet_Image_data.csv",
    "cleanlab-mturk": "imagenet_mturk.json",
    "vit3b-mistakes": "vit3b_mistakes.json",
    "greedy-soups-mistakes": "greedy_soups_mistakes.json",
}


@pytest.fixture(scope="module")
def store(real_store: Store, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store of the real files, with all label sets except imagenet-x."""
    import shutil

    root = tmp_path_factory.mktemp("labels") / "store"
    shutil.copytree(real_store.root, root, ignore=shutil.ignore_patterns("realdb.duckdb"))
    for name, file in FILES.items():
        realdb.add_labels(name, source=real_data / "assessments" / file, store=root)
    path = label_files.write_multilabel(real_data, root.parent / label_files.NAME)
    with pytest.warns(RealdbWarning, match=label_files.NAME):
        realdb.add_labels(path, store=root)
    return resolve(root)


@pytest.fixture
def ask(store: Store) -> Callable[[str], list[tuple[object, ...]]]:
    def ask(query: str) -> list[tuple[object, ...]]:
        return realdb.query(query, store=store.root).fetchall()

    return ask


Ask = Callable[[str], list[tuple[object, ...]]]


def test_multilabel(ask: Ask) -> None:
    counts = ask(
        "select verdict, count(*) from stored_assessments where label_set = 'multilabel-v3' "
        "group by verdict"
    )
    assert dict(counts) == {"correct": 24_464, "unclear": 475, "wrong": 60_555}
    assert ask(
        "select images from label_sets where label_set in ('multilabel-v3', 'imagenet-m')"
        " order by images"
    ) == [(68,), (20_000,)]
    assert ask(
        "select flag, count(*) from image_flags where label_set = 'multilabel-v3' group by flag"
        " order by flag"
    ) == [("imagenet-m", 68), ("problematic", 1_308)]
    ((two_verdicts,),) = ask(
        "select count(*) from (select image_id, label from stored_assessments where "
        "label_set = 'multilabel-v3' group by all having count(*) > 1)"
    )
    assert two_verdicts == 442


def test_multilabel_verdicts_on_the_real_labels(ask: Ask) -> None:
    verdicts = ask(
        """
        select a.verdict, count(*)
        from labels as l
        inner join stored_assessments as a
            on l.image_id = a.image_id and l.label = a.label and a.label_set = 'multilabel-v3'
        group by a.verdict
        """
    )
    assert dict(verdicts) == {"correct": 19_257, "wrong": 1_891, "unclear": 121}
    ((not_judged,),) = ask(
        """
        select count(*)
        from labels as l
        semi join (from stored_assessments where label_set = 'multilabel-v3') as i
            on l.image_id = i.image_id
        anti join (from stored_assessments where label_set = 'multilabel-v3') as a
            on l.image_id = a.image_id and l.label = a.label
        """
    )
    assert not_judged == 1_966


def test_biodiversity(ask: Ask) -> None:
    found = ask(
        """
        select a.verdict, count(*), count(l.label)
        from stored_assessments as a
        left join labels as l on a.image_id = l.image_id and a.label = l.label
        where a.label_set = 'biodiversity'
        group by a.verdict
        """
    )
    counts = {verdict: (images, kept) for verdict, images, kept in found}
    assert counts["correct"] == (11_348, 10_486)
    assert counts["unclear"][0] == 454
    assert counts["wrong"] == (1_648, 823)
    ((images, share),) = ask(
        """
        select count(*), count(l.label) / count(*)
        from stored_assessments as a
        left join labels as l on a.image_id = l.image_id and a.label = l.label
        where a.label_set = 'biodiversity' and a.score = 0
        """
    )
    assert images == 1_173
    assert share == pytest.approx(0.442, abs=5e-4)
    assert ask(
        "select count(distinct label) from class_groups where grouping = 'animal_group'"
    ) == [(269,)]


def test_cleanlab(ask: Ask) -> None:
    found = ask(
        """
        select correct, count(*)
        from (
            select image_id, count(*) filter (verdict = 'correct') as correct
            from stored_assessments
            where label_set = 'cleanlab-mturk'
            group by image_id
        )
        group by correct
        """
    )
    assert dict(found) == {0: 464, 1: 4_976 - 829, 2: 829}


def test_mistakes(ask: Ask) -> None:
    found = ask(
        """
        select a.label_set, count(*), count(l.label)
        from stored_assessments as a
        left join labels as l on a.image_id = l.image_id and a.label = l.label
        where a.label_set like '%-mistakes' and a.verdict = 'wrong'
        group by a.label_set
        order by a.label_set
        """
    )
    assert found == [("greedy-soups-mistakes", 249, 67), ("vit3b-mistakes", 378, 85)]
    severities = ask(
        "select value, count(*) from image_flags where label_set = 'vit3b-mistakes' and "
        "flag = 'severity' group by value"
    )
    assert dict(severities) == {"Major": 154, "Minor": 150, "Borderline": 74}


def test_the_published_files_are_known(store: Store) -> None:
    rows = realdb.label_sets(store=store.root).fetchall()
    columns = realdb.label_sets(store=store.root).columns
    sets = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert {*sets} == {*FILES, "multilabel-v3", "imagenet-m", "real", "original"}
    assert sets["biodiversity"]["licence"] == "MIT"
    assert sets["vit3b-mistakes"]["sha256"].startswith("7c48988d683c")
    assert (sets["real"]["images"], sets["original"]["images"]) == (46_837, 50_000)


def test_imagenet_x(real_store: Store, tmp_path: Path) -> None:
    wheel = label_files.imagenet_x()
    if wheel is None:
        pytest.skip("the wheel imagenet-x 0.0.7 is not here: set REALDB_IMAGENET_X")
    import shutil

    root = tmp_path / "store"
    shutil.copytree(real_store.root, root, ignore=shutil.ignore_patterns("realdb.duckdb"))
    realdb.add_labels("imagenet-x", source=wheel, store=root)
    con = duckdb.connect()
    con.execute(f"create view flags as from '{root}/label_sets/imagenet-x/image_flags.parquet'")
    con.execute(f"create view groups as from '{root}/label_sets/imagenet-x/image_groups.parquet'")
    flags = Counter(flag for (flag,) in con.execute("select flag from flags").fetchall())
    assert flags == {"annotated": 48_868, "prototype": 3_000}
    ((both,),) = con.execute(
        "select count(*) from (select image_id from flags group by image_id having count(*) = 2)"
    ).fetchall()
    assert both == 2_758
    assert con.execute(
        "select grouping, count(distinct group_name) from groups group by all order by all"
    ).fetchall() == [("factor", 16), ("top_factor", 16)]
    # The averages over annotated images without prototypes. Images without labels count as wrong.
    for model, share in (("ViT", 0.77525), ("ResNet50", 0.76428)):
        file = _predictions(model)
        ((images, right),) = realdb.query(
            """
            select count(*), avg(case when l.label is not null then 1 else 0 end)
            from predictions as p
            semi join (from image_flags where flag = 'annotated') as a on p.image_id = a.image_id
            anti join (from image_flags where flag = 'prototype') as t on p.image_id = t.image_id
            left join labels as l on p.image_id = l.image_id and p.label = l.label
            """,
            file,
            store=root,
        ).fetchall()
        assert images == 46_110
        assert right == pytest.approx(share, abs=5e-6)


def _predictions(model: str) -> Path:
    import real_files

    return real_files.FOLDER / "predictions" / f"{model}.csv"


MEASURED = """
import resource, sys, time, warnings
import realdb
warnings.simplefilter("ignore")
# The resources that every command needs: the imports, and an open store.
realdb.label_sets(store=sys.argv[1]).fetchall()
before = resource.getrusage(resource.RUSAGE_SELF)
realdb.add_labels("multilabel-v3", source=sys.argv[2], store=sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
print((after.ru_maxrss - before.ru_maxrss) / 1024)
"""


@pytest.mark.large
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_the_other_keys_of_multilabel_are_skipped(
    real_store: Store, real_data: Path, tmp_path: Path
) -> None:
    import shutil

    root = tmp_path / "store"
    shutil.copytree(real_store.root, root, ignore=shutil.ignore_patterns("realdb.duckdb"))
    file = label_files.write_multilabel(real_data, tmp_path / label_files.NAME, before=170_000_000)
    command = [sys.executable, "-c", MEASURED, str(root), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds < 5
    assert megabytes < 100


def test_real_compared_with_multilabel(store: Store) -> None:
    rows = realdb.compare_labels("real", "multilabel-v3", store=store.root)
    found = dict(zip(rows.columns, rows.fetchall()[0], strict=True))
    expected = {
        "images": 18_457,
        "equal_images": 13_956,
        "larger_images": 1_360,
        "smaller_images": 1_720,
        "disjoint_images": 941,
        "only_second_images": 1_092,
        "correct_labels": 19_257,
        "unclear_labels": 121,
        "wrong_labels": 1_891,
        "not_judged_labels": 1_966,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["jaccard"] == pytest.approx(0.7254, abs=5e-5)
    with refused(DataError, "multilabel-v3", value="multilabel", parameter="other_label_set"):
        realdb.compare_labels("real", "multilabel", store=store.root)
    with refused(UsageError, value="real"):
        realdb.compare_labels("real", "real", store=store.root)
