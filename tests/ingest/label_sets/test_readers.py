"""Small files in the published formats, and damaged or wrong files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realdb.errors import DataError
from realdb.ingest.known import source_file
from realdb.ingest.label_sets import releases
from realdb.ingest.label_sets.content import VERDICTS, Content, Known
from realdb.ingest.label_sets.imagenet_x import FACTORS, METACLASSES
from realdb.store.store import Store
from refusals import refused

Read = Callable[..., Content]


def name(image_id: int) -> str:
    return f"ILSVRC2012_val_{image_id:08d}.JPEG"


@pytest.fixture(scope="module")
def known(synthetic_store: Store) -> Known:
    return Known(synthetic_store.connect(["images", "classes"]))


@pytest.fixture
def read(known: Known, tmp_path: Path) -> Read:
    """Return a function that reads the texts of a release's files, in their order."""

    def read(release: str, *texts: str | bytes) -> Content:
        found = releases()[release]
        files = {}
        for (file, about), text in zip(found.files.items(), texts, strict=True):
            path = tmp_path / file
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            files[file] = source_file(about, path, str(path))
        return found.read(files, known)[0]

    return read


def rows(content: Content) -> list[tuple[int, int, str]]:
    columns = (content.image_id, content.label, content.verdict)
    return [(image, label, VERDICTS[verdict]) for image, label, verdict in zip(*columns)]  # noqa: B905


@pytest.fixture
def wordnet(known: Known) -> dict[int, str]:
    return {label: wordnet_id for wordnet_id, label in known.classes().items()}


@pytest.fixture
def multilabel(wordnet: dict[int, str]) -> Callable[..., str]:
    """Return a function that makes a small human_accuracy file. None leaves a key out."""

    def multilabel(**changed: Any) -> str:
        content = {
            "other": {"initial_annots": {"no": 1}, "text": 'a "}" {', "n": [[1, 2], []]},
            "initial_annots": {
                name(7): {"correct": [wordnet[3], wordnet[3]], "wrong": [wordnet[4]]},
                name(8): {"unclear": [wordnet[5]]},
                "ImageNetV2_1.jpeg": {"correct": ["whatever"]},
            },
            "problematic_images": {name(8): "blurred"},
            "imagenet_m": [name(7)],
            "end": None,
        }
        return json.dumps({k: v for k, v in (content | changed).items() if v != "left out"})

    return multilabel


def test_multilabel(read: Read, multilabel: Callable[..., str]) -> None:
    content = read("multilabel-v3", multilabel())
    assert rows(content) == [(7, 3, "correct"), (7, 4, "wrong"), (8, 5, "unclear")]
    assert content.flags == [(8, "problematic", None), (7, "imagenet-m", None)]
    assert content.images == 2


@pytest.mark.parametrize(
    ("changed", "facts", "fields"),
    [
        ({"initial_annots": "left out"}, ["initial_annots"], {"column": "initial_annots"}),
        ({"initial_annots": []}, ["initial_annots"], {"column": "initial_annots"}),
        ({"initial_annots": {}}, [], {}),
        ({"problematic_images": "left out"}, ["problematic_images"], {}),
        ({"imagenet_m": "left out"}, ["imagenet_m"], {}),
        ({"imagenet_m": []}, ["imagenet_m"], {}),
        ({"imagenet_m": [name(7)] * 2}, [name(7)], {"count": 1}),
        ({"imagenet_m": ["ILSVRC2012_val_00050001.JPEG"]}, ["00050001"], {"count": 1}),
        ({"initial_annots": {name(0): {}}}, [name(0)], {"count": 1}),
        ({"initial_annots": {name(1): ["correct"]}}, [name(1)], {"count": 1}),
        ({"initial_annots": {name(1): {"right": []}}}, ["right"], {"count": 1}),
        ({"initial_annots": {name(1): {"correct": "n0"}}}, ["correct"], {"count": 1}),
        ({"initial_annots": {name(1): {"correct": ["n1", "n2"]}}}, ["n1", "n2"], {"count": 2}),
        ({"initial_annots": {name(1): {"wrong": [None]}}}, ["None"], {"count": 1}),
    ],
)
def test_an_invalid_multilabel_file_is_refused(
    read: Read,
    multilabel: Callable[..., str],
    changed: dict[str, Any],
    facts: list[str],
    fields: dict[str, Any],
) -> None:
    with refused(DataError, "human_accuracy", *facts, **fields):
        read("multilabel-v3", multilabel(**changed))


