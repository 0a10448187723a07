"""The prediction formats: one module each, one line each in the registry below.

A reader takes a connection, a file and the user's column choices, and returns a DuckDB relation
with the columns of GIVEN, one row a prediction in the order of the file. Nothing is interpreted
yet: images, labels and ranks may be text or numbers; `realdb.ingest.predictions` checks them all
in one place. To add a format, write its module and its line here; a test asks for a sample file.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...errors import DataError, UsageError

if TYPE_CHECKING:
    import duckdb

# What a reader's relation must hold; a reader selects NULL for what its file has not.
GIVEN = ("model", "image", "rank", "label", "confidence")
# The name under which a reader may register what is in memory; gone once the rows are taken.
REGISTERED = "given_values"
_HEAD = 4096


class Reader(Protocol):
    """What reads a file: `choices` are the user's column names, as in `columns.select`."""

    def __call__(
        self, con: duckdb.DuckDBPyConnection, path: Path, choices: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Read the predictions in the file at `path` as a relation with the columns of GIVEN."""
        ...


@dataclass(frozen=True, kw_only=True)
class Format:
    """A way predictions are written. `begins` is how its content begins, or empty: any text."""

    summary: str
    module: str
    begins: bytes = b""
    suffixes: tuple[str, ...] = ()

    @property
    def read(self) -> Reader:
        """The reader; its module is imported when it is first asked for."""
        reader: Reader = importlib.import_module(f".{self.module}", __name__).read
        return reader


FORMATS: dict[str, Format] = {
    "parquet": Format(
        summary="Parquet, one row a prediction",
        module="parquet",
        begins=b"PAR1",
        suffixes=(".parquet", ".pq"),
    ),
    "npy": Format(
        summary="NumPy array in file-name order: 50,000 class ids, or logits (50000, 1000)",
        module="npy",
        begins=b"\x93NUMPY",
        suffixes=(".npy",),
    ),
    "tsv": Format(
        summary="text, tab-separated, with a header line", module="tsv", suffixes=(".tsv", ".tab")
    ),
    "csv": Format(
        summary="text, comma-separated, with a header line", module="csv", suffixes=(".csv", ".txt")
    ),
}


def recognise(path: Path) -> str:
    """Return the format of the file at `path`, a key of FORMATS: by content, then by its suffix.

    Raises DataError where it is neither.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if not head:
        raise DataError(f"{path} is empty: there are no predictions in it")
    for name, form in FORMATS.items():
        if form.begins and head.startswith(form.begins):
            return name
    known = "; ".join(f"{name}: {form.summary}" for name, form in FORMATS.items())
    if b"\0" in head:
        raise DataError(f"{path} is in no format that realdb reads. It reads {known}")
    for name, form in FORMATS.items():
        if path.suffix.lower() in form.suffixes and not form.begins:
            return name
    return "tsv" if b"\t" in head.splitlines()[0] else "csv"


def find(name: str) -> Format:
    """Return the format called `name`; UsageError, naming those there are, where it is none."""
    if name not in FORMATS:
        raise UsageError(f"there is no input format {name!r}; there are: {', '.join(FORMATS)}")
    return FORMATS[name]
