"""The arrays of the upstream .npz files, and a writer that streams them.

tensor: float64 (raters, questions, 3), 1 for the rater's answer (no, maybe, yes), else 0
info: <U28 (questions, 2), the image's file name and the class id of each question
ids: int64 (raters,), the raters' ids
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import QueryError
from .registry import Export

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt

    Member = tuple[np.dtype[Any], tuple[int, ...], Iterable[npt.NDArray[Any]]]

_FILES = {"main": "raters.npz", "golden": "raters_golden.npz", "expert": "golden.npz"}
# Bytes; a multiple of the size of float64.
_BLOCK = 1 << 22
# A zip has a time for each member. A fixed time makes equal arrays equal bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def votes(export: Export, round_name: str) -> int:
    """Write the votes of a round as tensor, info and ids; return their number.

    The dense tensor of raters.npz has 377 MB. It is computed and compressed one rater at a time.
    Raises QueryError if the store has no votes of the round.
    """
    import numpy as np

    found = export.con.execute(
        """
        select
            v.rater_id,
            case when $round = 'main' then q.position else q.golden_position end as question,
            case v.answer when 'no' then 0 when 'maybe' then 1 else 2 end as answer
        from votes as v
        inner join questions as q on v.image_id = q.image_id and v.label = q.label
        where v.round = $round
        """,
        {"round": round_name},
    ).fetchnumpy()
    if not len(found["rater_id"]):
        raise QueryError(
            f"this store does not have these votes, which are read from {_FILES[round_name]}",
            file=_FILES[round_name],
            remedy="Build the store again with this file: realdb ingest FOLDER",
        )
    ids = _ids(export.con, round_name)
    questions = info(export.con, round_name)
    order = np.argsort(found["rater_id"], kind="stable")
    rater, question, answer = (
        np.asarray(found[name])[order] for name in ("rater_id", "question", "answer")
    )

    def blocks() -> Iterator[npt.NDArray[Any]]:
        for one in ids:
            cells = np.zeros((len(questions), 3))
            mine = slice(*np.searchsorted(rater, [one, one + 1]))
            cells[question[mine], answer[mine]] = 1
            yield cells

    shape = (len(ids), len(questions), 3)
    write(
        export.path,
        {
            "tensor": (np.dtype(np.float64), shape, blocks()),
            "info": whole(questions),
            "ids": whole(ids),
        },
    )
    return len(rater)


def count_votes(path: Path) -> int:
    """Count the votes in the file at `path`, a few megabytes at a time."""
    import numpy as np

    with zipfile.ZipFile(path) as archive, archive.open("tensor.npy") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        blocks = iter(lambda: file.read(_BLOCK), b"")
        return sum(int(np.count_nonzero(np.frombuffer(block))) for block in blocks)


def info(con: duckdb.DuckDBPyConnection, round_name: str) -> npt.NDArray[Any]:
    """Return the questions of a round, <U28 (questions, 2), in the order of its file."""
    import numpy as np

    found = con.execute(
        """
        select
            i.file_name,
            q.label,
            case when $round = 'main' then q.position else q.golden_position end as place
        from questions as q
        inner join images as i on q.image_id = i.image_id
        where $round = 'main' or q.golden_position is not null
        order by place
        """,
        {"round": round_name},
    ).fetchnumpy()
    return np.stack([found["file_name"].astype("<U28"), found["label"].astype("<U28")], axis=1)


def whole(array: npt.NDArray[Any]) -> Member:
    """Return a member for an array that fits into memory."""
    return array.dtype, array.shape, [array]


def write(path: Path, members: Mapping[str, Member]) -> None:
    """Write an .npz of `members`: each has a dtype, a shape, and blocks of rows."""
    import numpy as np

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (dtype, shape, blocks) in members.items():
            about = zipfile.ZipInfo(f"{name}.npy", _NO_TIME)
            about.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(about, "w", force_zip64=True) as file:
                header = {
                    "descr": np.lib.format.dtype_to_descr(dtype),
                    "fortran_order": False,
                    "shape": shape,
                }
                np.lib.format.write_array_header_1_0(file, header)
                for block in blocks:
                    file.write(np.asarray(block, dtype).tobytes())


def _ids(con: duckdb.DuckDBPyConnection, round_name: str) -> npt.NDArray[np.int64]:
    """Return the raters of a round in the order of its file."""
    import numpy as np

    found = con.execute(
        """
        select
            r.rater_id,
            case when $round = 'golden' then r.golden_position else r.position end as place
        from raters as r
        where case
            when $round = 'golden' then r.golden_position is not null
            else r.position is not null and r.is_expert = ($round = 'expert')
        end
        order by place
        """,
        {"round": round_name},
    ).fetchnumpy()
    return np.asarray(found["rater_id"]).astype(np.int64)