@pytest.mark.parametrize("release", [*releases()])
@pytest.mark.parametrize(
    "text", ["", "[", "{", "nothing", "[]", "{}", "[1]", '{"a": 1}', b"\xff\xfe{"]
)
def test_a_file_in_another_format_is_refused(read: Read, release: str, text: str | bytes) -> None:
    with pytest.raises(DataError) as caught:
        read(release, *[text] * len(releases()[release].files))
    assert type(caught.value) is DataError
    assert str(caught.value).count("\n") == 0


def test_a_multilabel_file_that_is_cut_short_is_refused(
    read: Read, multilabel: Callable[..., str]
) -> None:
    text = multilabel()
    for length in range(1, len(text)):
        with pytest.raises(DataError) as caught:
            read("multilabel-v3", text[:length])
        assert type(caught.value) is DataError


def test_a_repeated_key_is_refused(read: Read, multilabel: Callable[..., str]) -> None:
    text = multilabel()
    twice = text[:-1] + ', "imagenet_m": []}'
    with refused(DataError, "imagenet_m", column="imagenet_m", count=2):
        read("multilabel-v3", twice)
    twice = text.replace(f'"{name(8)}": {{"unclear"', f'"{name(7)}": {{"unclear"')
    with refused(DataError, name(7), value=name(7)):
        read("multilabel-v3", twice)


MISTAKE = {"top_prediction": 4, "failure category": "Fine", "failure severity": "Major"}


def test_mistakes(read: Read) -> None:
    content = read("vit3b-mistakes", json.dumps({name(3): MISTAKE}))
    assert rows(content) == [(3, 4, "wrong")]
    assert content.flags == [(3, "category", "Fine"), (3, "severity", "Major")]


@pytest.mark.parametrize(
    ("mistakes", "count"),
    [
        ({name(50_001): MISTAKE, name(1): MISTAKE}, 1),
        ({name(1): MISTAKE | {"top_prediction": 1000}, name(2): MISTAKE}, 1),
        ({name(1): MISTAKE | {"top_prediction": "4"}}, 1),
        ({name(1): MISTAKE | {"top_prediction": True}}, 1),
        ({name(1): {"top_prediction": 4}, name(2): []}, 2),
        # The same image in two spellings.
        ({name(1): MISTAKE, "val/" + name(1): MISTAKE}, 1),
    ],
)
def test_an_invalid_mistakes_file_is_refused(
    read: Read, mistakes: dict[str, Any], count: int
) -> None:
    with refused(DataError, "vit3b_mistakes.json", count=count):
        read("vit3b-mistakes", json.dumps(mistakes))


def vote(known: Known, **changed: Any) -> dict[str, Any]:
    original = int(known.original_labels()[5])
    return {
        "id": 5,
        "given_original_label": original,
        "our_guessed_label": (original + 1) % 1000,
        "mturk": {"given": 2, "guessed": 1, "neither": 1, "both": 1},
    } | changed


def test_mturk(read: Read, known: Known) -> None:
    content = read("cleanlab-mturk", json.dumps([vote(known)]))
    label = vote(known)["given_original_label"]
    assert rows(content) == [(5, label, "correct"), (5, (label + 1) % 1000, "wrong")]
    assert [*content.score] == [0.6, 0.4]


@pytest.mark.parametrize(
    "changed",
    [
        {"id": 0},
        {"id": "5"},
        {"id": 50_001},
        {"our_guessed_label": -1},
        {"our_guessed_label": 1.0},
        {"given_original_label": None},
        {"mturk": {"given": 5}},
        {"mturk": {"given": 5, "guessed": 1, "neither": 0, "both": 0}},
        {"mturk": {"given": 6, "guessed": -1, "neither": 0, "both": 0}},
        {"mturk": [5, 0, 0, 0]},
    ],
)
def test_an_invalid_mturk_file_is_refused(
    read: Read, known: Known, changed: dict[str, Any]
) -> None:
    with refused(DataError, "imagenet_mturk.json", count=1):
        read("cleanlab-mturk", json.dumps([vote(known, **changed)]))


def test_mturk_of_other_class_ids_is_refused(read: Read, known: Known) -> None:
    other = (vote(known)["given_original_label"] + 1) % 1000
    row = vote(known, given_original_label=other, our_guessed_label=(other + 5) % 1000)
    with refused(DataError, count=1, value=5):
        read("cleanlab-mturk", json.dumps([row]))
    with refused(DataError, "correct", "wrong", count=2):
        rows = [vote(known), vote(known, mturk={"given": 0, "guessed": 5, "neither": 0, "both": 0})]
        read("cleanlab-mturk", json.dumps(rows))


