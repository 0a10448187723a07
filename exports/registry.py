"""The registry of export formats. Each format has an entry below, and a module.

The writer of a module receives an Export, writes the file or folder at its path, and returns the
number of rows. realdb.api.export and place.py do the rest for all formats: the query, the checks of
the target, and the atomic write. To add a format, write a module and add an entry here. A test
reads back the output of each format.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import QueryError, UsageError, did_you_mean

if TYPE_CHECKING:
    import duckdb

    from ..schema.header import Header

# The suffixes of other file formats.
_OTHER_FILES = (
    *(".jsonld", ".txt", ".md", ".html", ".xml", ".yaml", ".yml", ".sql", ".xls", ".xlsx", ".ods"),
    *(".npy", ".npz", ".pt", ".pth", ".pkl", ".h5", ".hdf5", ".mat", ".avro", ".orc", ".tfrecord"),
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z"),
)
# The table with the rows to export, on the connection of an Export.
EXPORTED = "exported"


@dataclass(frozen=True, kw_only=True)
class Export:
    """The input of a writer.

    con: a connection with all tables and views of the store; `predictions` shows the stored models
    name: the name of the table, view or subset; `rows` for a query
    rows: the rows to export, ordered by key if there is one; None for the whole store. They are
        also the table `exported` on `con`. For a format of images this table always exists, with a
        column image_id
    about: the header of the table or view; None for a query
    path: the path to write, where nothing exists yet
    target: the final path; None for standard output
    install: creates the views for tables of these names on a connection, with comments
    stored: the files of the models that `predictions` shows
    notice: metadata for the file, if its format supports any: the version of realdb, the store's
        build, the checksums of its sources, the query, the licence and the paper
    options: the format's options that the user has set
    """

    con: duckdb.DuckDBPyConnection
    name: str
    rows: duckdb.DuckDBPyRelation | None
    about: Header | None
    path: Path
    target: Path | None
    install: Callable[[duckdb.DuckDBPyConnection, Collection[str]], None]
    stored: Sequence[Path]
    notice: Mapping[str, str]
    options: Mapping[str, Any]

    @property
    def asked(self) -> duckdb.DuckDBPyRelation:
        """The rows, for a format that always has rows."""
        assert self.rows is not None
        return self.rows

    def meaning(self, column: str) -> str | None:
        """Return the description of a column; None if there is none."""
        return self.about.columns.get(column) if self.about else None


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """An export format.

    takes: rows, if WHAT is a table, view, subset or SELECT. images, if WHAT is the name of the
        format, which stands for all images, or with --format any rows with a column image_id.
        store, if WHAT is the name of the format
    what: the WHAT of several formats with the names `WHAT-FORMAT`. OUT's suffix or --format FORMAT
        selects one
    suffixes: the suffixes of its files, the default first; empty for a folder. OUT's suffix selects
        the format of rows
    reads: the tables and views that it reads in addition to WHAT
    options: its options in addition to where, columns, threshold and force
    has_threshold: it contains labels, which may be those of another operating point
    counts: the things that its writer counts, in the plural
    """

    summary: str
    module: str
    suffixes: tuple[str, ...] = ()
    takes: str = "rows"
    what: str | None = None
    reads: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    is_folder: bool = False
    is_text: bool = False
    has_threshold: bool = True
    counts: str = "rows"

    @property
    def write(self) -> Callable[[Export], int]:
        """The writer. Its module is imported at the first use."""
        writer: Callable[[Export], int] = importlib.import_module(
            f".{self.module}", __package__
        ).write
        return writer

    @property
    def count(self) -> Callable[[Path], int] | None:
        """The function that counts the rows of a finished file; None if the module has none."""
        counter: Callable[[Path], int] | None = getattr(
            importlib.import_module(f".{self.module}", __package__), "count", None
        )
        return counter


EXPORT_FORMATS: dict[str, ExportFormat] = {
    # General table formats.
    "parquet": ExportFormat(
        summary="Parquet with zstd compression; with --partition-by a folder of files",
        module="parquet",
        suffixes=(".parquet", ".pq"),
        options=("partition_by",),
    ),
    "csv": ExportFormat(
        summary="comma-separated text with a header line; NULL is an empty cell",
        module="csv",
        suffixes=(".csv",),
        is_text=True,
    ),
    "tsv": ExportFormat(
        summary="tab-separated text with a header line; NULL is an empty cell",
        module="tsv",
        suffixes=(".tsv", ".tab"),
        is_text=True,
    ),
    "json": ExportFormat(
        summary="JSON, one array with an object for each row",
        module="json",
        suffixes=(".json",),
        is_text=True,
    ),
    "jsonl": ExportFormat(
        summary="JSON Lines, an object in each line",
        module="jsonl",
        suffixes=(".jsonl", ".ndjson"),
        is_text=True,
    ),
    "arrow": ExportFormat(
        summary="Arrow IPC: a file; a stream on standard output and as .arrows",
        module="arrow",
        suffixes=(".arrow", ".feather", ".ipc", ".arrows"),
    ),
    "sqlite": ExportFormat(
        summary="SQLite database, for Datasette and others",
        module="sqlite",
        suffixes=(".sqlite", ".sqlite3", ".db"),
    ),
    "duckdb": ExportFormat(
        summary="DuckDB database with comments, for clients from 1.0 on",
        module="database",
        suffixes=(".duckdb", ".db"),
    ),
    # The whole store.
    "store-duckdb": ExportFormat(
        summary="DuckDB database of all tables, views and stored models, with keys and comments",
        module="store_duckdb",
        suffixes=(".duckdb", ".db"),
        takes="store",
        what="store",
        has_threshold=False,
    ),
    "store-sqlite": ExportFormat(
        summary="SQLite database of all tables and stored models, with keys, for Datasette",
        module="store_sqlite",
        suffixes=(".sqlite", ".sqlite3", ".db"),
        takes="store",
        what="store",
        has_threshold=False,
    ),
    # The upstream files.
    "real-json": ExportFormat(
        summary="real.json: a list of 50,000 lists of labels",
        module="real_json",
        suffixes=(".json",),
        takes="store",
        reads=("images", "labels"),
        is_text=True,
        counts="images",
    ),
    "scores-npz": ExportFormat(
        summary="scores.npz",
        module="scores_npz",
        suffixes=(".npz",),
        takes="store",
        reads=("images", "questions", "scores"),
        has_threshold=False,
        counts="questions",
    ),
    "raters-npz": ExportFormat(
        summary="raters.npz: the votes",
        module="raters_npz",
        suffixes=(".npz",),
        takes="store",
        reads=("images", "questions", "raters", "votes"),
        has_threshold=False,
        counts="votes",
    ),
    "golden-npz": ExportFormat(
        summary="golden.npz: the experts' answers",
        module="golden_npz",
        suffixes=(".npz",),
        takes="store",
        reads=("images", "questions", "raters", "votes"),
        has_threshold=False,
        counts="votes",
    ),
    "raters-golden-npz": ExportFormat(
        summary="raters_golden.npz: the raters' answers to the experts' questions",
        module="raters_golden_npz",
        suffixes=(".npz",),
        takes="store",
        reads=("images", "questions", "raters", "votes"),
        has_threshold=False,
        counts="votes",
    ),
    # For training and evaluation.
    "soft-labels": ExportFormat(
        summary="images x classes, by score or by share of the votes, as .npz or .parquet",
        module="soft_labels",
        suffixes=(".npz", ".parquet"),
        takes="images",
        reads=("images", "labels"),
        options=("by",),
        has_threshold=False,
        counts="images",
    ),
    "imagefolder": ExportFormat(
        summary="links to the images, or copies, in a folder for each class",
        module="imagefolder",
        takes="images",
        reads=("images", "labels", "classes"),
        options=("images", "copy", "per_image"),
        is_folder=True,
        counts="files",
    ),
    "file-list": ExportFormat(
        summary="text with the name of an image, a tab, and its labels in each line",
        module="file_list",
        suffixes=(".txt", ".tsv", ".tab"),
        takes="images",
        reads=("images", "labels"),
        is_text=True,
        counts="images",
    ),
    "hf": ExportFormat(
        summary="a folder for Hugging Face datasets",
        module="hf",
        takes="images",
        reads=("images", "labels", "classes"),
        is_folder=True,
        counts="images",
    ),
    "croissant": ExportFormat(
        summary="the tables as Parquet, and their description in MLCommons Croissant",
        module="croissant",
        takes="store",
        is_folder=True,
        counts="rows",
    ),
    "fiftyone": ExportFormat(
        summary="labels.json of a FiftyOneImageClassificationDataset",
        module="fiftyone",
        suffixes=(".json",),
        takes="images",
        reads=("images", "labels", "classes"),
        is_text=True,
        counts="images",
    ),
    "crowdkit": ExportFormat(
        summary="the votes for crowd-kit, as CSV: task, worker, label",
        module="crowdkit",
        suffixes=(".csv",),
        takes="images",
        reads=("votes",),
        is_text=True,
        has_threshold=False,
        counts="votes",
    ),
    "cleanlab": ExportFormat(
        summary="the votes for cleanlab.multiannotator, as Parquet: questions x raters",
        module="cleanlab",
        suffixes=(".parquet", ".pq"),
        takes="images",
        reads=("votes",),
        has_threshold=False,
        counts="votes",
    ),
}


def find(name: str) -> ExportFormat:
    """Return the format `name`; UsageError, with similar names, if there is none."""
    if name not in EXPORT_FORMATS:
        raise UsageError(
            f"there is no export format {name!r}",
            value=name,
            parameter="format",
            remedy=did_you_mean(name, EXPORT_FORMATS, "List them with: realdb export --help"),
        )
    return EXPORT_FORMATS[name]


def own_names() -> dict[str, ExportFormat]:
    """Return each WHAT that is not a table, with its format or one of its formats."""
    return {
        form.what or name: form for name, form in EXPORT_FORMATS.items() if form.takes != "rows"
    }


def known_suffixes() -> set[str]:
    """Return all known suffixes: those of the formats here, and those of other file formats."""
    return {each for form in EXPORT_FORMATS.values() for each in form.suffixes} | {*_OTHER_FILES}


def _may_be_called(form: ExportFormat, target: Path | None) -> bool:
    """Return whether the suffix of `target` is one of the format's, or unknown."""
    suffix = target.suffix.lower() if target is not None else ""
    return suffix in form.suffixes or suffix not in known_suffixes()


