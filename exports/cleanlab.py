"""The votes for cleanlab.multiannotator: a row for each question, a column for each rater.

cleanlab's examples are the questions: does this image show this class? Its classes are the answers:
0 no, 1 maybe, 2 yes. NULL means that the rater did not see the question. The file is Parquet:

image_id, label: the question (int32, int16); use them as the index
RATER_ID: the rater's answer (int8); one column for each rater who voted on these images, by id

pandas reads NULL as NaN, which cleanlab expects:
labels_multiannotator = pd.read_parquet(OUT).set_index(["image_id", "label"])
"""

from __future__ import annotations

from pathlib import Path

from . import crowdkit
from .registry import Export


def write(export: Export) -> int:
    """Write the matrix of the main round (raters.npz); return the number of votes.

    Raises DataError if these images have none.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = export.con.execute(
        """
        select
            v.image_id,
            v.label,
            v.rater_id,
            case v.answer when 'no' then 0 when 'maybe' then 1 else 2 end as answer,
            dense_rank() over (order by v.image_id, v.label) - 1 as question
        from votes as v
        semi join exported as e on v.image_id = e.image_id
        where v.round = 'main'
        order by v.image_id, v.label, v.rater_id
        """
    ).fetchnumpy()
    if not len(found["question"]):
        raise crowdkit.no_votes()
    _, first = np.unique(found["question"], return_index=True)
    raters, rater = np.unique(found["rater_id"], return_inverse=True)
    answers = np.full((len(raters), len(first)), -1, np.int8)
    answers[rater, found["question"]] = found["answer"]
    columns = {
        "image_id": pa.array(found["image_id"][first], pa.int32()),
        "label": pa.array(found["label"][first], pa.int16()),
    }
    columns |= {
        str(one): pa.array(row, mask=row < 0) for one, row in zip(raters, answers, strict=True)
    }
    table = pa.table(columns).replace_schema_metadata(dict(export.notice))
    pq.write_table(table, export.path, compression="zstd")
    return len(rater)


def count(path: Path) -> int:
    """Count the votes in the file at `path`."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return sum(len(column) - column.null_count for column in table.columns[2:])
