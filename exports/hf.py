"""A folder for Hugging Face `datasets`: load_dataset(OUT, split="validation").

data/validation-00000-of-00001.parquet has a row for each image. Its features are:

image_id: Value int32, from 1
file_name: Value string
original_label: ClassLabel
is_rated: Value bool
real_labels: a list of ClassLabel, in the order of real.json; empty if the image has none

The names of the classes are their WordNet ids, class 0 first. The images themselves are not
included. README.md is the dataset card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import classes
from .registry import Export

_FILE = "data/validation-00000-of-00001.parquet"
_CARD = """\
---
pretty_name: ImageNet validation set with ReaL labels
license: apache-2.0
task_categories:
- image-classification
size_categories:
- 10K<n<100K
configs:
- config_name: default
  data_files:
  - split: validation
    path: {file}
---

# ImageNet validation set with ReaL labels

{images:,} images of the ImageNet (ILSVRC 2012) validation set, by name, with their original and
their ReaL labels. The images themselves are not included. The names of classes are WordNet ids.

- `image_id`: the number in the file name, from 1
- `file_name`
- `original_label`: the ILSVRC 2012 label
- `is_rated`: raters were asked about the image
- `real_labels`: the ReaL labels. An image without ReaL labels has an empty list, and does not count
  for ReaL accuracy.

{license}.

{citation}.

Written by realdb {realdb_version}.
"""


def write(export: Export) -> int:
    """Write the folder; return the number of images."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = classes.wordnet_ids(export.con)
    file = export.path / _FILE
    file.parent.mkdir(parents=True)
    # `datasets` needs columns of exactly the types of the features. DuckDB would write some columns
    # as NOT NULL.
    schema = pa.schema(
        {
            "image_id": pa.int32(),
            "file_name": pa.string(),
            "original_label": pa.int64(),
            "is_rated": pa.bool_(),
            "real_labels": pa.list_(pa.int64()),
        },
        metadata={"huggingface": json.dumps(_features(names)), **export.notice},
    )
    rows = export.con.sql(
        """
        select
            i.image_id,
            i.file_name,
            i.original_label,
            i.is_rated,
            coalesce(
                list(l.label order by l.position) filter (where l.label is not null), []
            ) as real_labels
        from images as i
        semi join exported as e on i.image_id = e.image_id
        left join labels as l on i.image_id = l.image_id
        group by i.image_id, i.file_name, i.original_label, i.is_rated
        order by i.image_id
        """
    ).to_arrow_table()
    images: int = rows.num_rows
    pq.write_table(rows.cast(schema), file, compression="zstd")
    card = _CARD.format(file=_FILE, images=images, **export.notice)
    (export.path / "README.md").write_text(card, encoding="utf-8")
    return images


def count(path: Path) -> int:
    """Count the images in the folder at `path`."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path / _FILE).num_rows)


def _features(names: list[str]) -> dict[str, Any]:
    """Return the features of the columns, for the metadata of a Parquet file."""
    label = {"names": names, "_type": "ClassLabel"}
    return {
        "info": {
            "features": {
                "image_id": {"dtype": "int32", "_type": "Value"},
                "file_name": {"dtype": "string", "_type": "Value"},
                "original_label": label,
                "is_rated": {"dtype": "bool", "_type": "Value"},
                # The name before version 4. Later versions read it as List.
                "real_labels": {"feature": label, "_type": "Sequence"},
            }
        }
    }