HEADER = (
    "Image Number,Category,Label,Correct ID,Blurry image,Humans present,Other animals present,"
    "Not real animal,Image collage\n"
)


def test_biodiversity(read: Read, known: Known) -> None:
    names = {i: known.names()[int(known.original_labels()[i])] for i in (1, 2, 3)}
    text = HEADER + (
        f'00000001,Bird,"{names[1]}",0.5,1.0,-1.0,-1.0,-1.0,-1.0\n'
        f'00000002,Bird,"{names[2][:4]}",0.0,0.0,-1.0,-1.0,-1.0,0.3\n'
        f'00000003,Fish,"{names[3]}",-1.0,-1.0,-1.0,-1.0,-1.0,-1.0\n'
    )
    content = read("biodiversity", text)
    assert [verdict for _, _, verdict in rows(content)] == ["correct", "unclear", "wrong"]
    assert [*content.score] == [0.75, 0.5, 0.0]
    assert content.flags == [(1, "blurry", None), (2, "collage", None)]


@pytest.mark.parametrize(
    "row",
    [
        "00050001,Bird,{0},1,1,1,1,1,1",
        "1,Bird,{0},2,1,1,1,1,1",
        "1,Bird,{0},nan,1,1,1,1,1",
        "1,Bird,{0},1,,1,1,1,1",
        "1,Bird,another bird,1,1,1,1,1,1",
        "1,Bird,{0},1,1,1,1,1",
        "1,Bird,{0},1,1,1,1,1,1,1",
        "1,Bird,{0},1,1,1,1,1,1\n1,Bird,{0},-1,1,1,1,1,1",
    ],
)
def test_an_invalid_biodiversity_file_is_refused(read: Read, known: Known, row: str) -> None:
    label = known.names()[int(known.original_labels()[1])]
    with refused(DataError, "Biodiversity_ImageNet_Image_data.csv"):
        read("biodiversity", HEADER + row.replace("{0}", f'"{label}"') + "\n")


def factors(known: Known, image_id: int, **changed: Any) -> str:
    of = dict.fromkeys(FACTORS, 0)
    original = int(known.original_labels()[image_id])
    return json.dumps({"file_name": name(image_id), "class": original} | of | changed) + "\n"


METACLASS = "wnid,name,metaclass\n" + "".join(
    f"n1,{[*METACLASSES, 'fish'][place % 17]},1\n" for place in range(1000)
)


def test_imagenet_x(read: Read, known: Known) -> None:
    every = factors(known, 1, pose=1, color=1) + factors(known, 2)
    top = factors(known, 1, pose=1) + factors(known, 2)
    content = read("imagenet-x", every, top, f"file_name\n{name(1)}\n{name(3)}\n", METACLASS)
    assert content.image_groups == [
        ("factor", 1, "pose"),
        ("factor", 1, "color"),
        ("top_factor", 1, "pose"),
    ]
    assert sorted(content.flags) == [
        (1, "annotated", None),
        (1, "prototype", None),
        (2, "annotated", None),
        (3, "prototype", None),
    ]
    assert len(content.class_groups) == 1000
    assert {group for _, _, group in content.class_groups} == METACLASSES | {"other"}


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (0, '{"file_name": "cat.jpg"}\n'),
        (0, "[]\n"),
        (0, "{1}\n{2}{2}"),
        (1, "{1}\n"),
        (1, "{1}{3}"),
        (0, "{1}{1}"),
        (2, f"file_name\n{name(1)}\n{name(1)}\n"),
        (2, "file_name\ncat.jpg\n"),
        (2, f"image\n{name(1)}\n"),
        (3, METACLASS[:-5]),
        (3, METACLASS.replace("dog", "cat")),
        (3, METACLASS.replace("name", "what")),
    ],
)
def test_invalid_imagenet_x_files_are_refused(
    read: Read, known: Known, place: int, text: str
) -> None:
    both = factors(known, 1, pose=1) + factors(known, 2)
    texts = [both, both, f"file_name\n{name(1)}\n", METACLASS]
    for image_id in (1, 2, 3):
        text = text.replace(f"{{{image_id}}}", factors(known, image_id))
    texts[place] = text
    with pytest.raises(DataError) as caught:
        read("imagenet-x", *texts)
    assert type(caught.value) is DataError
    assert Path(caught.value.file or "").name in releases()["imagenet-x"].files
