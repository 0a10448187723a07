"""What the stages of reading predictions share: the roles of columns, and how to read a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

# What a reader's relation must hold; a reader selects NULL for what its file does not have.
ROLES = ("model", "image", "rank", "label", "confidence")
# The name under which a reader may register what is in memory; gone once the rows are taken.
REGISTERED = "input_values"


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How the user wants the predictions read.

    `columns` maps some of ROLES to a column's name. `images` are those of an array's rows, numbers
    or names; None where they are the 50,000 in the order of their file names. A reader adds to
    `doubts` what may be wrong with a file that it can read, to be warned of once it is taken.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    images: npt.NDArray[Any] | None = None
    doubts: list[str] = field(default_factory=list)
