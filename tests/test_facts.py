"""Every known figure of the published files, queried from the store that is built from them.

The ids are the wording of the notes that the figures were measured for.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import realdb
from realdb.errors import RealdbWarning
from realdb.store.store import Store

RATED = 24_889
QUESTIONS = 184_962
GOLDEN_QUESTIONS = 1_135


@pytest.fixture(scope="module")
def ask(real_store: Store) -> Callable[..., tuple[Any, ...]]:
    """Return a function that asks one query with one row for an answer."""
    con = realdb.connect(store=real_store.root)

    def ask(sql: str, **parameters: object) -> tuple[Any, ...]:
        ((*row,),) = con.execute(sql, parameters).fetchall()
        return tuple(row)

    return ask


Ask = Callable[..., tuple[Any, ...]]


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "sha256"),
    [
        ("real.json", 388_478, "d83e9bff374c631aae8439eb064c7019acc56e1b3bc3f56b8380c2a710b0220b"),
        (
            "scores.npz",
            1_990_559,
            "c4b558569f3da12945c57684294f439214a9cb7919b0ae5b44432bd077d03b79",
        ),
        (
            "raters.npz",
            2_457_121,
            "d3ffe8082e4e61e9716cbc93a7a4e877e3b1d1240032a176e797b43f19107ec8",
        ),
        ("golden.npz", 9_756, "738a795e88351799934669ac48bb70e2ebe484b447fc3e09e0c36fbd987d06d2"),
        (
            "raters_golden.npz",
            44_043,
            "6fd910fc7389c3d695ac5e18269689797d0246a378c536e218854f9d93bc8ea6",
        ),
        (
            "validation_labels.txt",
            500_000,
            "313fc3f23c864dde9183c9a368809065765dd1b657a6904fded44e3e46d34604",
        ),
        ("labels.txt", 10_000, "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15"),
        (
            "imagenet_synset_to_lemma.txt",
            741_457,
            "1b8babda187421a4bde0c9c5a197c36f6bdda962f7ca11ffb2813806cbb2178f",
        ),
        (
            "imagenet_synset_to_definition.txt",
            1_748_917,
            "191e227d48fc8c7b7e2d2a3cac41fc8b2eb517d9d2819d0edbc91c5767250eed",
        ),
    ],
)
def test_sources_lists_the_files(ask: Ask, name: str, size: int, sha256: str) -> None:
    sql = "select bytes, sha256, is_published from sources where file_name = $name"
    assert ask(sql, name=name) == (size, sha256, True)


@pytest.mark.parametrize(
    ("name", "member", "dtype", "shape", "held"),
    [
        ("scores.npz", "tensor", "<f8", (184_962,), "select count(score) from scores"),
        ("scores.npz", "info", "<U28", (184_962, 2), "select count(*), 2 from questions"),
        (
            "raters.npz",
            "tensor",
            "<f8",
            (85, 184_962, 3),
            """
            select
                count(distinct rater_id),
                count(distinct (image_id, label)),
                count(distinct answer)
            from votes
            where round = 'main'
            """,
        ),
        ("raters.npz", "info", "<U28", (184_962, 2), "select count(*), 2 from questions"),
        ("raters.npz", "ids", "<i8", (85,), "select count(*) from raters where not is_expert"),
        (
            "golden.npz",
            "tensor",
            "<f8",
            (5, 1_135, 3),
            """
            select count(distinct rater_id), count(distinct (image_id, label)), 3
            from votes
            where round = 'expert'
            """,
        ),
        (
            "golden.npz",
            "info",
            "<U28",
            (1_135, 2),
            "select count(golden_position), 2 from questions",
        ),
        ("golden.npz", "ids", "<i8", (5,), "select count(*) from raters where is_expert"),
        (
            "raters_golden.npz",
            "tensor",
            "<f8",
            (78, 1_135, 3),
            """
            select
                count(distinct rater_id),
                count(distinct (image_id, label)),
                count(distinct answer)
            from votes
            where round = 'golden'
            """,
        ),
        (
            "raters_golden.npz",
            "info",
            "<U28",
            (1_135, 2),
            "select count(golden_position), 2 from questions",
        ),
        ("raters_golden.npz", "ids", "<i8", (78,), "select count(golden_position) from raters"),
    ],
)
def test_the_arrays_are_as_large_as_the_tables(
    ask: Ask, upstream: Path, name: str, member: str, dtype: str, shape: tuple[int, ...], held: str
) -> None:
    with zipfile.ZipFile(upstream / name).open(f"{member}.npy") as stream:
        np.lib.format.read_magic(stream)
        found_shape, _, found = np.lib.format.read_array_header_1_0(stream)
    assert (found.str, found_shape) == (dtype, shape)
    assert ask(held) == shape


FILES = {
    "raters.npz's ids are not sorted": (
        """
        select count(case when rater_id < before then 1 end) > 0
        from (
            select rater_id, lag(rater_id) over (order by position) as before
            from raters
            where not is_expert
        )
        """,
        (True,),
    ),
    "golden.npz's ids": (
        "select list(rater_id order by rater_id) from raters where is_expert",
        ([115, 121, 156, 168, 170],),
    ),
    "the golden questions come in the order that they have in scores.npz": (
        """
        select count(*), count(case when golden_position = place then 1 end)
        from (
            select golden_position, row_number() over (order by position) - 1 as place
            from questions
            where golden_position is not null
        )
        """,
        (GOLDEN_QUESTIONS, GOLDEN_QUESTIONS),
    ),
    "raters_golden's ids come in the order that they have in raters.npz": (
        """
        select count(*), count(case when golden_position = place then 1 end)
        from (
            select golden_position, row_number() over (order by position) - 1 as place
            from raters
            where golden_position is not null
        )
        """,
        (78, 78),
    ),
    "1,000 WordNet ids sorted, and so class id = line number from 0": (
        """
        select count(*), count(distinct wordnet_id), count(case when label = place then 1 end)
        from (
            select label, wordnet_id, row_number() over (order by wordnet_id) - 1 as place
            from classes
        )
        """,
        (1_000, 1_000, 1_000),
    ),
}

# Counts -------------------------------------------------------------------------------------------

COUNTS = {
    "50,000 images": ("select count(*) from images", (50_000,)),
    "57,553 labels on 46,837 images": (
        "select count(*), count(distinct image_id) from labels",
        (57_553, 46_837),
    ),
    "3,163 images have none": ("select count(*) from image_labels where label_count = 0", (3_163,)),
    "7,443 images have more than one label; the most is 9": (
        "select count(case when label_count > 1 then 1 end), max(label_count) from image_labels",
        (7_443, 9),
    ),
    "no list has a repeated label": (
        "select count(*) - count(distinct (image_id, label)) from labels",
        (0,),
    ),
    "the order inside a list is not sorted (3,486 of the 7,443 are)": (
        """
        select count(*), count(case when is_sorted then 1 end)
        from (
            select list(label order by position) = list(label order by label) as is_sorted
            from labels
            group by image_id
            having count(*) > 1
        )
        """,
        (7_443, 3_486),
    ),
    "24,889 images are rated": ("select count(*) from images where is_rated", (RATED,)),
    "184,962 questions": ("select count(*) from questions", (QUESTIONS,)),
    "5 votes on every one": (
        """
        select min(n), max(n), count(*)
        from (
            select no_votes + maybe_votes + yes_votes as n
            from rated_questions
        )
        """,
        (5, 5, QUESTIONS),
    ),
    "924,810 votes by 85 raters": (
        "select count(*), count(distinct rater_id) from votes where round = 'main'",
        (924_810, 85),
    ),
    "729,424 no, 78,942 maybe, 116,444 yes": (
        "select sum(no_votes), sum(maybe_votes), sum(yes_votes) from rated_questions",
        (729_424, 78_942, 116_444),
    ),
    "the tensor is 377 MB dense; 1.96 % of its cells are set": (
        """
        select round(cells * 8 / 1e6), round(100 * votes / cells, 2), round(100 * votes / pairs, 1)
        from (
            select r.raters * q.questions as pairs, pairs * 3 as cells, v.votes
            from (select count(*) as raters from raters where not is_expert) as r
            cross join (select count(*) as questions from questions) as q
            cross join (select count(*) as votes from votes where round = 'main') as v
        )
        """,
        (377, 1.96, 5.9),
    ),
    "25,111 images are not rated; each has exactly one ReaL label, and it is the original label": (
        """
        select count(*), count(case when label_count = 1 and is_original_real then 1 end)
        from image_labels
        where not is_rated
        """,
        (25_111, 25_111),
    ),
    "the original label is among the questions of every rated image": (
        "select count(*), count(distinct image_id) from rated_questions where is_original",
        (RATED, RATED),
    ),
    "golden: 1,135 questions on 155 images, all of them among the 184,962": (
        """
        select count(golden_position), count(distinct image_id), max(golden_position) + 1
        from questions
        where golden_position is not null
        """,
        (GOLDEN_QUESTIONS, 155, GOLDEN_QUESTIONS),
    ),
    "5 experts, who never say 'maybe'": (
        """
        select count(*), count(distinct rater_id), list(distinct answer order by answer)
        from votes
        where round = 'expert'
        """,
        (5 * GOLDEN_QUESTIONS, 5, ["no", "yes"]),
    ),
    "no expert is among the 85": (
        """
        select count(*)
        from votes
        where round <> 'expert' and rater_id in (select rater_id from raters where is_expert)
        """,
        (0,),
    ),
    "78 of the 85 raters answered all 1,135 (88,530 answers)": (
        """
        select count(*), sum(n), min(n), max(n)
        from (
            select count(*) as n
            from votes
            where round = 'golden'
            group by rater_id
        )
        """,
        (78, 88_530, GOLDEN_QUESTIONS, GOLDEN_QUESTIONS),
    ),
    "the 7 who did not: 111, 132, 134, 146, 153, 167, 189": (
        "select list(rater_id order by rater_id) from raters where not answered_golden",
        ([111, 132, 134, 146, 153, 167, 189],),
    ),
    "original labels taken as predictions: ReaL 42,164 / 46,837": (
        """
        select count(case when is_original_real then 1 end), count(*)
        from image_labels
        where label_count > 0
        """,
        (42_164, 46_837),
    ),
}

# real.json is a threshold -------------------------------------------------------------------------

THRESHOLD = {
    "a rated image's ReaL labels are exactly its questions with score >= 0.8 (32,442 labels)": (
        """
        select
            count(case when is_real then 1 end),
            count(case when is_real = (score >= 0.8) then 1 end)
        from rated_questions
        """,
        (32_442, QUESTIONS),
    ),
    "every ReaL label of a rated image is one of its questions": (
        """
        select count(*)
        from labels
        join images using (image_id)
        where is_rated
        """,
        (32_442,),
    ),
    "the lowest score kept is 0.80002, the highest dropped 0.79999": (
        """
        select
            round(min(case when is_real then score end), 5),
            round(max(case when not is_real then score end), 5)
        from rated_questions
        """,
        (0.80002, 0.79999),
    ),
    "the labels at 0.8 are those of real.json, in their order": (
        """
        select count(*), count(case when l.position = a.position then 1 end)
        from labels_at(0.8) as a
        full join labels as l on a.image_id = l.image_id and a.label = l.label
        """,
        (57_553, 57_553),
    ),
}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [pytest.param(*case, id=said) for said, case in (FILES | COUNTS | THRESHOLD).items()],
)
def test_tables_match_the_known_counts(ask: Ask, sql: str, expected: tuple[Any, ...]) -> None:
    assert ask(sql) == expected


# Known results ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "hits", "real", "original"),
    [("ResNet50", 38_855, 0.829579, 0.76130), ("ViT", 39_337, 0.839870, 0.78006)],
)
def test_top_1_accuracy(
    real_store: Store, real_data: Path, model: str, hits: int, real: float, original: float
) -> None:
    found = realdb.accuracy(real_data / "predictions" / f"{model}.csv", store=real_store.root)
    assert (found.model, found.predicted_images) == (model, 50_000)
    assert (found.correct_images, found.scored_images) == (hits, 46_837)
    assert found.real_accuracy == hits / 46_837
    assert round(found.real_accuracy, 6) == real
    assert found.original_accuracy == original


@pytest.mark.parametrize(
    ("threshold", "real", "scored"),
    [
        (0.2, 0.849402, 48_925),
        (0.5, 0.842958, 48_070),
        (0.9, 0.840272, 45_997),
        (0.99, 0.850731, 43_070),
    ],
)
def test_vit_at_other_thresholds(
    real_store: Store, real_data: Path, threshold: float, real: float, scored: int
) -> None:
    path = real_data / "predictions" / "ViT.csv"
    found = realdb.accuracy(path, threshold=threshold, store=real_store.root)
    assert found.real_accuracy is not None
    assert (round(found.real_accuracy, 6), found.scored_images) == (real, scored)
    assert found.original_accuracy == 0.78006


def test_original_labels_as_predictions_score_0_900228(real_store: Store) -> None:
    labels = realdb.query(
        "select original_label from images order by image_id", store=real_store.root
    )
    with pytest.warns(RealdbWarning, match=r"\bpredictions\b.* 24,889 of 24,889 "):
        found = realdb.accuracy(labels.fetchnumpy()["original_label"], store=real_store.root)
    assert (found.correct_images, found.scored_images) == (42_164, 46_837)
    assert found.real_accuracy is not None
    assert round(found.real_accuracy, 6) == 0.900228
    assert found.original_accuracy == 1


# Predictions that no rater was asked about --------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "wrong", "unasked", "share", "asked", "accuracy", "everywhere", "categories"),
    [
        ("ViT", 7_500, 1_595, 0.213, 45_242, 0.869480, 1_829, (1_595, 1_667, 3_991, 247)),
        ("ResNet50", 7_982, 117, 0.015, 46_720, 0.831657, 134, (117, 1_541, 6_067, 257)),
    ],
)
def test_unasked_predictions(
    real_store: Store,
    real_data: Path,
    model: str,
    wrong: int,
    unasked: int,
    share: float,
    asked: int,
    accuracy: float,
    everywhere: int,
    categories: tuple[int, ...],
) -> None:
    path = real_data / "predictions" / f"{model}.csv"
    counts = realdb.query("from unasked_counts", path, store=real_store.root)
    found = dict(zip(counts.columns, counts.fetchall()[0], strict=True))
    assert (found["scored_images"], found["predicted_images"]) == (46_837, 50_000)
    assert (found["wrong_images"], found["unasked_images"]) == (wrong, unasked)
    assert found["unasked_share_of_wrong"] == unasked / wrong
    assert round(unasked / wrong, 3) == share
    assert (found["asked_images"], round(found["asked_accuracy"], 6)) == (asked, accuracy)
    assert found["unasked_predicted_images"] == everywhere
    assert realdb.accuracy(path, store=real_store.root).unasked_images == unasked
    # Wrong first choices by the first category that applies.
    wrongs = realdb.query(
        """
        select
            count(case when u.image_id is not null then 1 end),
            count(case when u.image_id is null and s.label = s.original_label then 1 end),
            count(
                case
                    when u.image_id is null and s.label <> s.original_label and q.no_votes >= 3
                        then 1
                end
            ),
            count(*)
        from scored_predictions as s
        left join unasked_predictions as u on s.model = u.model and s.image_id = u.image_id
        left join rated_questions as q on s.image_id = q.image_id and s.label = q.label
        where not s.is_real_correct
        """,
        path,
        store=real_store.root,
    ).fetchall()
    assert wrongs == [(*categories[:3], sum(categories))]
    assert sum(categories) == wrong


# What the usual mistakes score --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mistaken", "score"),
    [
        pytest.param(lambda labels, _: labels, 0.8296, id="right"),
        pytest.param(lambda _, in_file: in_file, 0.0014, id="images in another order"),
        pytest.param(lambda labels, _: np.roll(labels, 1), 0.0013, id="image index off by one"),
        pytest.param(lambda labels, _: (labels + 1) % 1000, 0.0155, id="class ids from 1"),
        pytest.param(
            lambda labels, _: np.argsort(np.argsort(np.arange(1000).astype(str)))[labels],
            0.0119,
            id="class folders sorted as strings of numbers",
        ),
    ],
)
def test_mistaken_predictions(
    real_store: Store, real_data: Path, mistaken: Callable[[Any, Any], Any], score: float
) -> None:
    path = real_data / "predictions" / "ResNet50.csv"
    in_file = np.loadtxt(path, np.int64, delimiter=",", skiprows=1, usecols=1)
    names = np.loadtxt(path, str, delimiter=",", skiprows=1, usecols=0)
    predicted = mistaken(in_file[np.argsort(names)], in_file)
    if score > 0.02:
        found = realdb.accuracy(predicted, store=real_store.root)
    else:
        with pytest.warns(RealdbWarning, match=r"\bpredictions\b.*realdb\.doctor"):
            found = realdb.accuracy(predicted, store=real_store.root)
    assert found.real_accuracy is not None
    assert round(found.real_accuracy, 4) == score


def test_empty_lists_counted_as_wrong(real_store: Store, real_data: Path) -> None:
    path = real_data / "predictions" / "ResNet50.csv"
    found = realdb.accuracy(path, empty="wrong", store=real_store.root)
    assert (found.correct_images, found.scored_images) == (38_855, 50_000)
    assert found.real_accuracy == 0.7771


MISTAKEN_LABELS = {
    "only the first ReaL label": (
        """
        select avg(case when p.label = i.first_label then 1 else 0 end)
        from ResNet50 as p
        join image_labels as i on p.image_id = i.image_id
        where i.label_count > 0
        """,
        0.7662,
    ),
    "ReaL united with the original label, which also fills the empty lists": (
        """
        select avg(case when p.label = i.original_label or l.label is not null then 1 else 0 end)
        from ResNet50 as p
        join images as i on p.image_id = i.image_id
        left join labels as l on p.image_id = l.image_id and p.label = l.label
        """,
        0.8338,
    ),
}


@pytest.mark.parametrize(
    ("sql", "score"), [pytest.param(*case, id=said) for said, case in MISTAKEN_LABELS.items()]
)
def test_mistaken_labels(real_store: Store, real_data: Path, sql: str, score: float) -> None:
    path = real_data / "predictions" / "ResNet50.csv"
    ((found,),) = realdb.query(sql, path, store=real_store.root).fetchall()
    assert round(found, 4) == score
