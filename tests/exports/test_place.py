from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from realdb.errors import DataError, UsageError
from realdb.exports import place

NOTICE = {"realdb_version": "1"}


def put(target: Path, text: str, *, force: bool = False, is_folder: bool = False) -> None:
    with place.aside(target, is_folder=is_folder, force=force, notice=NOTICE) as made:
        assert not made.exists()
        if is_folder:
            made.mkdir()
            made = made / "part"
        made.write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file(tmp_path: Path) -> None:
    put(tmp_path / "a b.csv", "new")
    assert names(tmp_path) == ["a b.csv"]
    assert (tmp_path / "a b.csv").read_text() == "new"


def test_an_existing_file_is_kept_without_force(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    with pytest.raises(DataError) as caught:
        put(target, "new")
    assert (caught.value.file, caught.value.parameter) == (str(target), "force")
    assert "`force=True`" in str(caught.value)
    assert target.read_text() == "old"
    put(target, "new", force=True)
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.csv"]


def test_a_file_created_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with (
        pytest.raises(DataError) as caught,
        place.aside(target, is_folder=False, force=False, notice=NOTICE) as made,
    ):
        made.write_text("new")
        target.write_text("theirs")
    assert (caught.value.file, caught.value.parameter) == (str(target), "force")
    assert target.read_text() == "theirs"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failed_write_leaves_no_file(
    tmp_path: Path, error: type[BaseException], is_folder: bool
) -> None:
    target = tmp_path / "out"
    put(target, "old", is_folder=is_folder)
    with (
        pytest.raises(error),
        place.aside(target, is_folder=is_folder, force=True, notice=NOTICE) as made,
    ):
        made.with_name("out-journal").write_text("beside it")
        made.write_text("half")
        raise error
    assert names(tmp_path) == ["out"]
    assert (target / "part" if is_folder else target).read_text() == "old"


def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError) as caught,
        place.aside(tmp_path / "a.csv", is_folder=False, force=False, notice=NOTICE),
    ):
        raise OSError(28, "No space left on device")
    assert (caught.value.file, caught.value.value) == (str(tmp_path / "a.csv"), "28")
    assert "No space left on device" in str(caught.value)
    assert names(tmp_path) == []


def test_a_folder_has_its_description(tmp_path: Path) -> None:
    put(tmp_path / "tree", "new", is_folder=True)
    assert names(tmp_path / "tree") == ["_realdb.json", "part"]
    assert json.loads((tmp_path / "tree" / "_realdb.json").read_text()) == NOTICE


def test_a_realdb_folder_is_replaced_with_force(tmp_path: Path) -> None:
    target = tmp_path / "tree"
    put(target, "old", is_folder=True)
    (target / "more").write_text("old")
    with pytest.raises(DataError) as caught:
        put(target, "new", is_folder=True)
    assert (caught.value.file, caught.value.parameter) == (str(target), "force")
    put(target, "new", is_folder=True, force=True)
    assert names(target) == ["_realdb.json", "part"]
    assert (target / "part").read_text() == "new"
    assert names(tmp_path) == ["tree"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    put(tmp_path / "tree", "new", is_folder=True)
    assert names(tmp_path / "tree") == ["_realdb.json", "part"]


def test_a_foreign_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("mine")
    with pytest.raises(DataError) as caught:
        put(tmp_path / "home", "new", is_folder=True, force=True)
    assert (caught.value.file, caught.value.value) == (str(tmp_path / "home"), "_realdb.json")
    assert names(tmp_path / "home") == ["thesis.tex"]


@pytest.mark.parametrize(
    ("make", "is_folder"), [(Path.mkdir, False), (Path.touch, True)], ids=["folder", "file"]
)
def test_a_file_and_a_folder_do_not_replace_each_other(
    tmp_path: Path, make: Callable[[Path], None], is_folder: bool
) -> None:
    make(tmp_path / "out")
    with pytest.raises(DataError) as caught:
        put(tmp_path / "out", "new", is_folder=is_folder, force=True)
    assert caught.value.file == str(tmp_path / "out")
    assert caught.value.value == ("folder" if is_folder else "file")
    assert names(tmp_path) == ["out"]


def test_a_missing_parent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        put(tmp_path / "nowhere" / "a.csv", "new")
    assert caught.value.file == str(tmp_path / "nowhere" / "a.csv")
    assert caught.value.value == str(tmp_path / "nowhere")


def test_the_longest_name(tmp_path: Path) -> None:
    target = tmp_path / f"{'x' * 248}.csv"
    put(target, "new")
    assert target.read_text() == "new"


@pytest.mark.parametrize(("is_text", "is_terminal"), [(False, False), (True, True)])
def test_standard_output(
    is_text: bool,
    is_terminal: bool,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    with place.standard_output("csv", is_text=is_text) as made:
        made.write_bytes(b"new")
    assert capfdbinary.readouterr().out == b"new"


def test_a_terminal_shows_no_binary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(UsageError) as caught, place.standard_output("parquet", is_text=False):
        pass
    assert (caught.value.value, caught.value.parameter) == ("parquet", "out")
