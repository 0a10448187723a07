from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from realdb.errors import DataError
from realdb.ingest.classes import (
    read_class_names,
    read_clip_names,
    read_devkit_map,
    read_text,
    read_train_files,
    read_wordnet_ids,
    read_wordnet_texts,
)

IDS = [f"n{number:08d}" for number in range(1_000_000, 1_003_000, 3)]


def written(tmp_path: Path, lines: list[str] | str | bytes) -> Path:
    path = tmp_path / "some.txt"
    if isinstance(lines, list):
        lines = "".join(f"{line}\n" for line in lines)
    path.write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    return path


def refusal(reader: Callable[[Path], object], path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        reader(path)
    assert caught.value.file == str(path)
    assert str(caught.value).startswith(str(path))
    return caught.value


def where(error: DataError) -> tuple[int | None, str | None, int | None]:
    """Return row, value and count."""
    return error.row, error.value, error.count


def devkit_lines() -> list[str]:
    return [f"{wordnet_id} {number} some_name" for number, wordnet_id in enumerate(IDS, start=1)]


def test_labels_txt_upstream(upstream: Path) -> None:
    ids = read_wordnet_ids(upstream / "labels.txt")
    assert len(ids) == 1000
    assert (ids[0], ids[134], ids[517], ids[999]) == (
        "n01440764",
        "n02012849",
        "n03126707",
        "n15075141",
    )


@pytest.mark.parametrize(
    "content",
    ["\n".join(IDS), "\r\n".join(IDS) + "\r\n", "\ufeff" + "\n".join(IDS) + "\n\n \n"],
    ids=["no end", "windows", "mark and blank end"],
)
def test_labels_txt_line_ends(tmp_path: Path, content: str) -> None:
    assert read_wordnet_ids(written(tmp_path, content)) == tuple(IDS)


@pytest.mark.parametrize(
    ("lines", "at", "facts"),
    [
        (IDS[:999], (None, None, 999), "1,000"),
        ([*IDS, "n99999999"], (None, None, 1001), "1,001"),
        (["x", *IDS[1:]], (1, "x", 1), "1 of 1,000"),
        ([*IDS[:2], "", *IDS[2:]], (3, "", 1), "line 3"),
        ([*IDS[:4], IDS[3], *IDS[5:]], (5, IDS[3], 1), "line 5"),
        ([IDS[1], IDS[0], *IDS[2:]], (2, IDS[0], 1), "line 2"),
        (["a", "b", "c", "d", "e"], (1, "a", 5), "line 3: 'c' and 2 more"),
    ],
)
def test_labels_txt_refused(tmp_path: Path, lines: list[str], at: object, facts: str) -> None:
    error = refusal(read_wordnet_ids, written(tmp_path, lines))
    assert where(error) == at
    assert facts in str(error)


@pytest.mark.parametrize(
    ("content", "at", "fact"),
    [
        (b"", (None, None, 0), ""),
        (b" \n\n", (None, None, 0), ""),
        (b"n0\0\1\2", (None, None, None), "UTF-16"),
        ("n01440764\n".encode("utf-16"), (None, None, None), "UTF-16"),
        (b"n01440764\n\xe9\n", (None, "0xe9", None), "byte 0xe9 at position 10"),
    ],
)
def test_text_refused(tmp_path: Path, content: bytes, at: object, fact: str) -> None:
    error = refusal(read_text, written(tmp_path, content))
    assert where(error) == at
    assert fact in str(error)


def test_missing_text_file(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.txt", tmp_path):
        assert where(refusal(read_text, path)) == (None, None, None)


def test_wordnet_texts_upstream(upstream: Path) -> None:
    names = read_wordnet_texts(upstream / "imagenet_synset_to_lemma.txt")
    definitions = read_wordnet_texts(upstream / "imagenet_synset_to_definition.txt")
    assert len(names) == len(definitions) == 21_844
    assert names["n00004475"] == "organism, being"
    assert definitions["n15102894"] == "a hole in a board where a knot came out"
    assert set(read_wordnet_ids(upstream / "labels.txt")) <= names.keys() & definitions.keys()


@pytest.mark.parametrize(
    ("lines", "at"),
    [
        (["n00004475\ta", "n00005787 b"], (2, "n00005787 b", 1)),
        (["n00004475\t"], (1, "n00004475\t", 1)),
        (["4475\ta"], (1, "4475\ta", 1)),
        (["n00004475\ta", "n00005787\tb", "n00004475\tc"], (3, "n00004475", 1)),
    ],
)
def test_wordnet_texts_refused(tmp_path: Path, lines: list[str], at: object) -> None:
    assert where(refusal(read_wordnet_texts, written(tmp_path, lines))) == at


def test_class_names(tmp_path: Path) -> None:
    names: dict[str, object] = {str(label): f"name {label}, other" for label in range(999, -1, -1)}
    names["134"] = ["crane", "wader"]
    read = read_class_names(written(tmp_path, json.dumps(names)))
    assert list(read) == list(range(1000))
    assert (read[0], read[134]) == ("name 0, other", "crane, wader")


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"7": None}, "class '7': None"),
        ({"7": ""}, "class '7': ''"),
        ({"7": []}, "class '7': []"),
        ({"7": ["a", 3]}, "class '7': ['a', 3]"),
        ({"7": {"name": "a"}}, "class '7'"),
        ({"1000": "a"}, "1 unknown ('1000')"),
        ({"007": "a"}, "1 unknown ('007')"),
    ],
)
def test_class_names_refused(tmp_path: Path, change: dict[str, object], fact: str) -> None:
    names = {str(label): "a" for label in range(1000)} | change
    error = refusal(read_class_names, written(tmp_path, json.dumps(names)))
    assert error.column == ("name" if "7" in change else "label")
    assert error.count == (None if "7" in change else 1)
    assert fact in str(error)