def require_name(name: str, target: Path, *, is_folder: bool) -> None:
    """Raise UsageError if the suffix of `target` is that of another format.

    A folder may have a suffix of its own format, because Spark and others name folders of Parquet
    files in this way. Other suffixes of files are refused.
    """
    form, suffix = find(name), target.suffix.lower()
    if _may_be_called(form, target):
        return
    if is_folder:
        raise UsageError(
            f"{name} writes a folder, but {target} has the suffix of a file",
            file=target,
            value=suffix,
            parameter="out",
            remedy=f"Use the name of a folder, such as {target.stem}",
        )
    stem = target.stem  # the stem of x.csv.gz has the right suffix
    better = stem if Path(stem).suffix.lower() in form.suffixes else f"{stem}{form.suffixes[0]}"
    # The formats that are possible without `format`.
    others = [
        key
        for key in _fitting(target)
        if (form.takes == "rows" or form.what is not None)
        and (EXPORT_FORMATS[key].takes, EXPORT_FORMATS[key].what) == (form.takes, form.what)
    ]
    raise UsageError(
        f"the suffix of {target} is not one of the format {name}",
        file=target,
        value=suffix,
        parameter="out",
        remedy=f"Use {better} ({name} files end in {' or '.join(form.suffixes)})"
        + (f", or omit `format` to write {others[0]}" if len(others) == 1 else ""),
    )


