"""Packed files, pipes and unsupported formats."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import os
import pickle
import struct
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from realdb.errors import DataError
from realdb.ingest import predictions, unpack

TEXT = b"image,label\n3,5\n4,999\n"
TAKEN = [(3, 5), (4, 999)]


def zipped(content: bytes, *names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("a/preds.csv",):
            archive.writestr(name, content)
    return file.getvalue()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
    "zip": zipped,
}


@pytest.fixture
def take(predictions_table: duckdb.DuckDBPyConnection) -> Callable[[object], Any]:
    def take(source: object) -> list[tuple[int, int]]:
        predictions.add(predictions_table, source)
        return predictions_table.execute("select image_id, label from predictions").fetchall()

    return take


@pytest.mark.parametrize("inner", [*PACK, None])
@pytest.mark.parametrize("outer", PACK)
def test_packed_once_or_twice(
    outer: str, inner: str | None, tmp_path: Path, take: Callable[[object], Any]
) -> None:
    path = tmp_path / f"mine.csv.{outer}"
    path.write_bytes(PACK[outer](PACK[inner](TEXT) if inner else TEXT))
    assert take(path) == TAKEN


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("ViT.csv.bz2", "ViT"),
        ("ViT.zip", "ViT"),
        ("ViT-B.16.zip", "ViT-B.16"),
        ("ViT-B.16.csv.xz", "ViT-B.16"),
    ],
)
def test_a_packed_file_has_the_name_of_its_content(
    name: str, model: str, tmp_path: Path, predictions_table: duckdb.DuckDBPyConnection
) -> None:
    path = tmp_path / name
    path.write_bytes(PACK[name.rpartition(".")[2]](TEXT))
    assert unpack.stem(path) == model
    assert predictions.add(predictions_table, path) == [model]


def test_system_files_in_a_zip_are_ignored(tmp_path: Path, take: Callable[[object], Any]) -> None:
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/", b"")
        archive.writestr("__MACOSX/a/._preds.csv", b"\0")
        archive.writestr("a/.DS_Store", b"\0")
        archive.writestr("a/preds.csv", TEXT)
    assert take(path) == TAKEN


def test_a_zip_with_several_files(tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    path = tmp_path / "mine.zip"
    path.write_bytes(zipped(TEXT, "a.csv", "b.csv"))
    error = refuse(path)
    assert (error.file, error.count) == (str(path), 2)
    assert "a.csv, b.csv" in str(error)
    assert error.remedy


@pytest.mark.parametrize(
    "content", [zipped(TEXT)[:40], b"PK\x05\x06" + bytes(18)], ids=["cut", "without files"]
)
def test_a_zip_without_a_usable_file_is_refused(
    content: bytes, tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    path = tmp_path / "mine.zip"
    path.write_bytes(content)
    assert refuse(path).file == str(path)


@pytest.mark.parametrize("kind", PACK)
def test_a_damaged_file(kind: str, tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    path = tmp_path / "mine.csv"
    content = bytearray(PACK[kind](TEXT + os.urandom(20_000)))
    path.write_bytes(content[:-10_000])
    assert refuse(path).file == str(path)
    content[5_000:5_020] = bytes(20)
    path.write_bytes(content)
    assert refuse(path).file == str(path)


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize(("depth", "is_read"), [(3, True), (4, False), (30, False)])
def test_nested_packing_has_a_limit(
    kind: str,
    depth: int,
    is_read: bool,
    tmp_path: Path,
    take: Callable[[object], Any],
    refuse: Callable[..., DataError],
) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(functools.reduce(lambda content, _: PACK[kind](content), range(depth), TEXT))
    if is_read:
        assert take(path) == TAKEN
    else:
        error = refuse(path)
        assert (error.file, error.count) == (str(path), unpack.DEEPEST)
        assert error.remedy


def test_gzip_in_gzip_1498_deep(tmp_path: Path, refuse: Callable[..., DataError]) -> None:
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(
        functools.reduce(lambda content, _: gzip.compress(content, 0), range(1498), b"x")
    )
    assert refuse(path).file == str(path)


@pytest.mark.parametrize("kind", PACK)
def test_a_file_beyond_the_unpacked_limit_is_refused(
    kind: str, tmp_path: Path, refuse: Callable[..., DataError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "LARGEST", 1 << 20)
    path = tmp_path / "mine.csv"
    path.write_bytes(PACK[kind](bytes(1 << 23)))
    error = refuse(path)
    assert error.file == str(path)
    assert error.remedy


def test_standard_input_beyond_the_limit_is_refused(
    refuse: Callable[..., DataError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "LARGEST", 1 << 20)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT * 100_000)))
    assert refuse("-").file == "standard input"


@pytest.mark.parametrize("kind", PACK)
def test_packed_standard_input(
    kind: str, take: Callable[[object], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PACK[kind](TEXT))))
    assert take("-") == TAKEN


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")


@needs_pipes
def test_a_pipe_without_a_writer(
    tmp_path: Path, refuse: Callable[..., DataError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "PATIENCE", 0.2)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    error = refuse(path)
    assert error.file == str(path)
    assert error.remedy


@needs_pipes
@pytest.mark.parametrize("kind", [None, "gz"])
def test_a_pipe_with_a_slow_writer(
    kind: str | None,
    tmp_path: Path,
    take: Callable[[object], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once it is open, it is read to its end, however long that takes."""
    monkeypatch.setattr(unpack, "PATIENCE", 0.5)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = PACK[kind](TEXT) if kind else TEXT

    def write() -> None:
        time.sleep(0.2)
        with path.open("wb", buffering=0) as pipe:
            time.sleep(0.7)
            pipe.write(content[:10])
            time.sleep(0.7)
            pipe.write(content[10:])

    writer = threading.Thread(target=write)
    writer.start()
    assert take(path) == TAKEN
    writer.join()


