"""scores.npz in the upstream format.

tensor: float64 (questions,), the score of each question
info: <U28 (questions, 2), the image's file name and the class id of each question
"""

from __future__ import annotations

from pathlib import Path

from . import npz
from .registry import Export


def write(export: Export) -> int:
    """Write the arrays; return the number of questions."""
    import numpy as np

    scores = export.con.execute(
        """
        select s.score
        from questions as q
        inner join scores as s on q.image_id = s.image_id and q.label = s.label
        order by q.position
        """
    ).fetchnumpy()["score"]
    info = npz.info(export.con, "main")
    npz.write(
        export.path,
        {"tensor": (np.dtype(np.float64), scores.shape, [scores]), "info": npz.whole(info)},
    )
    return len(scores)


def count(path: Path) -> int:
    """Count the questions in the file at `path`."""
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        return len(arrays["tensor"])
