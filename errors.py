"""The errors and the warning that realdb raises on purpose.

A message names a parameter in backticks, as a call takes it: `model` or `model="NAME"`. The command
line prints it as its option (see terminal.py), so that one message serves both. A call that does
not have the parameter recommends what it can do instead: see `possible`.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

# The parameters of reading predictions. Not every call that reads them has these; `add` has all.
READING = ("columns", "drop_repeats", "input_format", "model", "order", "ranks")
# A parameter in a message: `name`, or `name=value`.
PARAMETER = re.compile(r"`([a-z_]+)(?:=([^`]*))?`")
# Such parameters behind the command that takes them: realdb ingest FOLDER with `original=FILE`.
# A command may be of a group, and name what it takes: realdb labels add imagenet-x with `source=X`.
COMMAND = re.compile(
    r"(realdb[ .][a-z]+(?: [a-z0-9-]+){0,2}(?: [A-Z]+)*) with "
    r"((?:`[a-z_]+(?:=[^`]*)?`(?: and )?)+)"
)
# Where a remedy can be cut: it names several things to do.
_CLAUSE = re.compile(r"(?<=[.;?]) ")
# What takes all parameters of reading: of a file, and of what is in memory.
_ADD_FILE = "the file first: realdb add FILE"
_ADD_OBJECT = "the predictions first: realdb.add"


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


def possible(remedy: str, is_taken: Callable[[str], bool], *, add: str = _ADD_FILE) -> str:
    """Return what of a remedy a call can do, by whether it takes a parameter.

    What needs a parameter that the call does not take is left out. Those of reading predictions
    become parameters of `add`, as the call takes a stored model as well.
    """
    clauses = [_possible(clause, is_taken, add) for clause in _CLAUSE.split(remedy)]
    text = " ".join(clause for clause in clauses if clause).rstrip(";. ")
    return text if clauses[0] else text[:1].upper() + text[1:]


def _possible(clause: str, is_taken: Callable[[str], bool], add: str) -> str:
    """Return a part of a remedy as the call can do it; nothing where it cannot."""
    parameters = PARAMETER.findall(COMMAND.sub("", clause))
    lacking = [name for name, _ in parameters if not is_taken(name)]
    if not lacking:
        return clause
    if not set(lacking) <= {*READING}:
        return ""
    words = " and ".join(f"`{name}={value}`" for name, value in parameters if value)
    store = "or store" if clause.startswith("or ") else "store"
    end = clause[-1] if clause[-1] in ".;" else ""
    text = f"{store} {add} with {words}{end}" if words else ""
    return text[:1].upper() + text[1:] if clause[0].isupper() else text


@contextlib.contextmanager
def reading_with(parameters: Container[str], predictions: object) -> Iterator[None]:
    """Have errors of reading predictions recommend what a call can do.

    `parameters` are those of READING that the call takes.
    """
    try:
        yield
    except RealdbError as error:
        if error.parameter in READING and error.parameter not in parameters:
            error.parameter = None
        if error.remedy:
            error.remedy = (
                possible(
                    error.remedy,
                    lambda name: name in parameters or name not in READING,
                    add=_ADD_FILE if isinstance(predictions, str | Path | tuple) else _ADD_OBJECT,
                )
                or None
            )
        raise
