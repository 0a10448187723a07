"""Votes as crowd-kit reads them: a CSV with the columns task, worker and label.

task: the question, IMAGE_ID/CLASS_ID: 293/388 asks whether image 293 shows class 388
worker: the rater's id
label: the answer: no, maybe or yes

The votes are those of the main round (raters.npz), by question, then rater. A CSV has no room for a
notice.
"""

from __future__ import annotations

from ..errors import DataError
from ..schema import quoting
from .registry import Export


def no_votes() -> DataError:
    """Return the error for images of which none has votes."""
    return DataError(
        "none of these images has votes, which come from raters.npz",
        file="raters.npz",
        count=0,
        parameter="where",
        remedy="Export images of the subset rated: only they have votes",
    )


def write(export: Export) -> int:
    """Write the votes; return how many. Raises DataError where these images have none."""
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
