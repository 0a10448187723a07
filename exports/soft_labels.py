"""Soft labels: a matrix of images by classes, as .npz or .parquet by the suffix of OUT.

A cell is the probability, float32, that the class is right for the image:

by="score": the question's score, the published probability (scores.npz)
by="votes": the share of yes in the question's votes; maybe does not count as yes (raters.npz)

A class that raters were not asked about has 0. An image that was not rated has 1 for its only label
and 0 for other classes. Several classes may be right for an image, so rows do not sum to 1.

.npz: soft_labels float32 (images, 1000), image_ids int32 (images,), file_names <U28 (images,),
    is_rated bool (images,), notice: JSON text
.parquet: a row for each image with image_id, file_name, is_rated, soft_label (a list of 1,000
    floats); the notice is in the key-value metadata
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..schema.tables import CLASSES
from . import npz
from .registry import Export

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_IMAGES = 1000
_QUESTIONS = {
    "score": """
        select q.image_id, q.label, q.score as likelihood
        from scores as q
        """,
    "votes": """
        select
            q.image_id,
            q.label,
            count_if(q.answer = 'yes') / count(*) as likelihood
        from votes as q
        where q.round = 'main'
        group by q.image_id, q.label
        """,
}


def write(export: Export) -> int:
    """Write the matrix, by image; return the number of images.

    Raises UsageError for another suffix or value of `by`.
    """
    suffix = export.target.suffix.lower() if export.target else ""
    by = export.options.get("by", "score")
    if suffix not in (".npz", ".parquet"):
        raise UsageError(
            "the suffix of `out` must be .npz or .parquet for soft-labels",
            file=export.target,
            value=suffix,
            parameter="out",
        )
    if by not in _QUESTIONS:
        raise UsageError(
            f"`by` is {by!r}. It must be one of {', '.join(_QUESTIONS)}",
            value=by,
            parameter="by",
        )
    images = export.con.execute(
        """
        select i.image_id, i.file_name, i.is_rated
        from images as i
        semi join exported as e on i.image_id = e.image_id
        order by i.image_id
        """
    ).fetchnumpy()
    cells = export.con.execute(
        f"""
        with questions_asked as ({_QUESTIONS[by]}),

        likelihoods as (
            from questions_asked
            union all
            select l.image_id, l.label, 1 as likelihood
            from labels as l
            inner join images as i on l.image_id = i.image_id
            where not i.is_rated
        )

        from likelihoods as c
        semi join exported as e on c.image_id = e.image_id
        order by c.image_id, c.label
        """  # noqa: S608, one of the two queries above
    ).fetchnumpy()
    (_write_npz if suffix == ".npz" else _write_parquet)(export, images, cells)
    return len(images["image_id"])


def count(path: Path) -> int:
    """Count the images in the file at `path`."""
    import numpy as np
    import pyarrow.parquet as pq

    if not zipfile.is_zipfile(path):
        return int(pq.read_metadata(path).num_rows)
    with zipfile.ZipFile(path) as archive, archive.open("soft_labels.npy") as file:
        np.lib.format.read_magic(file)
        shape, _, _ = np.lib.format.read_array_header_1_0(file)
        return shape[0]


def _blocks(
    images: Mapping[str, npt.NDArray[Any]], cells: Mapping[str, npt.NDArray[Any]]
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the matrix in blocks of a thousand images. The whole matrix has 200 MB."""
    import numpy as np

    row = np.searchsorted(images["image_id"], cells["image_id"])
    for start in range(0, len(images["image_id"]), _IMAGES):
        stop = min(start + _IMAGES, len(images["image_id"]))
        mine = slice(*np.searchsorted(row, [start, stop]))
        block = np.zeros((stop - start, CLASSES), np.float32)
        block[row[mine] - start, cells["label"][mine]] = cells["likelihood"][mine]
        yield block


def _write_npz(
    export: Export, images: Mapping[str, npt.NDArray[Any]], cells: Mapping[str, npt.NDArray[Any]]
) -> None:
    import numpy as np

    shape = (len(images["image_id"]), CLASSES)
    npz.write(
        export.path,
        {
            "soft_labels": (np.dtype(np.float32), shape, _blocks(images, cells)),
            "image_ids": npz.whole(images["image_id"].astype(np.int32)),
            "file_names": npz.whole(images["file_name"].astype("<U28")),
            "is_rated": npz.whole(np.asarray(images["is_rated"]).astype(np.bool_)),
            "notice": npz.whole(np.array(json.dumps(dict(export.notice)))),
        },
    )


def _write_parquet(
    export: Export, images: Mapping[str, npt.NDArray[Any]], cells: Mapping[str, npt.NDArray[Any]]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = pa.table(
        {
            "image_id": pa.array(images["image_id"], pa.int32()),
            "file_name": pa.array(images["file_name"], pa.string()),
            "is_rated": pa.array(images["is_rated"], pa.bool_()),
        }
    )
    kind = pa.list_(pa.float32(), CLASSES)
    schema = about.schema.append(pa.field("soft_label", kind)).with_metadata(dict(export.notice))
    with pq.ParquetWriter(export.path, schema, compression="zstd") as writer:
        for place, block in enumerate(_blocks(images, cells)):
            column = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), CLASSES)
            rows = about.slice(place * _IMAGES, len(block)).append_column("soft_label", column)
            writer.write_table(rows.cast(schema))