def is_whole(what: str) -> bool:
    """Return whether WHAT is the name of a format, which needs no table."""
    return what in own_names()


def require_distinct(columns: Sequence[str]) -> None:
    """Raise QueryError if two columns have the same name: a file would lose one of them.

    The names A and a are the same in a database.
    """
    names = [column.lower() for column in columns]
    repeated = sorted({column for column in columns if names.count(column.lower()) > 1})
    if repeated:
        raise QueryError(
            f"several columns have the same name ({', '.join(repeated)}), which files do not "
            "support",
            column=repeated[0],
            count=len(repeated),
            remedy="Rename one of them with AS",
        )


def choose(
    what: str, target: Path | None, name: str | None, *, is_partitioned: bool = False
) -> str:
    """Return the format to write: `name`, else the format of WHAT or of the target's suffix.

    The default is csv for standard output, and Parquet for a folder of partitions. Raises
    UsageError, with the choices, if the format is unknown or ambiguous, or does not fit WHAT.
    """
    own = own_names().get(what)
    if own is not None and own.what is None:
        if name in (None, what):
            return what
        raise UsageError(
            f"{what} is a format itself, so `format` cannot be used",
            parameter="format",
            value=name,
            remedy=f'Omit `format="{name}"`',
        )
    if own is not None:
        return _choose_form(what, target, name)
    if name is not None:
        form = find(name)
        if form.takes == "store":
            raise UsageError(
                f"the format {name} contains the whole store, not a single table",
                parameter="format",
                value=name,
                remedy=f"Use: realdb export {form.what or name} OUT",
            )
        return name
    if target is None:
        return "parquet" if is_partitioned else "csv"
    fitting = [key for key in _fitting(target) if EXPORT_FORMATS[key].takes == "rows"]
    if len(fitting) == 1:
        return fitting[0]
    if is_partitioned and not fitting:
        return "parquet"
    choices = fitting or [key for key, form in EXPORT_FORMATS.items() if form.takes != "store"]
    raise _unknown_format(target, {key: key for key in choices})


