from __future__ import annotations

import os
from pathlib import Path

import pytest

from realdb.errors import DataError, UsageError
from realdb.store import files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make(path: Path, text: str, *, is_folder: bool) -> None:
    if is_folder:
        path.mkdir()
        path = path / "part"
    path.write_text(text)


def text_of(path: Path) -> str:
    return (path / "part" if path.is_dir() else path).read_text()


# Names at the limits of length and with special characters.
NAMES = ["a b.csv", "old", ".hidden", "x" * 252]


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_replacing(tmp_path: Path, name: str, is_folder: bool) -> None:
    target = tmp_path / name
    for text in ("old", "new"):
        with files.replacing(target) as aside:
            assert aside.name == name
            assert aside.parent.parent == tmp_path
            assert aside.parent.name.startswith(".realdb-")
            assert aside.parent.name.endswith(".partial")
            assert not aside.exists()
            make(aside, text, is_folder=is_folder)
            aside.with_name("journal").write_text("beside it")
        assert text_of(target) == text
        assert names(tmp_path) == [name]


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("is_check", [False, True])
def test_a_failed_write_leaves_no_file(
    tmp_path: Path, error: type[BaseException], is_check: bool, is_folder: bool
) -> None:
    target = tmp_path / "out"
    make(target, "old", is_folder=is_folder)

    def fail() -> None:
        raise error

    with pytest.raises(error), files.replacing(target, fail) as aside:
        make(aside, "half", is_folder=is_folder)
        if not is_check:
            raise error
    assert names(tmp_path) == ["out"]
    assert text_of(target) == "old"


@pytest.mark.parametrize("error", [OSError, SystemExit])
@pytest.mark.parametrize("fails_at", [0, 1])
def test_a_folder_that_cannot_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], fails_at: int
) -> None:
    """If the old folder has been moved away, it is moved back."""
    target = tmp_path / "tree"
    make(target, "old", is_folder=True)
    moves: list[Path] = []
    replace = Path.replace

    def failing(path: Path, to: Path) -> Path:
        moves.append(path)
        if len(moves) == fails_at + 1:
            raise error
        return replace(path, to)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(error), files.replacing(target) as aside:
        make(aside, "new", is_folder=True)
    assert text_of(target) == "old"
    assert names(tmp_path) == ["tree"]


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        files.replacing(tmp_path / "nowhere" / "a.csv"),
    ):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_file_has_the_usual_permissions(tmp_path: Path) -> None:
    """The temporary folder is private, and the files made in it have the usual permissions."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "part").touch()
    for is_folder, usual in ((True, tmp_path / "plain"), (False, tmp_path / "plain" / "part")):
        with files.replacing(tmp_path / f"{is_folder}") as aside:
            make(aside, "new", is_folder=is_folder)
        assert (tmp_path / f"{is_folder}").stat().st_mode == usual.stat().st_mode


def test_put(tmp_path: Path) -> None:
    files.put(tmp_path / "a", b"a")
    files.put(tmp_path / "b", tmp_path / "a")
    assert (tmp_path / "b").read_bytes() == b"a"
    assert names(tmp_path) == ["a", "b"]


# Which files may be written.


@pytest.mark.parametrize("name", ["a.parquet", "a.PQ", "a"])
def test_an_existing_parquet_file(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    files.require_parquet(out, force=False)
    out.touch()
    files.require_parquet(out, force=True)
    with pytest.raises(DataError) as caught:
        files.require_parquet(out, force=False)
    assert caught.value.file == str(out)
    assert caught.value.parameter == "force"


def test_a_parquet_file_of_another_name(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    with pytest.raises(UsageError) as caught:
        files.require_parquet(out, force=True)
    error = caught.value
    assert (error.file, error.value, error.parameter) == (str(out), ".csv", "out")
    assert "a.parquet" in str(error)
