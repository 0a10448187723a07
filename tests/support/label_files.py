"""Files of published label sets for tests: multilabel-v3 as JSON, and the imagenet-x wheel."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import real_files

NAME = "human_accuracy_v3.0.0.json"
_VERDICTS = {
    "correct": "proposed_labels",
    "unclear": "unclear_multi_labels",
    "wrong": "wrong_multi_labels",
}


def write_multilabel(data: Path, out: Path, *, before: int = 0) -> Path:
    """Write `multilabel_v3.csv` in the form of human_accuracy_v3.0.0.json.

    `before` is the number of bytes of other keys before the keys that are read. The CSV does not
    have the 68 images of ImageNet-M, so the first 68 images replace them.
    """
    wordnet_ids = (data / "upstream" / "labels.txt").read_text().split()
    annotations, problematic = {}, {}
    with (data / "assessments" / "multilabel_v3.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            annotations[row["id"]] = {
                verdict: [wordnet_ids[int(label)] for label in row[column].split(",")]
                for verdict, column in _VERDICTS.items()
                if row[column].strip()
            }
            if row["is_problematic"] == "True":
                problematic[row["id"]] = "unclear what is meant"
    with out.open("w", encoding="utf-8") as file:
        file.write('{"other_annots": {')
        written = image = 0
        while written < before:
            image += 1
            other = {
                "experts": [wordnet_ids[image % 900 + place] for place in range(12)],
                "comment": 'a "bagel", {perhaps',
                "scores": [0.25, -1e-3],
            }
            text = f'"ImageNetV2/{image}.jpeg": {json.dumps(other)}, '
            written += file.write(text)
        file.write(f'"last": []}}, "initial_annots": {json.dumps(annotations)}')
        file.write(f', "problematic_images": {json.dumps(problematic)}')
        file.write(f', "imagenet_m": {json.dumps([*annotations][:68])}}}')
    return out


def imagenet_x() -> Path | None:
    """Return the wheel of imagenet-x 0.0.7, if REALDB_IMAGENET_X or the real files have it."""
    named = os.environ.get("REALDB_IMAGENET_X")
    if named:
        return Path(named)
    return next((real_files.FOLDER / "assessments").glob("imagenet_x-0.0.7-*.whl"), None)
