"""Recognise formats that realdb does not read, and recommend how to convert them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError


class _Foreign(NamedTuple):
    """A format and the remedy for such a file, with the placeholders {path} and {stem}."""

    name: str
    remedy: str


def _frame(reader: str) -> str:
    return f'Convert it: pandas.{reader}("{{path}}").to_csv("{{stem}}.csv", index=False)'


_HDF5 = _Foreign(
    "an HDF5 file",
    'Convert its dataset: import h5py, numpy; numpy.save("{stem}.npy", '
    'h5py.File("{path}")["NAME"][()]). list(h5py.File("{path}")) returns the names',
)
_PICKLE = _Foreign(
    "a pickle, which realdb does not read because loading it could run code",
    "Write the predictions as CSV or Parquet, or save the array with numpy.save",
)
_PACKED = "Unpack it, and pass the unpacked file"
_WEB_PAGE = _Foreign(
    "a web page",
    "Download the file itself: pages of GitHub and Hugging Face have a link for the download",
)
_PICTURE = _Foreign("a picture", "Pass the file with the predictions")
_R = _Foreign(
    "an R file", 'Convert it in R: write.csv(readRDS("{path}"), "{stem}.csv", row.names = FALSE)'
)
# The first bytes of a file, and its format. No entry begins like an earlier one.
_BEGINS: dict[bytes, _Foreign] = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _Foreign("an Excel workbook (.xls)", _frame("read_excel")),
    b"MATLAB 7.3": _Foreign(
        "a MATLAB 7.3 file",
        'Convert its variable: import h5py, numpy; numpy.save("{stem}.npy", '
        'h5py.File("{path}")["NAME"][()].T). list(h5py.File("{path}")) returns the names',
    ),
    b"MATLAB 5.0": _Foreign(
        "a MATLAB file",
        'Convert its variable: import scipy.io, numpy; numpy.save("{stem}.npy", '
        'scipy.io.loadmat("{path}")["NAME"].squeeze()). scipy.io.whosmat("{path}") returns '
        "the names",
    ),
    b"\x89HDF\r\n\x1a\n": _HDF5,
    b"SQLite format 3\0": _Foreign(
        "a SQLite database",
        'Convert its table: import pandas, sqlite3; pandas.read_sql("select * from NAME", '
        'sqlite3.connect("{path}")).to_csv("{stem}.csv", index=False)',
    ),
    b"ORC": _Foreign("an ORC file", _frame("read_orc")),
    b"Obj\x01": _Foreign(
        "an Avro file",
        'Convert it: import polars; polars.read_avro("{path}").write_parquet("{stem}.parquet")',
    ),
    b"FEA1": _Foreign("a file of Feather version 1", _frame("read_feather")),
    b"X\n\0\0\0": _R,
    b"A\n2\n": _R,
    b"A\n3\n": _R,
    b"RDX2\n": _R,
    b"RDX3\n": _Foreign(
        "an R workspace",
        'Convert it in R: load("{path}"); write.csv(NAME, "{stem}.csv", row.names = FALSE)',
    ),
    b"<stata_dta>": _Foreign("a Stata file", _frame("read_stata")),
    b"$FL2": _Foreign("an SPSS file", _frame("read_spss")),
    b"%PDF-": _Foreign("a PDF document", "Pass the file from which it was made"),
    b"\x89PNG\r\n\x1a\n": _PICTURE,
    b"\xff\xd8\xff": _PICTURE,
    b"GIF8": _PICTURE,
    b"RIFF": _PICTURE,
    b"7z\xbc\xaf\x27\x1c": _Foreign("a 7-Zip archive", _PACKED),
    b"Rar!\x1a\x07": _Foreign("a RAR archive", _PACKED),
    b"\x04\x22\x4d\x18": _Foreign("an lz4 file", _PACKED),
    b"\x1f\x9d": _Foreign("a compress file (.Z)", _PACKED),
    b"version https://git-lfs": _Foreign(
        "a Git LFS pointer, not the file itself", "Download the file: git lfs pull"
    ),
}
# The beginning of a member's name in a zip, and the format of the zip.
_MEMBERS: dict[str, _Foreign] = {
    "xl/": _Foreign("an Excel workbook (.xlsx)", _frame("read_excel")),
    "content.xml": _Foreign("an OpenDocument spreadsheet", _frame("read_excel")),
    "Index/": _Foreign("a Numbers spreadsheet", "Export it as CSV"),
    "word/": _Foreign("a Word document", "Pass the predictions as CSV"),
}
# Pickles with protocols 0 and 1, which are text.
_OLD_PICKLE = rb"\([ld]p\d+\n|[\]}]q\0|c[\w.]+\n\w+\n|\((?:[IF][\d.]+L?\n){2}"
_PAGE = rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|\?xml|!--)"


def refuse(path: Path, head: bytes) -> None:
    """Raise DataError if the file, which begins with `head`, has one of these formats."""
    found = _of(path, head)
    if found is not None:
        remedy = found.remedy.replace("{path}", str(path)).replace("{stem}", path.stem)
        raise DataError(f"{path} is {found.name}", file=path, remedy=remedy)


def of_zip(names: list[str]) -> bool:
    """Return whether a zip with these member names is a document, not packed files."""
    return _document(names) is not None


def _of(path: Path, head: bytes) -> _Foreign | None:
    found = next((what for begin, what in _BEGINS.items() if head.startswith(begin)), None)
    if found is not None:
        return found
    if head.startswith(b"PK\x03\x04"):
        import zipfile

        try:
            with zipfile.ZipFile(path) as archive:
                return _document(archive.namelist())
        except zipfile.BadZipFile:
            return None
    if head[257:262] == b"ustar":
        return _Foreign("a tar archive", "Unpack it (tar -xf {path}), and pass the unpacked file")
    is_old = head[:1] in b"(]}c" and re.match(_OLD_PICKLE, head) is not None
    if is_old or (head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5"):
        return _PICKLE
    if b"<" in head[:64] and re.match(_PAGE, head):
        return _WEB_PAGE
    return None


def _document(names: list[str]) -> _Foreign | None:
    return next(
        (what for begin, what in _MEMBERS.items() if any(name.startswith(begin) for name in names)),
        None,
    )
