"""The prediction formats: one module for each, and one entry in the registry below.

A reader takes a connection, a file and the options, and returns a DuckDB relation with the columns
of ROLES, one row a prediction in the order of the file. Readers do not interpret values: images,
labels and ranks may be text or numbers, and `realdb.ingest.predictions` checks all of them. To add
a format, write its module and its entry here; a test requires a sample file.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...errors import DataError, UsageError
from .. import json_text, text
from ..options import ReadOptions
from . import foreign

if TYPE_CHECKING:
    import duckdb

_HEAD = 4096


class PredictionReader(Protocol):
    """The function that reads a file of a format."""

    def __call__(
        self, con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
    ) -> duckdb.DuckDBPyRelation:
        """Read the predictions in the file at `path` as a relation with the columns of ROLES."""
        ...


@dataclass(frozen=True, kw_only=True)
class PredictionFormat:
    """A file format of predictions.

    `begins` has the possible first bytes of the content, and is empty for text. `member` is the end
    of a member's name, by which a zip is recognised. An array (`is_array`) has no image names, and
    its reader uses the option `order`.
    """

    summary: str
    module: str
    begins: tuple[bytes, ...] = ()
    member: str = ""
    suffixes: tuple[str, ...] = ()
    is_array: bool = False

    @property
    def read(self) -> PredictionReader:
        """The reader, whose module is imported on first use."""
        reader: PredictionReader = importlib.import_module(f".{self.module}", __name__).read
        return reader


PREDICTION_FORMATS: dict[str, PredictionFormat] = {
    "parquet": PredictionFormat(
        summary="Parquet",
        module="parquet",
        begins=(b"PAR1",),
        suffixes=(".parquet", ".pq"),
    ),
    "arrow": PredictionFormat(
        summary="Arrow IPC, as a file or a stream; Feather",
        module="arrow",
        begins=(b"ARROW1", b"\xff\xff\xff\xff"),
        suffixes=(".arrow", ".feather", ".ipc", ".arrows"),
    ),
    "npy": PredictionFormat(
        summary="NumPy array: 50,000 class ids, top-k (50000, k), or logits (50000, 1000)",
        module="npy",
        begins=(b"\x93NUMPY",),
        suffixes=(".npy",),
        is_array=True,
    ),
    "npz": PredictionFormat(
        summary="NumPy archive with one such array, or one called labels, predictions or logits",
        module="npz",
        begins=(b"PK\x03\x04",),
        member=".npy",
        suffixes=(".npz",),
        is_array=True,
    ),
    "pt": PredictionFormat(
        summary="PyTorch tensor, as torch.save writes it; needs torch",
        module="pt",
        begins=(b"PK\x03\x04",),
        member="/data.pkl",
        suffixes=(".pt", ".pth"),
        is_array=True,
    ),
    "duckdb": PredictionFormat(
        summary="DuckDB database with one table; FILE::TABLE if there are several",
        module="database",
        suffixes=(".duckdb", ".db"),
    ),
    "dataset": PredictionFormat(
        summary="folder written by save_to_disk of datasets",
        module="dataset",
    ),
    "json": PredictionFormat(
        summary="JSON: records, columns, an object by file name, or an array, also below metadata",
        module="json",
        suffixes=(".json",),
    ),
    "jsonl": PredictionFormat(
        summary="JSON with a value in each line",
        module="jsonl",
        suffixes=(".jsonl", ".ndjson"),
    ),
    "tsv": PredictionFormat(summary="text, tab-separated", module="tsv", suffixes=(".tsv", ".tab")),
    "csv": PredictionFormat(
        summary="text with commas or other separators, with or without a header line",
        module="csv",
        suffixes=(".csv", ".txt"),
    ),
}


def recognise(path: Path) -> str:
    """Return the format of the file or folder `path`, a key of PREDICTION_FORMATS.

    The content decides, then the suffix. Raises DataError if both are unknown.
    """
    if (path / "state.json").is_file():
        return "dataset"
    if (path / "dataset_dict.json").is_file():
        splits = ", ".join(sorted(str(each.parent) for each in path.glob("*/state.json")))
        raise DataError(
            f"{path} is a dataset with several splits",
            file=path,
            remedy=f"Pass one of them: {splits}",
        )
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", file=path) from None
    if not head:
        raise DataError(f"{path} is empty", file=path)
    for name, form in PREDICTION_FORMATS.items():
        if head.startswith(form.begins or (b"\0none",)) and (
            not form.member or _holds(path, form.member)
        ):
            return name
    if head[8:12] == b"DUCK":
        return "duckdb"
    foreign.refuse(path, head)
    if json_text.begins(head):
        is_named_so = path.suffix.lower() in PREDICTION_FORMATS["jsonl"].suffixes
        return "jsonl" if json_text.is_lines(path, is_named_so=is_named_so) else "json"
    beginning = _decoded(head)
    if beginning is None:
        known = "; ".join(f"{name}: {form.summary}" for name, form in PREDICTION_FORMATS.items())
        raise DataError(
            f"{path} does not have a supported format",
            file=path,
            remedy=f"Supported formats are {known}",
        )
    header = next(iter(beginning.splitlines()), "")
    if ("\t" in header) != ("," in header):
        return "tsv" if "\t" in header else "csv"
    return "tsv" if path.suffix.lower() in PREDICTION_FORMATS["tsv"].suffixes else "csv"


def _decoded(head: bytes) -> str | None:
    """Return the beginning of a text; None if it is not text."""
    encoding = text.encoding_of(head)
    return None if encoding is None else head.decode(encoding, "replace")


def find(name: str) -> PredictionFormat:
    """Return the format called `name`. Raises UsageError with the formats if it is unknown."""
    if name not in PREDICTION_FORMATS:
        raise UsageError(
            f"there is no input format {name!r}",
            value=name,
            parameter="input_format",
            remedy=f"The input formats are {', '.join(PREDICTION_FORMATS)}",
        )
    return PREDICTION_FORMATS[name]


def _holds(path: Path, member: str) -> bool:
    """Return whether the zip at `path` has a member whose name ends with `member`."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(member) for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is a damaged zip file: {error}", file=path) from None
