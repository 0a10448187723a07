"""Where pictures are found, and what is sent of them."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from needs import needs
from realdb.browse.pictures import ARCHIVE, SIZES, Pictures
from realdb.errors import DataError, UsageError


def opened(source: Path) -> Pictures:
    found = Pictures(source)
    found.wait()
    return found


def size_of(content: bytes | None) -> tuple[int, int]:
    assert content is not None
    found: tuple[int, int] = needs("PIL.Image").open(io.BytesIO(content)).size
    return found


def test_flat_and_class_folders(pictures: Path) -> None:
    found = opened(pictures)
    assert {number for number in range(1, 100) if found.has(number)} == {*range(1, 8)}
    assert size_of(found.jpeg(1, "small")) == (192, 144)
    assert size_of(found.jpeg(4, "small")) == (144, 192)
    assert size_of(found.jpeg(1, "large")) == (400, 300)  # never enlarged
    assert found.jpeg(8, "small") is None


@pytest.mark.parametrize("is_inside", [False, True])
def test_the_original_archive(pictures: Path, tmp_path: Path, is_inside: bool) -> None:
    archive = tmp_path / ARCHIVE
    with tarfile.open(archive, "w") as members:
        for path in sorted(pictures.glob("*.JPEG")):
            members.add(path, path.name)
        link = tarfile.TarInfo("ILSVRC2012_val_00000009.JPEG")
        link.type, link.linkname = tarfile.SYMTYPE, str(pictures / "secret.txt")
        members.addfile(link)
    found = opened(tmp_path if is_inside else archive)
    assert found.has(1)
    assert not found.has(4)
    assert not found.has(9)
    assert found.jpeg(1, "small") == opened(pictures).jpeg(1, "small")


@pytest.mark.parametrize("image_id", [5, 6, 7])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_no_picture_is_refused(pictures: Path, image_id: int, size: str) -> None:
    with pytest.raises(DataError) as caught:
        opened(pictures).jpeg(image_id, size)
    assert caught.value.file == f"ILSVRC2012_val_{image_id:08d}.JPEG"


def test_large_files_devices_and_other_formats_are_refused(tmp_path: Path) -> None:
    image = needs("PIL.Image")
    names = [tmp_path / f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 5)]
    with names[0].open("wb") as file:
        file.truncate(1 << 30)
    os.mkfifo(names[1])
    image.new("RGB", (9, 9)).save(names[2], "TIFF")
    names[3].write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    found = opened(tmp_path)
    for image_id in range(1, 5):
        with pytest.raises(DataError):
            found.jpeg(image_id, "small")


def test_metadata_is_not_sent(tmp_path: Path) -> None:
    image = needs("PIL.Image")
    exif = image.Exif()
    exif[0x010E] = "a secret"
    image.new("RGB", (300, 300)).save(tmp_path / "00000001.jpg", exif=exif, comment=b"a secret")
    content = opened(tmp_path).jpeg(1, "small")
    assert content is not None
    assert b"a secret" in (tmp_path / "00000001.jpg").read_bytes()
    assert b"a secret" not in content


def test_the_cache_is_bounded(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from realdb.browse import pictures as module

    monkeypatch.setattr(module, "_MOST_CACHED", 2_000)
    found = opened(pictures)
    made = {number: found.jpeg(number, "small") for number in (1, 2, 3, 4)}
    assert found._cached == sum(map(len, found._cache.values())) <= 2_000
    assert {number: found.jpeg(number, "small") for number in (1, 2, 3, 4)} == made


@pytest.mark.parametrize("name", ["missing", "file.txt"])
def test_a_source_that_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("text")
    with pytest.raises(UsageError) as caught:
        Pictures(tmp_path / name)
    assert caught.value.parameter == "images"


def test_a_picture_is_made_once(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from realdb.browse import pictures as module

    found = opened(pictures)
    first = found.jpeg(1, "small")

    def never(*_: Any) -> bytes:
        raise AssertionError

    monkeypatch.setattr(module, "_made", never)
    assert found.jpeg(1, "small") == first
