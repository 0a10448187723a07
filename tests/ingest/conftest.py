"""Fixtures of the tests of files that are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_folders import tree


@pytest.fixture(scope="session")
def image_folders(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return class folders with the 50,000 images of `synthetic`, and with other files."""
    wordnet_ids = (synthetic / "validation_labels.txt").read_text().split()
    folder = tree(tmp_path_factory.mktemp("folders") / "val", wordnet_ids)
    (folder / "README.txt").touch()
    (folder / "other").mkdir()
    (folder / "other" / "x.txt").touch()
    return folder
