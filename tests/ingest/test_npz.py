from __future__ import annotations

import gc
import io
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from realdb.errors import DataError
from realdb.ingest import npz
from realdb.ingest.scores import read_scores
from realdb.ingest.votes import read_votes

VOTES = ("golden.npz", "raters.npz", "raters_golden.npz")
FILES = (*VOTES, "scores.npz")
Change = Callable[..., None]
Refusal = Callable[..., DataError]


def read(path: Path, name: str = "tensor", dtype: str = "<f8", axes: int = 1) -> Any:
    with npz.member(path, name, dtype=dtype, axes=axes) as found:
        return found.whole()


def npy(array: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    return stream.getvalue()


def header(*shape: int) -> bytes:
    """Return the header of an .npy of float64, whatever the shape."""
    stream = io.BytesIO()
    fields = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)
    return stream.getvalue()


def set_member(path: Path, name: str, content: Callable[[bytes], bytes]) -> None:
    """Write the zip at `path` anew, the bytes of one of its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    members[name] = content(members[name])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)


# Reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_comes_back_with_any_compression(tmp_path: Path, save: Any) -> None:
    array = np.arange(7.0)
    save(tmp_path / "a.npz", tensor=array, other=array[:2])
    found = read(tmp_path / "a.npz")
    assert (found.dtype, found.tolist()) == (array.dtype, array.tolist())


def test_a_header_of_version_2_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("tensor.npy", npy(np.arange(3.0), version=(2, 0)))
    assert read(tmp_path / "a.npz").tolist() == [0, 1, 2]


@pytest.mark.parametrize(("rows", "lengths"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_blocks_are_the_array_in_order(tmp_path: Path, rows: int, lengths: list[int]) -> None:
    array = np.arange(30.0).reshape(5, 2, 3)
    np.savez_compressed(tmp_path / "a.npz", tensor=array)
    with npz.member(tmp_path / "a.npz", "tensor", dtype="<f8", axes=3) as member:
        assert (member.shape, member.dtype) == (array.shape, array.dtype)
        blocks = list(member.blocks(rows))
    assert [len(block) for block in blocks] == lengths
    assert np.array_equal(np.concatenate(blocks), array)
    assert not any(block.flags.writeable for block in blocks)


def test_an_array_without_rows_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", tensor=np.empty((0, 4, 3)))
    assert read(tmp_path / "a.npz", axes=3).shape == (0, 4, 3)


# Damage to the file -------------------------------------------------------------------------------


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("damage", "reason"),  # as zipfile has it
    [
        pytest.param(lambda content: content[: len(content) // 2], "not a zip", id="cut in half"),
        pytest.param(lambda content: content[:-1], "not a zip", id="the last byte missing"),
        pytest.param(lambda _: b"", "not a zip", id="empty"),
        pytest.param(lambda _: b"<!doctype html>\nNot Found", "not a zip", id="a web page"),
        pytest.param(lambda content: flip(content, 0), "Bad magic number", id="a header's byte"),
    ],
)
def test_a_damaged_zip_is_refused(
    source_folder: Path, refusal: Refusal, name: str, damage: Callable[[bytes], bytes], reason: str
) -> None:
    (source_folder / name).write_bytes(damage((source_folder / name).read_bytes()))
    error = refusal(name)
    assert (error.file, error.column) == (name, None)
    assert reason in str(error)
    assert str(source_folder) in str(error)
    assert error.remedy


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_fails_the_zip_checksum(
    source_folder: Path, refusal: Refusal, name: str
) -> None:
    # The member is stored and not deflated, so only the checksum shows the damage.
    with np.load(source_folder / name) as members:
        np.savez(source_folder / name, **members)
    with zipfile.ZipFile(source_folder / name) as archive:
        after_tensor = archive.getinfo("info.npy").header_offset
    content = (source_folder / name).read_bytes()
    (source_folder / name).write_bytes(flip(content, after_tensor - 8))
    error = refusal(name)
    assert error.file == name
    assert "(Bad CRC-32 for file 'tensor.npy')" in str(error)  # as zipfile has it


@given_any(data=st.data())
def test_damage_never_gives_other_votes(
    synthetic: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """The result is a DataError, or the same votes if the changed bytes are not read."""
    name, reader = data.draw(
        st.sampled_from([("golden.npz", read_votes), ("scores.npz", read_scores)])
    )
    content = bytearray((synthetic / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        found: Any = reader(path)
    except DataError as error:
        assert name in str(error)
        return
    wanted: Any = reader(synthetic / name)
    columns = ("score",) if name == "scores.npz" else ("rater_ids", "rater", "question", "answer")
    for column in columns:
        assert np.array_equal(getattr(found, column), getattr(wanted, column))
    assert np.array_equal(found.questions.keys, wanted.questions.keys)


# Damage inside a zip that is whole ----------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("damage", "fact"),
    [
        pytest.param(lambda npy: npy[:-8], "row", id="short"),
        pytest.param(lambda npy: npy[:128], "row 0", id="nothing but a header"),
        pytest.param(lambda npy: npy + b"\0", "header", id="long"),
        pytest.param(lambda npy: npy[:20], "NumPy", id="half a header"),
        pytest.param(lambda _: b"", "NumPy", id="empty"),
        pytest.param(lambda _: b"1,2,3\n" * 9, "NumPy", id="text"),
        pytest.param(lambda npy: npy[:6] + b"\3" + npy[7:], "(3, 0)", id="version"),
        pytest.param(lambda npy: npy.replace(b"}", b" ", 1), "NumPy", id="open brace"),
        pytest.param(lambda _: header(-1, 2), "<f8 with shape (-1, 2)", id="negative length"),
    ],
)
def test_a_damaged_array_is_refused(
    source_folder: Path, refusal: Refusal, name: str, damage: Callable[[bytes], bytes], fact: str
) -> None:
    set_member(source_folder / name, "tensor.npy", damage)
    error = refusal(name)
    assert (error.file, error.column) == (name, "tensor")
    assert (error.row is not None) == fact.startswith("row")
    assert fact in str(error)
    assert error.remedy


@pytest.mark.parametrize(("rows", "row"), [(-1, None), (10**17, 9), (10**20, 9)])
def test_a_header_with_an_impossible_length_is_refused(
    source_folder: Path, refusal: Refusal, rows: int, row: int | None
) -> None:
    set_member(source_folder / "scores.npz", "tensor.npy", lambda _: header(rows) + bytes(9 * 8))
    error = refusal("scores.npz")
    assert (error.file, error.column, error.row) == ("scores.npz", "tensor", row)
    assert error.value == str((rows,))


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        *((name, lost) for name in FILES for lost in ("tensor", "info")),
        *((n, "ids") for n in VOTES),
    ],
)
def test_a_missing_member_is_refused(
    change: Change, refusal: Refusal, name: str, lost: str
) -> None:
    change(name, **{lost: None, "arr_0": np.zeros(3)})
    error = refusal(name)
    assert (error.file, error.column) == (name, lost)
    assert error.value
    assert "arr_0.npy" in error.value
    assert f"{lost}.npy" not in error.value


class Trap:
    """Unpickling it would run code."""

    sprung = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Trap, "sprung", True)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("member", ["tensor", "info"])
def test_a_pickled_array_is_refused_unread(
    change: Change, refusal: Refusal, name: str, member: str
) -> None:
    change(name, **{member: np.array([Trap()], object)})
    error = refusal(name)
    assert (error.file, error.column, error.value) == (name, member, "object")
    assert not Trap.sprung


WRONG = [
    ("tensor", lambda array: array.astype(np.float32), "tensor.npy is <f4 "),
    ("tensor", lambda array: array.astype(np.int64), "tensor.npy is <i8 "),
    ("tensor", lambda array: array.astype(bool), "tensor.npy is |b1 "),
    ("tensor", lambda array: array.astype(">f8"), "tensor.npy is >f8 "),
    ("tensor", lambda array: array[np.newaxis], "tensor.npy is <f8 with shape (1, "),
    ("tensor", lambda array: array[0], "tensor.npy is <f8 with shape ("),
    ("info", lambda array: array.astype("S"), "info.npy is |S28 "),
    ("info", lambda array: array.astype("<U29"), "info.npy is <U29 "),
    ("info", lambda array: array.astype(">U28"), "info.npy is >U28 "),
    ("info", lambda array: array[:, 0], "info.npy is <U28 with shape ("),
    ("info", np.asfortranarray, ") in Fortran order; <U28 with 2 axes is expected"),
    ("info", lambda array: np.hstack([array, array]), ", 4); (n, 2) is expected"),
]
WRONG_VOTES = [
    ("tensor", np.asfortranarray, ") in Fortran order; <f8 with 3 axes is expected"),
    ("ids", lambda array: array.astype(np.int32), "ids.npy is <i4 "),
    ("ids", lambda array: array.astype(np.uint64), "ids.npy is <u8 "),
    ("ids", lambda array: array[:, np.newaxis], "1); <i8 with 1 axis is expected"),
]


@pytest.mark.cases(20)
@pytest.mark.parametrize(
    ("name", "member", "to_wrong", "reason"),
    [
        pytest.param(name, *case, id=f"{name}-{case[2].strip()}")
        for name in FILES
        for case in [*WRONG, *(WRONG_VOTES if name in VOTES else [])]
    ],
)
def test_another_dtype_order_or_number_of_axes_is_refused(
    change: Change, refusal: Refusal, name: str, member: str, to_wrong: Any, reason: str
) -> None:
    change(name, **{member: to_wrong})
    error = refusal(name)
    assert (error.file, error.column) == (name, member)
    assert error.value
    assert reason in str(error)


def test_two_threads_may_read_headers_at_once(synthetic: Path) -> None:
    """NumPy reads headers with ast.literal_eval, which in CPython 3.11 can fail in threads."""
    failures: list[BaseException] = []

    def read_often() -> None:
        try:
            for _ in range(200):
                with npz.member(synthetic / "golden.npz", "ids", dtype="<i8", axes=1):
                    pass
        except BaseException as error:  # errors of a thread would be lost otherwise
            failures.append(error)

    def meet(*_: object) -> None:
        time.sleep(0)  # lets the other thread run when the collector interrupts this one

    threads = [threading.Thread(target=read_often) for _ in range(2)]
    threshold = gc.get_threshold()
    gc.callbacks.append(meet)
    gc.set_threshold(5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(meet)
    assert not failures