def _choose_form(what: str, target: Path | None, name: str | None) -> str:
    """Return the format to write, of several with the same WHAT."""
    forms = [key for key, form in EXPORT_FORMATS.items() if form.what == what]
    if name is not None:
        fitting = [key for key in forms if name in (key, key.removeprefix(f"{what}-"))]
    else:
        fitting = [key for key in _fitting(target) if key in forms]
    if len(fitting) == 1:
        return fitting[0]
    choices = {key.removeprefix(f"{what}-"): key for key in forms}
    if name is None:
        raise _unknown_format(target, choices)
    raise UsageError(
        f"{what} cannot be written as {name}",
        parameter="format",
        value=name,
        remedy=f"Use one of: {', '.join(choices)}",
    )


def _fitting(target: Path | None) -> list[str]:
    """Return the formats with the suffix of `target`."""
    suffix = target.suffix.lower() if target is not None else ""
    return [key for key, form in EXPORT_FORMATS.items() if suffix and suffix in form.suffixes]


def _unknown_format(target: Path | None, choices: Mapping[str, str]) -> UsageError:
    """Return the error for a `target` whose suffix does not determine the format.

    `choices` maps the possible values of `format` to the keys of the formats.
    """
    forms = {name: find(key) for name, key in choices.items()}
    possible = [name for name, form in forms.items() if _may_be_called(form, target)]
    if target is not None and not possible:
        suffixes = sorted({form.suffixes[0] for form in forms.values() if form.suffixes})
        return UsageError(
            f"the suffix {target.suffix} is not supported here",
            file=target,
            value=target.suffix.lower(),
            parameter="out",
            remedy=f"Use one of the suffixes {', '.join(suffixes)}",
        )
    where = "standard output" if target is None else str(target)
    return UsageError(
        f"the format of {where} cannot be detected from its suffix",
        file=where,
        parameter="format",
        remedy=f"Set `format` to one of: {', '.join(possible)}",
    )
