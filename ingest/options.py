"""What the stages of reading predictions share: the options, and what the stages found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError, UsageError
from ..schema.tables import IMAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What a reader's relation must hold; a reader selects NULL for what its file does not have.
ROLES = ("model", "image", "rank", "label", "confidence")
# The name under which a reader may register what is in memory; gone once the rows are taken.
REGISTERED = "input_values"
# Behind a refusal of what the doctor knows.
DOCTOR = "realdb doctor tries to repair it"
# How the ranks of an image's predictions are found, if they are not taken as they are written.
RANKS = ("as-written", "by-confidence", "reversed")

# The best models agree with the original labels on four rated images in five. What agrees on more
# than this part is the ground truth, if enough images are rated; on fewer it may be.
GROUND_TRUTH = 0.95
ENOUGH_RATED = 500
# On fewer images than these, agreement says nothing.
FEWEST_RATED = 10


@dataclass(kw_only=True)
class Facts:
    """What the stages found out about predictions, for those that follow and for messages.

    doubts: what may be wrong although the file can be read, to be warned of once it is taken
    first_line: the line of a text file that holds row 1; None for other files
    is_positional: the file names no images, so that a row's place is its image
    columns: the columns that each role has, if the file has named columns
    parts: how many files the predictions are in
    dropped_rows: the rows that were left out because they repeat another, from 1, ascending
    has_header: the columns have names; a text without a header line has column_1, column_2, …
    is_format_chosen: the user chose the format, and with csv or tsv the separator
    """

    doubts: list[str] = field(default_factory=list)
    first_line: int | None = None
    is_positional: bool = False
    has_header: bool = True
    is_format_chosen: bool = False
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: int = 1
    dropped_rows: list[int] = field(default_factory=list)

    def row_of(self, place: int) -> int:
        """Return the row of the file, from 1, of what is in `place` among the rows kept."""
        for dropped in self.dropped_rows:
            place += dropped <= place
        return place


class Truth(NamedTuple):
    """The original labels, by image number; place 0 is no image.

    original: int16 (50001,), -1 where the store has none
    is_rated: bool (50001,), raters answered for the image; all True where that is unknown
    """

    original: NDArray[Any]
    is_rated: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How the user wants predictions read, and what was found out about them.

    columns: the column of some of ROLES, by its name
    order: returns the images of an array's rows, (50000,) numbers or names; None where the user
        chose no order, which is then that of the file names
    ranks: one of RANKS; None is as written, if the confidences do not contradict it
    drop_repeats: rows that repeat an earlier row are left out
    truth: returns the original labels, which tell a column of predictions from one of labels; None
        where the store has none
    words: returns the names of the classes and their ids, in all spellings; -1 where a name could
        be two classes
    facts: what the stages found
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    order: Callable[[], NDArray[Any]] | None = None
    ranks: str | None = None
    drop_repeats: bool = False
    truth: Callable[[], Truth | None] = lambda: None
    words: Callable[[], Mapping[str, int]] = dict
    facts: Facts = field(default_factory=Facts)

    def images_of(self, rows: int, where: str) -> NDArray[Any]:
        """Return the images of `rows` rows that name none: (50000,) numbers from 1, or names.

        Raises DataError where there is not a row for each image.
        """
        self.facts.is_positional = True
        if rows != IMAGES:
            raise DataError(
                f"{where} has {rows:,} rows and no image names. Without names, realdb needs one "
                f"row for each of the {IMAGES:,} images",
                count=rows,
                column="image",
                remedy="Write the name of each image beside its prediction",
            )
        if self.order is not None:
            return self.order()
        import numpy as np

        return np.arange(1, IMAGES + 1, dtype=np.int32)

    def require_order_used(self, where: str) -> None:
        """Raise UsageError where the user chose an order and the predictions name their images."""
        if self.order is not None and not self.facts.is_positional:
            raise UsageError(
                f"`order` is for arrays and for files without image names, and {where} names its "
                "images",
                parameter="order",
                remedy="Leave `order` out",
            )
