"""A store with the other assessments of the real images."""

from __future__ import annotations

import warnings
from pathlib import Path

import label_files
import pytest
import real_files

import realdb
from realdb.store.store import Store

FOLDER = real_files.FOLDER / "assessments"
RELEASES = ("biodiversity", "cleanlab-mturk", "vit3b-mistakes", "greedy-soups-mistakes")


def add_all(store: Store, folder: Path) -> None:
    """Add every label set to the store but imagenet-x; `folder` takes a file that is written."""
    multilabel = label_files.write_multilabel(real_files.FOLDER, folder / label_files.NAME)
    with warnings.catch_warnings():
        # It is no copy of the published file, byte for byte.
        warnings.simplefilter("ignore", realdb.RealdbWarning)
        realdb.add_labels("multilabel-v3", source=multilabel, store=store.root)
        for name in RELEASES:
            realdb.add_labels(name, source=FOLDER, store=store.root)


def add_imagenet_x(store: Store) -> None:
    """Add imagenet-x; skip the test where its wheel is not here."""
    wheel = label_files.imagenet_x()
    if wheel is None or not wheel.exists():
        pytest.skip("the wheel imagenet-x==0.0.7 is not here: REALDB_IMAGENET_X names it")
    realdb.add_labels("imagenet-x", source=wheel, store=store.root)
