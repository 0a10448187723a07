"""Class folders with the validation images, without content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def tree(folder: Path, wordnet_ids: Sequence[str]) -> Path:
    """Write the first images, one for each of `wordnet_ids`, into class folders."""
    first: dict[str, Path] = {}
    for image_id, wordnet_id in enumerate(wordnet_ids, start=1):
        path = folder / wordnet_id / f"ILSVRC2012_val_{image_id:08d}.JPEG"
        if wordnet_id in first:
            path.hardlink_to(first[wordnet_id])  # faster than a file
        else:
            path.parent.mkdir(parents=True)
            path.touch()
            first[wordnet_id] = path
    return folder
