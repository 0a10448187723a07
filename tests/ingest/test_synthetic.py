from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realdb.errors import DataError, UsageError
from realdb.ingest.synthetic import Answers, closed_form_scores, write_synthetic
from refusals import refused

NPZ = ("golden.npz", "raters.npz", "raters_golden.npz", "scores.npz")
TEXTS = (
    "imagenet_synset_to_definition.txt",
    "imagenet_synset_to_lemma.txt",
    "labels.txt",
    "validation_labels.txt",
)
MODELS = ("predictions/model_a.csv", "predictions/model_b.csv")


def load(folder: Path, name: str) -> dict[str, Any]:
    with np.load(folder / name, allow_pickle=False) as members:
        return dict(members)


def image_ids(info: Any) -> Any:
    return np.array([int(name[15:23]) for name in info[:, 0]])


def original_labels(folder: Path) -> Any:
    """Return the class id of each image, read from upstream's two files."""
    places = {name: n for n, name in enumerate((folder / "labels.txt").read_text().split())}
    names = (folder / "validation_labels.txt").read_text().split()
    return np.array([places[name] for name in names])


def scores_from_files(folder: Path) -> Any:
    """Return closed_form_scores of the files in `folder`."""
    raters = load(folder, "raters.npz")
    votes = Answers(*np.nonzero(raters.pop("tensor")))
    info = raters["info"]
    in_golden = load(folder, "raters_golden.npz")
    golden = load(folder, "golden.npz")
    places = {tuple(question): n for n, question in enumerate(info.tolist())}
    rater_places = {rater: n for n, rater in enumerate(raters["ids"].tolist())}
    to_place = np.array([rater_places[rater] for rater in in_golden["ids"].tolist()])
    golden_votes = Answers(*np.nonzero(in_golden["tensor"]))
    return closed_form_scores(
        labels=info[:, 1].astype(np.int64),
        original_labels=original_labels(folder)[image_ids(info) - 1],
        golden=np.array([places[tuple(question)] for question in golden["info"].tolist()]),
        votes=votes,
        golden_votes=golden_votes._replace(rater=to_place[golden_votes.rater]),
        expert_votes=Answers(*np.nonzero(golden["tensor"])),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "made" / "here"
    write_synthetic(folder)
    return folder


@pytest.fixture(scope="module")
def real(folder: Path) -> list[list[int]]:
    lists: list[list[int]] = json.loads((folder / "real.json").read_bytes())
    return lists


def test_the_published_votes_give_the_published_scores(upstream: Path) -> None:
    published = load(upstream, "scores.npz")["tensor"]
    assert np.abs(scores_from_files(upstream) - published).max() < 1e-12


def test_the_written_votes_give_the_written_scores(folder: Path) -> None:
    assert np.abs(scores_from_files(folder) - load(folder, "scores.npz")["tensor"]).max() < 1e-12


def answers(*rows: tuple[int, int, int]) -> Answers:
    return Answers(*np.array(rows).T)


@pytest.mark.parametrize(
    ("label", "odds"),
    [
        # Prior odds 1. Rater 0 said yes to the valid and no to the invalid question: a yes is
        # (2/4) / (1/4) = 2 times as likely of a valid one; so is rater 1's, who has no answers.
        (999, 4.0),
        # An animal, and its original label: a 'yes', which was the answer to both.
        (5, 4.0),
        # An animal with another original label: a 'no', which was the answer to neither.
        (6, 4.0),
    ],
)
def test_scores_by_hand(label: int, odds: float) -> None:
    scores = closed_form_scores(
        labels=np.array([5, 998, label]),
        original_labels=np.array([5, 998, 5]),
        golden=np.array([0, 1]),
        votes=answers((0, 2, 2), (1, 2, 2)),
        golden_votes=answers((0, 0, 2), (0, 1, 0)),
        expert_votes=answers((0, 0, 2), (1, 0, 2), (2, 0, 2), (0, 1, 0), (1, 1, 0), (2, 1, 0)),
    )
    assert scores[2] == pytest.approx(odds / (1 + odds))


def test_the_original_label_counts_on_animals_only() -> None:
    def score(label: int, original: int) -> Any:
        return closed_form_scores(
            labels=np.array([700, 701, label]),
            original_labels=np.array([700, 0, original]),  # 'yes' on the valid question only
            golden=np.array([0, 1]),
            votes=answers((0, 2, 2)),
            golden_votes=answers((0, 0, 2), (0, 1, 0)),
            expert_votes=answers((0, 0, 2), (1, 0, 2), (2, 0, 2), (0, 1, 0), (1, 1, 0), (2, 1, 0)),
        )[2]

    # Odds 2 of the rater's yes; times (2/4) / (1/4) where it is the original label, else divided.
    assert score(397, 397) == pytest.approx(4 / 5)
    assert score(397, 1) == pytest.approx(1 / 2)
    assert score(398, 398) == score(398, 1) == pytest.approx(2 / 3)


def test_two_experts_are_enough_for_the_original_label_but_not_for_the_raters() -> None:
    yes = {0: 5, 1: 2, 2: 0}  # golden question: experts who say yes
    scores = closed_form_scores(
        labels=np.array([700, 701, 702, 5]),
        original_labels=np.array([700, 701, 0, 5]),  # 'yes', 'yes', 'no'
        golden=np.array([0, 1, 2]),
        votes=answers((0, 3, 2)),
        golden_votes=answers((0, 0, 2), (0, 1, 0), (0, 2, 0)),
        expert_votes=answers(*((n, q, 2 if n < yes[q] else 0) for q in yes for n in range(5))),
    )
    # Prior 1/2; the rater's yes (2/4) / (1/5); the original label's yes (3/5) / (1/4).
    assert scores[3] == pytest.approx(3 / 4)


def test_golden_questions_that_are_all_valid_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        closed_form_scores(
            labels=np.array([1]),
            original_labels=np.array([1]),
            golden=np.array([0]),
            votes=answers((0, 0, 2)),
            golden_votes=answers((0, 0, 2)),
            expert_votes=answers((0, 0, 2)),
        )
    assert (caught.value.parameter, caught.value.count) == ("golden_images", 1)


def test_exactly_the_expected_files_are_written(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"real.json", *NPZ, *TEXTS, *MODELS}


def test_the_seed_determines_the_bytes(folder: Path, tmp_path: Path) -> None:
    write_synthetic(tmp_path / "again")
    write_synthetic(tmp_path / "other", seed=1)
    same_anyway = {
        "labels.txt",
        "imagenet_synset_to_lemma.txt",
        "imagenet_synset_to_definition.txt",
    }
    for name in ("real.json", *NPZ, *TEXTS, *MODELS):
        content = (folder / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == content, name
        assert ((tmp_path / "other" / name).read_bytes() == content) == (name in same_anyway), name


def test_zip_members_have_a_fixed_time(folder: Path) -> None:
    for name in NPZ:
        with zipfile.ZipFile(folder / name) as archive:
            assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_arrays_have_upstreams_members_dtypes_and_compression(
    folder: Path, upstream: Path
) -> None:
    for name in NPZ:
        with zipfile.ZipFile(folder / name) as ours, zipfile.ZipFile(upstream / name) as theirs:
            assert ours.namelist() == theirs.namelist()
            for member in ours.namelist():
                found, wanted = ours.getinfo(member), theirs.getinfo(member)
                assert found.compress_type == wanted.compress_type
                with ours.open(member) as a, theirs.open(member) as b:
                    assert np.lib.format.read_magic(a) == np.lib.format.read_magic(b)
                    shape, fortran, dtype = np.lib.format.read_array_header_1_0(a)
                    their_shape, *rest = np.lib.format.read_array_header_1_0(b)
                assert [fortran, dtype] == rest
                assert len(shape) == len(their_shape)


def test_shapes(tmp_path: Path) -> None:
    write_synthetic(
        tmp_path, rated_images=50, raters=9, golden_raters=7, experts=4, golden_images=10
    )
    scores, raters, golden, in_golden = (
        load(tmp_path, name)
        for name in ("scores.npz", "raters.npz", "golden.npz", "raters_golden.npz")
    )
    questions, asked = len(scores["info"]), len(golden["info"])
    assert scores["tensor"].shape == (questions,)
    assert raters["tensor"].shape == (9, questions, 3)
    assert golden["tensor"].shape == (4, asked, 3)
    assert in_golden["tensor"].shape == (7, asked, 3)
    assert [len(file["ids"]) for file in (raters, golden, in_golden)] == [9, 4, 7]
    assert scores["info"].shape == (questions, 2)
    assert len(np.unique(image_ids(scores["info"]))) == 50
    assert len(np.unique(image_ids(golden["info"]))) == 10
    assert np.array_equal(in_golden["info"], golden["info"])
    assert np.array_equal(raters["info"], scores["info"])


def test_questions_have_the_upstream_form(folder: Path) -> None:
    info = load(folder, "scores.npz")["info"]
    assert all(re.fullmatch(r"ILSVRC2012_val_\d{8}\.JPEG", name) for name in info[:, 0])
    images, labels = image_ids(info), info[:, 1].astype(int)
    assert images.min() >= 1 and images.max() <= 50_000
    assert labels.min() >= 0 and labels.max() <= 999
    starts = np.flatnonzero(np.r_[True, np.diff(images) != 0])
    assert len(starts) == len(np.unique(images)) == 400, "an image's questions stand together"
    assert np.any(np.diff(images) < 0), "the images are not sorted"
    counts = np.diff(np.r_[starts, len(images)])
    assert (counts.min(), counts.max()) == (4, 12)
    ascending = (np.diff(labels) > 0) | (np.diff(images) != 0)
    assert ascending.all(), "and so no question comes twice"
    asks_original = labels == original_labels(folder)[images - 1]
    assert np.array_equal(images[asks_original], images[starts])
    assert 0.25 < np.mean(labels < 398) < 0.55, "animals and objects"


def test_five_raters_vote_on_each_question(folder: Path) -> None:
    raters = load(folder, "raters.npz")
    tensor, ids = raters["tensor"], raters["ids"]
    assert set(np.unique(tensor)) == {0.0, 1.0}
    assert tensor.sum(axis=2).max() == 1, "a rater gives one answer to a question"
    assert np.all(tensor.sum(axis=(0, 2)) == 5)
    assert np.all(tensor.sum(axis=(0, 1)) > 0), "no, maybe and yes are all there"
    assert len(np.unique(ids)) == 12
    assert np.any(np.diff(ids) < 0), "the ids are not sorted"


def test_the_golden_questions(folder: Path) -> None:
    info = load(folder, "scores.npz")["info"].tolist()
    raters, golden, in_golden = (
        load(folder, name) for name in ("raters.npz", "golden.npz", "raters_golden.npz")
    )
    places = [info.index(question) for question in golden["info"].tolist()]
    assert places == sorted(set(places)), "in the order of scores.npz"
    assert np.all(golden["tensor"].sum(axis=2) == 1), "each expert answers each of them"
    assert np.all(golden["tensor"][:, :, 1] == 0), "and never says maybe"
    assert np.all(in_golden["tensor"].sum(axis=2) == 1)
    assert in_golden["tensor"][:, :, 1].any()
    assert not set(golden["ids"].tolist()) & set(raters["ids"].tolist())
    assert len(golden["ids"]) == 5
    rater_ids = raters["ids"].tolist()
    at = [rater_ids.index(rater) for rater in in_golden["ids"].tolist()]
    assert len(at) == 10
    assert at == sorted(set(at)), "in the order of raters.npz"


@pytest.mark.cases(2)
@pytest.mark.parametrize("seed", range(4))
def test_real_json_is_a_threshold_of_the_scores(tmp_path: Path, seed: int) -> None:
    write_synthetic(tmp_path, seed=seed)
    text = (tmp_path / "real.json").read_text()
    real = json.loads(text)
    assert text == json.dumps(real), "written as upstream's is"
    assert len(real) == 50_000
    scores = load(tmp_path, "scores.npz")
    images, labels = image_ids(scores["info"]), scores["info"][:, 1].astype(int)
    original = original_labels(tmp_path)
    expected = [{int(label)} for label in original]
    for image in np.unique(images):
        expected[image - 1] = set()
    for question in np.flatnonzero(scores["tensor"] >= 0.8):
        expected[images[question] - 1].add(int(labels[question]))
    assert [set(labels) for labels in real] == expected
    assert all(len(labels) == len(set(labels)) for labels in real)

    rated = [real[image - 1] for image in np.unique(images)]
    assert {0, 1, 2} <= {len(labels) for labels in rated}
    several = [labels for labels in rated if len(labels) > 1]
    assert 0 < sum(labels == sorted(labels) for labels in several) < len(several)
    wrong = [original[image - 1] not in real[image - 1] for image in np.unique(images)]
    assert 0.05 < np.mean(wrong) < 0.2


def test_the_class_files(folder: Path) -> None:
    for name in TEXTS:
        content = (folder / name).read_bytes()
        assert content.endswith(b"\n") and not content.endswith(b"\n\n")
        assert b"\r" not in content
    labels = (folder / "labels.txt").read_text().splitlines()
    assert len(labels) == 1000
    assert labels == sorted(set(labels))
    assert all(re.fullmatch(r"n\d{8}", label) for label in labels)
    lemmas, definitions = (
        [line.split("\t") for line in (folder / name).read_text().splitlines()]
        for name in ("imagenet_synset_to_lemma.txt", "imagenet_synset_to_definition.txt")
    )
    assert [row[0] for row in lemmas] == [row[0] for row in definitions] == labels
    assert {len(row) for row in lemmas + definitions} == {2}
    names = [row[1] for row in lemmas]
    assert len(set(names)) == 999
    assert names[134] == names[517]
    assert np.array_equal(np.bincount(original_labels(folder)), np.full(1000, 50))


@pytest.mark.parametrize(("model", "accuracy"), [(MODELS[0], 0.83), (MODELS[1], 0.75)])
def test_the_predictions(folder: Path, real: list[list[int]], model: str, accuracy: float) -> None:
    content = (folder / model).read_bytes()
    assert b"\r" not in content and content.endswith(b"\n")
    header, *lines = content.decode().splitlines()
    assert header == "file_name,predicted_class,predicted_probability"
    rows = [line.split(",") for line in lines]
    images = [
        int(name.removeprefix("ILSVRC2012_val_").removesuffix(".JPEG")) for name, _, _ in rows
    ]
    assert sorted(images) == list(range(1, 50_001))
    assert images != sorted(images)
    assert all(0 <= int(label) <= 999 and 0 < float(chance) <= 1 for _, label, chance in rows)
    hits = [
        int(row[1]) in real[image - 1]
        for image, row in zip(images, rows, strict=True)
        if real[image - 1]
    ]
    assert np.mean(hits) == pytest.approx(accuracy, abs=0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"raters": 4, "golden_raters": 2},
        {"golden_raters": 13},
        {"golden_raters": 0},
        {"experts": 0},
        {"golden_images": 0},
        {"golden_images": 401},
        {"rated_images": 50_001},
    ],
)
def test_numbers_that_do_not_fit_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    name, value = next(iter(wrong.items()))
    with refused(UsageError, f"{name}={value}", parameter=name, value=value):
        write_synthetic(tmp_path / "made", **wrong)
    assert not (tmp_path / "made").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        write_synthetic(tmp_path / "file" / "made")
    assert caught.value.file == str(tmp_path / "file" / "made")


def test_writing_again_replaces(folder: Path, tmp_path: Path) -> None:
    write_synthetic(tmp_path, seed=1)
    write_synthetic(tmp_path)
    for name in NPZ:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