@needs_pipes
@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="this system has no /dev/fd")
def test_an_open_pipe(take: Callable[[object], Any]) -> None:
    """A shell passes <(command) so."""
    reader, writer = os.pipe()
    os.write(writer, TEXT)
    os.close(writer)
    try:
        assert take(f"/dev/fd/{reader}") == TAKEN
    finally:
        os.close(reader)


def tar(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("preds.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


FOREIGN: dict[str, tuple[bytes, str]] = {
    "a.xlsx": (zipped(b"", "[Content_Types].xml", "xl/workbook.xml"), "read_excel"),
    "a.ods": (zipped(b"", "mimetype", "content.xml"), "read_excel"),
    "a.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "read_excel"),
    "v5.mat": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(99), "loadmat"),
    "v7.3.mat": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(99), "h5py"),
    "a.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "h5py"),
    "a.sqlite": (b"SQLite format 3\0" + bytes(99), "read_sql"),
    "a.pkl": (pickle.dumps({"a": 5}), "numpy.save"),
    "a.old.pkl": (pickle.dumps({"a": 5}, protocol=0), "numpy.save"),
    "b.old.pkl": (pickle.dumps([1, 2], protocol=0), "numpy.save"),
    "c.old.pkl": (pickle.dumps([1, 2], protocol=1), "numpy.save"),
    "a.rds": (gzip.compress(b"X\n\0\0\0\3" + bytes(99)), "readRDS"),
    "a.RData": (gzip.compress(b"RDX3\nX\n" + bytes(99)), "load("),
    "a.orc": (b"ORC" + bytes(99), "read_orc"),
    "a.avro": (b"Obj\1" + bytes(99), "read_avro"),
    "a.html": (b"\n<!DOCTYPE html>\n<html>", "Download"),
    "a.pdf": (b"%PDF-1.7\n", "made"),
    "a.png": (b"\x89PNG\r\n\x1a\n" + bytes(9), "predictions"),
    "a.jpg": (b"\xff\xd8\xff\xe0" + bytes(9), "predictions"),
    "a.tar": (tar(TEXT), "tar -xf"),
    "a.tar.gz": (gzip.compress(tar(TEXT)), "tar -xf"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(9), "Unpack"),
    "lfs.csv": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "a.bin": (struct.pack("<2000h", *range(-1000, 1000)), "parquet: Parquet"),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("suffix", ["", ".csv"])
def test_an_unsupported_format_is_refused(
    name: str, suffix: str, tmp_path: Path, refuse: Callable[..., DataError]
) -> None:
    """The format is detected by the content, with any file name."""
    path = tmp_path / (name + suffix)
    content, remedy = FOREIGN[name]
    path.write_bytes(content)
    error = refuse(path)
    assert error.file == str(path)
    assert remedy in str(error.remedy)
    assert "/realdb-" not in str(error)
