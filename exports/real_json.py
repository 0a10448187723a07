"""real.json in the upstream format: a list of 50,000 lists of class ids, image 1 first."""

from __future__ import annotations

import json
from pathlib import Path

from .registry import Export


def write(export: Export) -> int:
    """Write the lists; return their number. The file is byte-identical to the published one.

    At another operating point a list has its published labels first, in their order, then other
    labels in ascending order.
    """
    images = export.con.execute("select image_id from images order by image_id").fetchall()
    lists: dict[int, list[int]] = {image: [] for (image,) in images}
    labels = export.con.execute("select image_id, label from labels order by image_id, position")
    for image, label in labels.fetchall():
        lists[image].append(label)
    export.path.write_text(json.dumps(list(lists.values())), encoding="ascii")
    return len(lists)


def count(path: Path) -> int:
    """Count the lists in the file at `path`."""
    return len(json.loads(path.read_bytes()))
