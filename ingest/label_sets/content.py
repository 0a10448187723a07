"""The content of a label set, as its reader returns it, and the checks of all readers."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import DataError, QueryError
from ...schema import quoting
from ...schema.tables import CLASSES, IMAGES
from .. import image_names

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt

VERDICTS = ("correct", "unclear", "wrong")
# The number of values that a message shows.
_SHOWN = 3


@dataclass(kw_only=True)
class Content:
    """The rows of a label set, in any order. If `name` is None, the name is that of the release.

    image_id, label, verdict (its index in VERDICTS) and score are the columns of the assessments.
    score is NaN if it is missing. flags are (image_id, flag, value), class_groups (grouping, label,
    group), and image_groups (grouping, image_id, group).
    """

    name: str | None = None
    title: str | None = None
    image_id: array[int] = field(default_factory=lambda: array("i"))
    label: array[int] = field(default_factory=lambda: array("i"))
    verdict: array[int] = field(default_factory=lambda: array("b"))
    score: array[float] = field(default_factory=lambda: array("d"))
    flags: list[tuple[int, str, str | None]] = field(default_factory=list)
    class_groups: list[tuple[str, int, str]] = field(default_factory=list)
    image_groups: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, image_id: int, label: int, verdict: str, score: float = float("nan")) -> None:
        """Add an assessment."""
        self.image_id.append(image_id)
        self.label.append(label)
        self.verdict.append(VERDICTS.index(verdict))
        self.score.append(score)

    def check(self, refuse: Callable[..., DataError]) -> None:
        """Raise the error that `refuse` returns if a label of an image is judged more than once.

        `refuse` takes a text and the fields of a RealdbError.
        """
        import numpy as np

        key = np.asarray(self.image_id, np.int64) * CLASSES + np.asarray(self.label, np.int64)
        _, first, counts = np.unique(key, return_index=True, return_counts=True)
        repeated = first[counts > 1]
        if not len(repeated):
            return
        place = int(repeated.min())
        verdicts = {
            VERDICTS[self.verdict[other]] for other in np.flatnonzero(key == key[place]).tolist()
        }
        named = image_names.file_name(self.image_id[place])
        raise refuse(
            f"labels of an image are judged more than once ({len(repeated):,} in total): label "
            f"{self.label[place]} of {named} as {' and '.join(sorted(verdicts))}",
            column="label",
            value=self.label[place],
            count=len(repeated),
        )

    def insert(self, con: duckdb.DuckDBPyConnection, label_set: str) -> None:
        """Insert the rows into the tables of `con`, under the name `label_set`."""
        import numpy as np

        columns = {
            "image_id": np.asarray(self.image_id, np.int32),
            "label": np.asarray(self.label, np.int16),
            "verdict": np.asarray(self.verdict, np.int8),
            "score": np.asarray(self.score, np.float64),
        }
        con.register("input_rows", columns)
        con.execute(
            """
            insert into stored_assessments
            select
                $1,
                image_id,
                label,
                case verdict when 0 then $2 when 1 then $3 else $4 end,
                nullif(score, 'nan'::double)
            from input_rows
            """,
            [label_set, *VERDICTS],
        )
        con.unregister("input_rows")
        _insert(con, "image_flags", [(label_set, *flag) for flag in self.flags])
        _insert(con, "class_groups", self.class_groups)
        _insert(con, "image_groups", self.image_groups)

    @property
    def images(self) -> int:
        """The number of images that the label set judges or describes."""
        described = {image_id for image_id, _, _ in self.flags}
        described.update(image_id for _, image_id, _ in self.image_groups)
        return len(described.union(self.image_id))


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[object]]) -> None:
    if not rows:
        return
    name = quoting.identifier(table)
    lists = ", ".join("unnest(?)" for _ in rows[0])
    columns = [list(column) for column in zip(*rows, strict=True)]
    con.execute(f"insert into {name} select {lists}", columns)


class Known:
    """The images and classes of the store, which the readers compare with a file."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def classes(self) -> dict[str, int]:
        """Return the class id of each WordNet id; QueryError if the store has no WordNet ids."""
        rows = self._rows("select wordnet_id, label from classes where wordnet_id is not null")
        if len(rows) != CLASSES:
            raise QueryError(
                "this label set has WordNet ids for classes, but the store has no WordNet ids",
                file="labels.txt",
                count=len(rows),
                remedy="Build the store again with labels.txt: realdb ingest FOLDER",
            )
        return dict(rows)

    def names(self) -> dict[int, str]:
        """Return the name of each class; an empty dict if the store has no names."""
        return dict(self._rows("select label, name from classes where name is not null"))

    def original_labels(self) -> npt.NDArray[np.int16]:
        """Return the original label at the index of each image number; -1 if it is missing."""
        import numpy as np

        labels = np.full(IMAGES + 1, -1, np.int16)
        found = self._result(
            "select image_id, original_label from images where original_label is not null"
        )
        if found is not None:
            columns = found.fetchnumpy()
            labels[columns["image_id"]] = columns["original_label"]
        return labels

    def require_original_labels(self) -> npt.NDArray[np.int16]:
        """Return the original labels; QueryError if any are missing from the store."""
        labels = self.original_labels()
        if (labels[1:] < 0).any():
            raise QueryError(
                "this label set judges the original labels, but the store does not have them",
                file="validation_labels.txt",
                count=int((labels[1:] >= 0).sum()),
                remedy="Build the store again with a file of original labels: realdb ingest FOLDER",
            )
        return labels

    def _rows(self, query: str) -> list[Any]:
        found = self._result(query)
        return [] if found is None else found.fetchall()

    def _result(self, query: str) -> duckdb.DuckDBPyConnection | None:
        """Return the result of a query; None if the store does not have the table."""
        import duckdb

        try:
            return self._con.execute(query)
        except duckdb.CatalogException:
            return None


class Offenders:
    """The invalid values of a file, by the kind of problem."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def add(self, kind: str, value: object) -> None:
        """Add an invalid `value`. `kind` describes the problem."""
        self.found.setdefault(kind, []).append(str(value))

    def refuse(self, refuse: Callable[..., DataError], column: str | None = None) -> None:
        """Raise the error that `refuse` returns if there are invalid values."""
        if not self.found:
            return
        texts = [
            f"{kind} ({len(values):,} in total): {shown(values)}"
            for kind, values in self.found.items()
        ]
        first = next(iter(self.found.values()))
        raise refuse("; ".join(texts), column=column, value=first[0], count=len(first))


def shown(values: Iterable[object]) -> str:
    """Return the first few values, for a message."""
    texts = [repr(str(value))[:80] for value in values]
    return ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")


def image_id(name: object) -> int | None:
    """Return the image number for a file name or a number; None if it is invalid."""
    number = image_names.number(name) if isinstance(name, str | int) else None
    return number if number is not None and 1 <= number <= IMAGES else None


def class_id(value: object) -> int | None:
    """Return `value` if it is a class id, else None."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < CLASSES else None  # type: ignore[operator, return-value]
