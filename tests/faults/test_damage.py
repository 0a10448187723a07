"""Flipped bits and cuts in the files of a store: no figure changes; errors name the file."""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import realdb
from campaigns import number
from realdb.errors import RealdbError, StoreError
from realdb.store.store import Store

# Of models without all images realdb warns.
pytestmark = pytest.mark.filterwarnings("ignore::realdb.RealdbWarning")
QUERY = "select count(*), sum(label), sum(score) from rated_questions"


@pytest.fixture
def root(synthetic_store: Store, short_predictions: list[Path], tmp_path: Path) -> Path:
    root = Path(shutil.copytree(synthetic_store.root, tmp_path / "store"))
    realdb.add(*short_predictions, store=root)
    return root


def questions(root: Path, model: Path) -> list[tuple[str, Callable[[], Any]]]:
    """Return the queries that are run on a store, by name."""
    return [
        ("accuracy", lambda: realdb.accuracy(model, store=root)),
        ("query", lambda: realdb.query(QUERY, store=root).fetchall()),
        ("stored", lambda: realdb.query("from accuracy order by all", store=root).fetchall()),
        ("leaderboard", lambda: realdb.leaderboard(store=root).fetchall()),
        ("models", lambda: realdb.models(store=root).fetchall()),
        ("explain", lambda: realdb.explain(26, store=root)),
        ("scores", lambda: realdb.scores(store=root).counts.fetchall()),
    ]


def damage(content: bytes, rng: random.Random) -> bytes:
    """Return the content with a bit flipped, or cut short."""
    if rng.random() < 0.7:
        place = rng.randrange(8 * len(content))
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        return bytes(damaged)
    return content[: rng.randrange(len(content))]


def test_damage_never_changes_a_figure(root: Path, short_predictions: list[Path]) -> None:
    asked = questions(root, short_predictions[0])
    expected = {name: ask() for name, ask in asked}
    info = realdb.info(store=root).fetchall()
    files = sorted(
        path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")
    )
    # CURRENT, the manifest, the tables, two models with their checksums, two databases.
    assert len(files) >= 1 + 1 + 9 + 4 + 2
    rng = random.Random(0)
    refused = 0
    turns = number(5, 500, more=9)
    for turn in range(turns):
        # Every third file, so that a few faults reach files of each kind.
        path = files[3 * turn % len(files)]
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(damage(content, rng))
        try:
            errors = []
            for name, ask in asked:
                try:
                    assert ask() == expected[name], f"{name} after damage to {path}"
                except RealdbError as error:
                    errors.append(error)
                    assert isinstance(error, StoreError)
                    assert error.remedy
            refused += bool(errors)
            checks, rows = verified(root), read_info(root)
            table = path.stem if path.parent.name == "tables" else None
            if table:
                assert checks[f"file of {table}"] is False
                assert {row[7] for row in rows if row[0] == table} == {False}
                assert errors or table == "build", "nobody has noticed"
            elif path.suffix == ".parquet":
                assert checks["stored predictions"] is False
                assert {str(path)} == {error.file for error in errors}
            elif path.parent.parent.name == "builds" and path.suffix == ".duckdb":
                assert checks["file of realdb.duckdb"] is False
            if not table:
                assert rows in (None, info)
        finally:
            path.write_bytes(content)
    assert refused > turns * 0.5
    assert {name: ask() for name, ask in asked} == expected
    assert False not in verified(root).values()


def verified(root: Path) -> dict[str, bool | None]:
    """Return the checks of a store; none if CURRENT or the manifest is damaged."""
    try:
        return {check.check: check.is_passed for check in realdb.verify(store=root)}
    except StoreError as error:
        assert error.file is not None
        assert Path(error.file).name in ("CURRENT", "manifest.json", root.name)
        return {}


def read_info(root: Path) -> list[Any] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", realdb.RealdbWarning)
        try:
            return realdb.info(store=root).fetchall()
        except StoreError as error:
            assert error.file is not None
            assert Path(error.file).name in ("CURRENT", "manifest.json", root.name)
            return None
