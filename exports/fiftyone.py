"""The labels for FiftyOne: the labels.json of a FiftyOneImageClassificationDataset.

classes: the 1,000 WordNet ids, class 0 first
labels: maps each file name without suffix to the list of its ReaL labels as class ids, in the order
    of real.json; empty if the image has none. FiftyOne reads it as Classifications.
realdb: the notice, which FiftyOne ignores

fo.Dataset.from_dir(
    dataset_type=fo.types.FiftyOneImageClassificationDataset, data_path=IMAGES, labels_path=OUT
)

IMAGES must be a flat folder, because FiftyOne includes subfolders in the names of images.
"""

from __future__ import annotations

import json
from pathlib import Path

from . import classes
from .registry import Export


def write(export: Export) -> int:
    """Write the labels; return the number of images."""
    rows = export.con.execute(
        """
        select
            i.file_name,
            list(l.label order by l.position) filter (where l.label is not null) as labels
        from images as i
        semi join exported as e on i.image_id = e.image_id
        left join labels as l on i.image_id = l.image_id
        group by i.image_id, i.file_name
        order by i.image_id
        """
    ).fetchall()
    content = {
        "classes": classes.wordnet_ids(export.con),
        "labels": {Path(file_name).stem: labels or [] for file_name, labels in rows},
        "realdb": dict(export.notice),
    }
    export.path.write_text(json.dumps(content), encoding="utf-8")
    return len(rows)


def count(path: Path) -> int:
    """Count the images in the file at `path`."""
    return len(json.loads(path.read_bytes())["labels"])
