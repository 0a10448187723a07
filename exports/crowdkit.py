"""The votes for crowd-kit: a CSV with the columns task, worker and label.

task: the question, IMAGE_ID/CLASS_ID. 293/388 means: does image 293 show class 388?
worker: the rater's id
label: the answer: no, maybe or yes

The votes are those of the main round (raters.npz), by question, then rater. A CSV cannot have a
notice.
"""

from __future__ import annotations

from ..errors import DataError
from ..schema import quoting
from .registry import Export


def no_votes() -> DataError:
    """Return the error for images without votes."""
    return DataError(
        "none of these images has votes, which are read from raters.npz",
        file="raters.npz",
        count=0,
        parameter="where",
        remedy="Export images of the subset rated. Only these have votes",
    )


def write(export: Export) -> int:
    """Write the votes; return their number. Raises DataError if these images have none."""
    ((votes,),) = export.con.execute(
        f"""
        copy (
            select
                concat(v.image_id, '/', v.label) as task,
                v.rater_id as worker,
                v.answer as label
            from votes as v
            semi join exported as e on v.image_id = e.image_id
            where v.round = 'main'
            order by v.image_id, v.label, v.rater_id
        )
        to {quoting.literal(quoting.file_name(export.path))} (format csv, header)
        """  # noqa: S608, the path is quoted
    ).fetchall()
    if not votes:
        raise no_votes()
    return int(votes)
