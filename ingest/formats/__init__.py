"""The prediction formats: one module each, one line each in the registry below.

A reader takes a connection, a file and how to read it, and returns a DuckDB relation
with the columns of ROLES, one row a prediction in the order of the file. Nothing is interpreted
yet: images, labels and ranks may be text or numbers; `realdb.ingest.predictions` checks them all
in one place. To add a format, write its module and its line here; a test asks for a sample file.
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
    """What reads a file."""

    def __call__(
        self, con: duckdb.DuckDBPyConnection, path: Path, options: ReadOptions
    ) -> duckdb.DuckDBPyRelation:
        """Read the predictions in the file at `path` as a relation with the columns of ROLES."""
        ...


@dataclass(frozen=True, kw_only=True)
class PredictionFormat:
    """A way predictions are written.

    `begins` is how its content begins, or empty for text; a zip is recognised by a `member`, the
    end of a name in it. An array (`is_array`) has no image names, and its reader takes their order.
    """

    summary: str
    module: str
    begins: tuple[bytes, ...] = ()
    member: str = ""
    suffixes: tuple[str, ...] = ()
    is_array: bool = False

    @property
    def read(self) -> PredictionReader:
        """The reader; its module is imported when it is first asked for."""
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
        summary="NumPy archive of one such array, or of one called labels, predictions or logits",
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
        summary="DuckDB database with one table; of several, FILE::TABLE",
        module="database",
        suffixes=(".duckdb", ".db"),
    ),
    "dataset": PredictionFormat(
        summary="folder that datasets' save_to_disk wrote",
        module="dataset",
    ),
    "json": PredictionFormat(
        summary="JSON: records, columns, an object by file name, or an array, also below metadata",
        module="json",
        suffixes=(".json",),
    ),
    "jsonl": PredictionFormat(
        summary="JSON, a value a line",
        module="jsonl",
        suffixes=(".jsonl", ".ndjson"),
    ),
    "tsv": PredictionFormat(summary="text, tab-separated", module="tsv", suffixes=(".tsv", ".tab")),
    "csv": PredictionFormat(
        summary="text, comma-separated or otherwise, with a header line or none",
        module="csv",
        suffixes=(".csv", ".txt"),
    ),
}


def recognise(path: Path) -> str:
    """Return the format of the file or folder `path`, a key of PREDICTION_FORMATS.

    Its content decides, then its suffix. Raises DataError if it is neither.
    """
    if (path / "state.json").is_file():
        return "dataset"
    if (path / "dataset_dict.json").is_file():
        splits = ", ".join(sorted(str(each.parent) for each in path.glob("*/state.json")))
        raise DataError(
            f"{path} is a dataset of several splits",
            file=path,
            remedy=f"Name one of them: {splits}",
        )
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", file=path) from None
    if not head:
        raise DataError(f"{path} is empty and so has no predictions", file=path)
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
            f"{path} is in no format that realdb reads", file=path, remedy=f"realdb reads {known}"
        )
    header = next(iter(beginning.splitlines()), "")
    if ("\t" in header) != ("," in header):
        return "tsv" if "\t" in header else "csv"
    return "tsv" if path.suffix.lower() in PREDICTION_FORMATS["tsv"].suffixes else "csv"


def _decoded(head: bytes) -> str | None:
    """Return the beginning of a text; None if it is none."""
    encoding = text.encoding_of(head)
    return None if encoding is None else head.decode(encoding, "replace")


def find(name: str) -> PredictionFormat:
    """Return the format called `name`; UsageError, naming those there are, where it is none."""
    if name not in PREDICTION_FORMATS:
        raise UsageError(
            f"there is no input format {name!r}",
            value=name,
            parameter="input_format",
            remedy=f"The input formats are {', '.join(PREDICTION_FORMATS)}",
        )
    return PREDICTION_FORMATS[name]


def _holds(path: Path, member: str) -> bool:
    """Return whether the zip at `path` has a member whose name ends so."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(member) for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is a damaged zip file: {error}", file=path) from None