@pytest.mark.parametrize(
    ("text", "at", "fact"),
    [
        ('{"0": "a", "0": "b"}', (None, "0", None), "'0'"),
        ('{"0": "a"}', (None, "1", 999), "(1, 2, 3 and 996 more)"),
        ('["a"]', (None, "list", None), "list"),
        ('{"0": "a"', (None, None, None), "JSON"),
        ('{"a":' * 100_000, (None, None, None), "JSON"),
    ],
)
def test_class_names_not_an_object(tmp_path: Path, text: str, at: object, fact: str) -> None:
    error = refusal(read_class_names, written(tmp_path, text))
    assert where(error) == at
    assert fact in str(error)


def test_devkit_map(tmp_path: Path) -> None:
    lines = devkit_lines()
    random.Random(0).shuffle(lines)
    lines[0] = lines[0].rpartition(" ")[0]  # the name is not needed
    assert read_devkit_map(written(tmp_path, lines)) == dict(enumerate(IDS, start=1))


@pytest.mark.parametrize(
    ("line", "at", "fact"),
    [
        ("n02119789", (None, "1", 2), "('')"),
        ("1 n02119789", (1, "1 n02119789", 1), "line 1: '1 n02119789'"),
        (f"{IDS[0]} 0 x", (None, "1", 2), "(1), 1 unknown ('0')"),
        (f"{IDS[0]} 2 x", (2, "2", 1), "line 2: '2'"),
        (f"{IDS[1]} 1 x", (2, IDS[1], 1), f"line 2: '{IDS[1]}'"),
        ("", (1, "", 1), "line 1"),
    ],
)
def test_devkit_map_refused(tmp_path: Path, line: str, at: object, fact: str) -> None:
    error = refusal(read_devkit_map, written(tmp_path, [line, *devkit_lines()[1:]]))
    assert where(error) == at
    assert fact in str(error)


def test_devkit_map_short(tmp_path: Path) -> None:
    error = refusal(read_devkit_map, written(tmp_path, devkit_lines()[:-1]))
    assert where(error) == (None, "1000", 1)
    assert "1 to 1000" in str(error)


