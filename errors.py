"""The errors and the warning that realdb raises on purpose.

A message names a parameter of a call in backticks: `model` or `model="NAME"`. The command line
prints it as an option (see terminal.py). If a call does not have the parameter, `possible` replaces
the advice.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

# The parameters of reading predictions. Only `add` has all of them.
READING = ("columns", "drop_repeats", "input_format", "model", "order", "ranks")
# A parameter in a message: `name`, or `name=value`.
PARAMETER = re.compile(r"`([a-z_]+)(?:=([^`]*))?`")
# Parameters of another command: realdb ingest FOLDER with `original=FILE`. The command may be in a
# group and have an argument: realdb labels add imagenet-x with `source=X`.
COMMAND = re.compile(
    r"(realdb[ .][a-z]+(?: [a-z0-9-]+){0,2}(?: [A-Z]+)*) with "
    r"((?:`[a-z_]+(?:=[^`]*)?`(?: and )?)+)"
)
# A remedy with several suggestions is split here.
_CLAUSE = re.compile(r"(?<=[.;?]) ")
# The calls that have all parameters of reading, for files and for objects in memory.
_ADD_FILE = "the file first: realdb add FILE"
_ADD_OBJECT = "the predictions first: realdb.add"


class RealdbError(Exception):
    """An error that the user can fix. `str(error)` is the message, followed by the remedy.

    The fields hold the same facts for a program. A field that does not apply is None.

    file: the file or folder concerned, as the user named it
    row: the first row concerned; `row 1` is the first row of data, and of an array row 0
    column: the column, or its role: image, rank, label, confidence, model
    value: the first invalid value, as text
    count: the number of rows, images, files, … concerned
    parameter: the parameter of the call to change
    remedy: what to do next

    `exit_code` is the exit code of the command line: 1 for invalid data or an invalid query.
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
        """Return the error with the file name `new` in place of `old`.

        It names the user's file where realdb read a copy.
        """
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
    """A file or its content is invalid."""


class QueryError(RealdbError):
    """A query, or the name of a table or view, is invalid."""


class UsageError(RealdbError):
    """The arguments of a call do not fit together."""

    exit_code = 2


class StoreError(RealdbError):
    """No store was found, or this version of realdb cannot read it."""

    exit_code = 3


class RealdbWarning(UserWarning):
    """A result is returned, but it may be incomplete or wrong for a stated reason."""


def counted(count: int, noun: str, nouns: str | None = None) -> str:
    """Return a count with its noun: "1 row", "2,000 rows". `nouns` is an irregular plural."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a remedy for an unknown name: the most similar known names, else `otherwise`."""
    import difflib

    names = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), names)
    return f"Did you mean: {', '.join(names[each] for each in near)}?" if near else otherwise


def possible(remedy: str, is_taken: Callable[[str], bool], *, add: str = _ADD_FILE) -> str:
    """Return the part of a remedy that a call supports. `is_taken` checks one parameter.

    A suggestion with an unsupported parameter is left out. If it is a parameter of reading
    predictions, the remedy recommends `add` instead, because the call can use a stored model.
    """
    clauses = [_possible(clause, is_taken, add) for clause in _CLAUSE.split(remedy)]
    text = " ".join(clause for clause in clauses if clause).rstrip(";. ")
    return text if clauses[0] else text[:1].upper() + text[1:]


def _possible(clause: str, is_taken: Callable[[str], bool], add: str) -> str:
    """Return one suggestion in a form that the call supports, or an empty string."""
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
    """Rewrite the remedies of reading errors for a call that has only some parameters.

    `parameters` are the parameters of READING that the call has.
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
