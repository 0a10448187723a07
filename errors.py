"""The errors and the warning that realdb raises on purpose.

A message names a parameter in backticks, as a call takes it: `model` or `model="NAME"`. The command
line prints it as its option (see terminal.py), so that one message serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


class RealdbError(Exception):
    """An error that the user can mend. `str(error)` is the message, followed by the remedy.

    The fields say the same to a program; each is None where it does not apply.

    file: the file or folder concerned, as the user named it
    row: the first row concerned; `row 1` is the first row of data, and of an array row 0
    column: the column, or what it stands for: image, rank, label, confidence, model
    value: the first value that is refused, as text
    count: how many rows, images, files, … are concerned
    parameter: the parameter of the call that has to change
    remedy: what to do next

    `exit_code` is the exit code of the command line: 1 for data or a query that is refused.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        file: object = None,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
        count: int | None = None,
        parameter: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = None if file is None else str(file)
        self.row = row
        self.column = column
        self.value = None if value is None else str(value)
        self.count = count
        self.parameter = parameter
        self.remedy = remedy

    def renamed(self, old: object, new: object) -> Self:
        """Return the error with `new` for the file `old`: as the user knows a copy."""
        other = type(self)(self.message.replace(str(old), str(new)))
        other.__dict__ |= self.__dict__ | {"message": other.message}
        if self.remedy is not None:
            other.remedy = self.remedy.replace(str(old), str(new))
        if self.file is not None:
            other.file = self.file.replace(str(old), str(new))
        return other

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


class DataError(RealdbError):
    """A file or its content is refused."""


class QueryError(RealdbError):
    """A query, or the name of a table or view, is refused."""


class UsageError(RealdbError):
    """The arguments of a call do not fit together."""

    exit_code = 2


class StoreError(RealdbError):
    """No store was found, or this version of realdb cannot read it."""

    exit_code = 3


class RealdbWarning(UserWarning):
    """A result holds, but its reader should know something about it."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a remedy for a name that is unknown: the nearest of those known, else `otherwise`."""
    import difflib

    names = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), names)
    return f"Did you mean: {', '.join(names[each] for each in near)}?" if near else otherwise
