"""The options and the facts that the stages of reading predictions share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError, UsageError
from ..schema.tables import IMAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The columns of a reader's relation. A reader selects NULL for a column that its file lacks.
ROLES = ("model", "image", "rank", "label", "confidence")
# The name under which a reader may register an object in memory, until the rows are inserted.
REGISTERED = "input_values"
# The end of a remedy, if realdb doctor may repair the problem.
DOCTOR = "realdb doctor tries to repair it"
# The values of the option `ranks`: how the predictions of an image are ranked.
RANKS = ("as-written", "by-confidence", "reversed")

# The best models agree with the original labels on four rated images in five. A column that agrees
# on more than this share is the ground truth if enough images are rated; else it may be.
GROUND_TRUTH = 0.95
ENOUGH_RATED = 500
# On fewer images, agreement means nothing.
FEWEST_RATED = 10


@dataclass(kw_only=True)
class Facts:
    """Facts about predictions that the stages found, for later stages and for messages.

    doubts: warnings about possible mistakes, issued after the file was read
    first_line: the line of a text file that holds row 1; None for other files
    is_positional: the file has no image names, and the place of a row is its image
    columns: the columns of each role, if the file has named columns
    parts: the number of files that hold the predictions
    dropped_rows: the rows that were left out because they repeat another, from 1, ascending
    has_header: the columns have names; text without a header line has column_1, column_2, …
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
        """Return the row of the file, from 1, of the row at `place` among the kept rows."""
        for dropped in self.dropped_rows:
            place += dropped <= place
        return place


class Truth(NamedTuple):
    """The original labels, by image number; place 0 is not used.

    original: int16 (50001,), -1 if the store has no label for the image
    is_rated: bool (50001,), raters answered for the image; all True if that is unknown
    """

    original: NDArray[Any]
    is_rated: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """The user's options for reading predictions, and the facts that were found.

    columns: maps some of ROLES to the name of a column
    order: returns the images of an array's rows, (50000,) numbers or names; None if the user chose
        no order: the rows are then in the order of the file names
    ranks: one of RANKS; None keeps the written ranks if the confidences do not contradict them
    drop_repeats: leave out rows that repeat an earlier row
    truth: returns the original labels, which distinguish predictions from ground truth; None if
        the store has none
    words: returns the names of the classes and their ids, in all spellings; -1 if a name could
        be two classes
    facts: the facts that the stages found
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    order: Callable[[], NDArray[Any]] | None = None
    ranks: str | None = None
    drop_repeats: bool = False
    truth: Callable[[], Truth | None] = lambda: None
    words: Callable[[], Mapping[str, int]] = dict
    facts: Facts = field(default_factory=Facts)

    def images_of(self, rows: int, where: str) -> NDArray[Any]:
        """Return the images of `rows` rows without image names: (50000,) numbers from 1, or names.

        Raises DataError if there is not one row for each image.
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
        """Raise UsageError if the user chose an order and the predictions have image names."""
        if self.order is not None and not self.facts.is_positional:
            raise UsageError(
                f"`order` is for arrays and for files without image names, but {where} has image "
                "names",
                parameter="order",
                remedy="Leave `order` out",
            )
