from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import realdb
from realdb import cli
from realdb.api.verify import check_table
from realdb.store.store import Store, resolve


def by_name(root: Path) -> dict[str, realdb.Check]:
    return {check.check: check for check in realdb.verify(store=root)}


def test_the_real_store_is_sound(real_store: Store) -> None:
    checks = realdb.verify(store=real_store.root)
    assert [check for check in checks if not check.is_passed] == []
    assert len(check_table(checks)) == len(checks) > 2 * len(real_store.tables)


def test_files_that_are_not_published_pass(synthetic_store: Store) -> None:
    found = by_name(synthetic_store.root)
    assert found["published sources"].is_passed is None
    assert "real.json" in found["published sources"].found
    assert found["scores by votes"].is_passed
    assert not [check for check in found.values() if check.is_passed is False]


def test_missing_files_are_named(bare_store: Store) -> None:
    found = by_name(bare_store.root)
    assert found["scores by votes"].is_passed is None
    assert "raters.npz" in found["scores by votes"].found
    assert found["labels by score"].is_passed is None


@pytest.fixture
def copied(synthetic_store: Store, tmp_path: Path) -> Store:
    return resolve(Path(shutil.copytree(synthetic_store.root, tmp_path / "copied")))


def forget_checksums(store: Store) -> None:
    """Make the build one of an older realdb, which kept no checksums."""
    manifest = store.folder / "manifest.json"
    kept = json.loads(manifest.read_text(encoding="utf-8"))
    del kept["checksums"], kept["checksum"]
    manifest.write_text(json.dumps(kept), encoding="utf-8")


def change_a_score(copied: Store) -> None:
    path = copied.parquet("scores")
    table = pq.read_table(path)
    changed = table.column("score").to_numpy().copy()
    changed[0] = 1 - changed[0]
    pq.write_table(table.set_column(2, "score", [changed]), path)


def test_a_changed_file_is_found(copied: Store) -> None:
    expected = copied.checksums["scores"]
    change_a_score(copied)
    found = by_name(copied.root)
    assert [check.check for check in found.values() if check.is_passed is False] == [
        "file of scores"
    ]
    assert expected[:12] in found["file of scores"].found
    assert "scores by votes" not in found


def test_a_failed_check_is_a_message(
    copied: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table may shorten the text of a failed check."""
    monkeypatch.setenv("COLUMNS", "80")
    change_a_score(copied)
    words = ["verify", "--store", str(copied.root), "--format", "table"]
    assert cli.app(words, standalone_mode=False) == 1
    found = by_name(copied.root)["file of scores"].found
    out, err = capsys.readouterr()
    assert found not in out
    assert found in err
    assert len(err.splitlines()) == 1


def test_changes_are_found_by_votes_without_checksums(copied: Store) -> None:
    change_a_score(copied)
    forget_checksums(copied)
    found = by_name(copied.root)
    assert found["file of scores"].is_passed is True
    assert found["key of scores"].is_passed is True
    assert found["scores by votes"].is_passed is False


@pytest.mark.parametrize("damage", ["cut", "gone", "empty"])
def test_a_file_that_cannot_be_read_is_a_failed_check(damage: str, copied: Store) -> None:
    path = copied.parquet("labels")
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[:-50] if damage == "cut" else b"")
    assert by_name(copied.root)["file of labels"].is_passed is False
    forget_checksums(copied)
    assert by_name(copied.root)["file of labels"].is_passed is False


def test_a_repeated_key_is_found(copied: Store) -> None:
    path = copied.parquet("votes")
    table = pq.read_table(path)
    pq.write_table(table.take([0, 0, *range(2, len(table))]), path)
    forget_checksums(copied)
    assert by_name(copied.root)["key of votes"].is_passed is False


def test_stored_predictions_are_read(copied: Store, synthetic: Path) -> None:
    realdb.add(synthetic / "predictions" / "model_a.csv", store=copied.root)
    found = by_name(copied.root)["stored predictions"]
    assert found.is_passed
    assert "50,000 rows" in found.found
    (file,) = (copied.root / "predictions").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-100])
    found = by_name(copied.root)["stored predictions"]
    assert found.is_passed is False
    assert file.name in found.found


def test_older_builds_have_no_checksums(copied: Store) -> None:
    forget_checksums(copied)
    assert resolve(copied.root).checksums == {}
    assert by_name(copied.root)["file of labels"].is_passed