def clip_file(names: object) -> str:
    """Return a text like open_clip's zero_shot_metadata.py."""
    return f"TEMPLATES = (lambda c: f'a photo of a {{c}}.',)\n\nIMAGENET_CLASSNAMES = {names!r}\n"


@pytest.mark.parametrize("kind", [list, tuple])
def test_clip_names(tmp_path: Path, kind: Callable[[list[str]], object]) -> None:
    names = [f"class {label}" for label in range(999)] + ['lady\'s "slipper", é']
    path = tmp_path / "names.py"
    path.write_text(clip_file(kind(names)), encoding="utf-8")
    assert read_clip_names(path) == tuple(names)


def test_clip_names_are_not_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    text = f"open({str(marker)!r}, 'w')\n{clip_file(['a'] * 1000)}"
    assert read_clip_names(written(tmp_path, [text])) == ("a",) * 1000
    text = f"IMAGENET_CLASSNAMES = [open({str(marker)!r}, 'w').name] * 1000"
    assert refusal(read_clip_names, written(tmp_path, [text])).value == "IMAGENET_CLASSNAMES"
    assert not marker.exists()


@pytest.mark.parametrize(
    ("text", "value", "count", "fact"),
    [
        ("NAMES = []", "IMAGENET_CLASSNAMES", 0, "0"),
        (clip_file(["a"] * 1000) * 2, "IMAGENET_CLASSNAMES", 2, "2"),
        (clip_file("a" * 1000), "IMAGENET_CLASSNAMES", 1, "list"),
        (clip_file({"a": 1}), "IMAGENET_CLASSNAMES", 1, "list"),
        ("IMAGENET_CLASSNAMES = [name for name in ()]", "IMAGENET_CLASSNAMES", None, ""),
        ("IMAGENET_CLASSNAMES = [", "IMAGENET_CLASSNAMES", None, ""),
        ("IMAGENET_CLASSNAMES = " + "[" * 20_000, "IMAGENET_CLASSNAMES", None, ""),
        (clip_file(["a"] * 999), None, 999, "999"),
        (clip_file(["a"] * 1001), None, 1001, "1,001"),
        (clip_file(["a"] * 7 + [" "] * 2 + ["a"] * 991), " ", 2, "class 7"),
        (clip_file(["a"] * 999 + [3]), "3", 1, "class 999"),
    ],
)
def test_clip_names_refused(
    tmp_path: Path, text: str, value: object, count: int | None, fact: str
) -> None:
    error = refusal(read_clip_names, written(tmp_path, [text]))
    assert (error.value, error.count) == (value, count)
    assert fact in str(error)


def test_train_files(tmp_path: Path) -> None:
    names = ["n01440764_10026.JPEG", "n15075141/n15075141_9.JPEG", "train/n01443537_n1.jpg "]
    read = read_train_files(written(tmp_path, names))
    assert read == (names, ["n01440764", "n15075141", "n01443537"])


def test_train_files_many(tmp_path: Path) -> None:
    names = [f"{IDS[number % 1000]}_{number}.JPEG" for number in range(200_000)]
    read_names, read_ids = read_train_files(written(tmp_path, names))
    assert read_names == names
    assert read_ids == IDS * 200


@pytest.mark.parametrize(
    ("lines", "row", "fact"),
    [
        (["n01440764_1.JPEG", "ILSVRC2012_val_00000001.JPEG"], 2, "1 of 2 lines"),
        (["n01440764_1.JPEG", "n014407641.JPEG"], 2, "line 2: 'n014407641.JPEG'"),
        (["n01440764/n01443537_1.JPEG"], 1, "1 of 1 lines"),
        (["n01440764_1.JPEG", "", "n01440764_2.JPEG"], 2, "1 of 3 lines"),
        (["n01440764_1.JPEG", "n01440764_2.JPEG", "n01440764_1.JPEG"], 3, "line 1 (line 3: "),
    ],
)
def test_train_files_refused(tmp_path: Path, lines: list[str], row: int, fact: str) -> None:
    error = refusal(read_train_files, written(tmp_path, lines))
    assert where(error) == (row, lines[row - 1], 1)
    assert fact in str(error)
