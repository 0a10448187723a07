"""The export formats: one module each, one line each in the registry below.

A writer is handed an Export, writes the file or folder at its path, and returns how many rows it
wrote. Everything else is done once, for all of them: what is asked for, where it may stand, that it
stands there whole or not at all (see place.py and realdb.api.export). To add a format, write its
module and its line here; a test asks for what it writes to be read back.
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

# What files are called that no format here writes.
_OTHER_FILES = (
    *(".jsonld", ".txt", ".md", ".html", ".xml", ".yaml", ".yml", ".sql", ".xls", ".xlsx", ".ods"),
    *(".npy", ".npz", ".pt", ".pth", ".pkl", ".h5", ".hdf5", ".mat", ".avro", ".orc", ".tfrecord"),
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z"),
)
# The table, on an Export's connection, of the rows that are asked for.
EXPORTED = "exported"


@dataclass(frozen=True, kw_only=True)
class Export:
    """What a writer is handed.

    con: every table and view that the store allows; `predictions` shows the stored models
    name: what was asked for, where that is a table, view or subset; else `rows`
    rows: the rows asked for, by key where they have one; None where the whole store is. They are
        also the table `exported` on `con`, which for a format of images is always there, with a
        column image_id
    about: what the table or view asked for says of itself; None for a query
    path: where to write; nothing stands there yet
    target: where it will stand; None for standard output
    install: creates, on a connection, the views that tables of these names allow, with comments
    stored: the files of the models that `predictions` shows
    notice: what a file should say of itself where its format has room: the version of realdb, the
        store's build and the checksums of its sources, what was asked for, licence and paper
    options: what the user gave of the format's options
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
        """The rows, for a format that always has them."""
        assert self.rows is not None
        return self.rows

    def meaning(self, column: str) -> str | None:
        """Return what a column's header line says; None where there is none."""
        return self.about.columns.get(column) if self.about else None


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A way to write.

    takes: rows, where WHAT is a table, view, subset or SELECT; images, where WHAT is the format's
        own name, which stands for all images, or with --format anything with a column image_id;
        store, where WHAT is the format's own name
    what: the WHAT, where several formats share one, which are called `WHAT-FORMAT`; OUT's suffix or
        --format FORMAT tells which of them
    suffixes: what its files are called, the first by default; none for a folder. Where WHAT is no
        format of its own, OUT's suffix so tells the format
    reads: the tables and views that it asks for beyond what is asked for
    options: what it takes beside where, columns, threshold and force
    has_threshold: it holds labels, and so may hold those of another operating point
    counts: what its writer counts
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
        """The writer; its module is imported when it is first asked for."""
        writer: Callable[[Export], int] = importlib.import_module(
            f".{self.module}", __package__
        ).write
        return writer

    @property
    def count(self) -> Callable[[Path], int] | None:
        """What reads a finished file and counts once more; None where the module has none."""
        counter: Callable[[Path], int] | None = getattr(
            importlib.import_module(f".{self.module}", __package__), "count", None
        )
        return counter


EXPORT_FORMATS: dict[str, ExportFormat] = {
    # Tables for anything.
    "parquet": ExportFormat(
        summary="Parquet, zstd; with --partition-by a folder of them",
        module="parquet",
        suffixes=(".parquet", ".pq"),
        options=("partition_by",),
    ),
    "csv": ExportFormat(
        summary="text, comma-separated, with a header line; NULL is an empty cell",
        module="csv",
        suffixes=(".csv",),
        is_text=True,
    ),
    "tsv": ExportFormat(
        summary="text, tab-separated, with a header line; NULL is an empty cell",
        module="tsv",
        suffixes=(".tsv", ".tab"),
        is_text=True,
    ),
    "json": ExportFormat(
        summary="JSON, one array with an object a row",
        module="json",
        suffixes=(".json",),
        is_text=True,
    ),
    "jsonl": ExportFormat(
        summary="JSON, an object a line",
        module="jsonl",
        suffixes=(".jsonl", ".ndjson"),
        is_text=True,
    ),
    "arrow": ExportFormat(
        summary="Arrow IPC: a file, or on standard output and as .arrows a stream",
        module="arrow",
        suffixes=(".arrow", ".feather", ".ipc", ".arrows"),
    ),
    "sqlite": ExportFormat(
        summary="SQLite database, ready for Datasette",
        module="sqlite",
        suffixes=(".sqlite", ".sqlite3", ".db"),
    ),
    "duckdb": ExportFormat(
        summary="DuckDB database that clients from 1.0 on read, with comments",
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
        summary="SQLite database of all tables and stored models, with keys, ready for Datasette",
        module="store_sqlite",
        suffixes=(".sqlite", ".sqlite3", ".db"),
        takes="store",
        what="store",
        has_threshold=False,
    ),
    # What upstream ships.
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
        summary="images x classes by score or by share of the votes: OUT is .npz or .parquet",
        module="soft_labels",
        suffixes=(".npz", ".parquet"),
        takes="images",
        reads=("images", "labels"),
        options=("by",),
        has_threshold=False,
        counts="images",
    ),
    "imagefolder": ExportFormat(
        summary="a tree of links to the images, or copies, in a folder for each class",
        module="imagefolder",
        takes="images",
        reads=("images", "labels", "classes"),
        options=("images", "copy", "per_image"),
        is_folder=True,
        counts="files",
    ),
    "file-list": ExportFormat(
        summary="text: an image's name, a tab, its labels",
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
        summary="the votes as crowd-kit reads them, CSV: task, worker, label",
        module="crowdkit",
        suffixes=(".csv",),
        takes="images",
        reads=("votes",),
        is_text=True,
        has_threshold=False,
        counts="votes",
    ),
    "cleanlab": ExportFormat(
        summary="the votes as cleanlab.multiannotator takes them, Parquet: questions x raters",
        module="cleanlab",
        suffixes=(".parquet", ".pq"),
        takes="images",
        reads=("votes",),
        has_threshold=False,
        counts="votes",
    ),
}


def find(name: str) -> ExportFormat:
    """Return the format called `name`; UsageError where there is none, with near names."""
    if name not in EXPORT_FORMATS:
        raise UsageError(
            f"there is no export format {name!r}",
            value=name,
            parameter="format",
            remedy=did_you_mean(name, EXPORT_FORMATS, "List them with: realdb export --help"),
        )
    return EXPORT_FORMATS[name]


def own_names() -> dict[str, ExportFormat]:
    """Return what may be a WHAT and is no table: names of formats, or what several share."""
    return {
        form.what or name: form for name, form in EXPORT_FORMATS.items() if form.takes != "rows"
    }


def known_suffixes() -> set[str]:
    """Return the suffixes that say what a file is, whether a format here writes it or not."""
    return {each for form in EXPORT_FORMATS.values() for each in form.suffixes} | {*_OTHER_FILES}


def _may_be_called(form: ExportFormat, target: Path | None) -> bool:
    """Say whether the suffix of `target` is one of the format, or says nothing."""
    suffix = target.suffix.lower() if target is not None else ""
    return suffix in form.suffixes or suffix not in known_suffixes()


def require_name(name: str, target: Path, *, is_folder: bool) -> None:
    """Raise UsageError where the suffix of `target` is that of another format.

    A folder may have no suffix of a file at all, but for those of its format: so Spark and others
    call a folder of Parquet files.
    """
    form, suffix = find(name), target.suffix.lower()
    if _may_be_called(form, target):
        return
    if is_folder:
        raise UsageError(
            f"{name} writes a folder, and {target} is the name of a file",
            file=target,
            value=suffix,
            parameter="out",
            remedy=f"Name the folder, such as {target.stem}",
        )
    stem = target.stem  # of x.csv.gz it has the right suffix
    better = stem if Path(stem).suffix.lower() in form.suffixes else f"{stem}{form.suffixes[0]}"
    # What is written without `format`.
    others = [
        key
        for key in _fitting(target)
        if (form.takes == "rows" or form.what is not None)
        and (EXPORT_FORMATS[key].takes, EXPORT_FORMATS[key].what) == (form.takes, form.what)
    ]
    raise UsageError(
        f"{target} would be written as {name}, which its name does not say",
        file=target,
        value=suffix,
        parameter="out",
        remedy=f"Name it {better} ({name} files end in {' or '.join(form.suffixes)})"
        + (f", or leave out `format` to write {others[0]}" if len(others) == 1 else ""),
    )


def is_whole(what: str) -> bool:
    """Say whether WHAT names a format that needs no table: a whole-store export."""
    return what in own_names()


def require_distinct(columns: Sequence[str]) -> None:
    """Raise QueryError where two columns have one name: a file would lose one of them.

    To a database A and a are one name.
    """
    names = [column.lower() for column in columns]
    repeated = sorted({column for column in columns if names.count(column.lower()) > 1})
    if repeated:
        raise QueryError(
            f"a file cannot hold columns of the same name ({', '.join(repeated)})",
            column=repeated[0],
            count=len(repeated),
            remedy="Rename one of them with AS",
        )


def choose(
    what: str, target: Path | None, name: str | None, *, is_partitioned: bool = False
) -> str:
    """Return the format to write: the one named, else that of WHAT or of the target's suffix.

    Standard output is csv by default, and a folder of partitions Parquet. Raises UsageError, naming
    the choices, where the format is none or several, and where WHAT and format do not fit.
    """
    own = own_names().get(what)
    if own is not None and own.what is None:
        if name in (None, what):
            return what
        raise UsageError(
            f"{what} is a format itself",
            parameter="format",
            value=name,
            remedy=f'Leave out `format="{name}"`',
        )
    if own is not None:
        return _choose_form(what, target, name)
    if name is not None:
        form = find(name)
        if form.takes == "store":
            raise UsageError(
                f"{name} holds the whole store and takes no table",
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
    """Return which of the formats that share the name WHAT is to be written."""
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
        f"{what} is not written as {name}",
        parameter="format",
        value=name,
        remedy=f"Name one of: {', '.join(choices)}",
    )


def _fitting(target: Path | None) -> list[str]:
    """Return the formats that the suffix of `target` may mean."""
    suffix = target.suffix.lower() if target is not None else ""
    return [key for key, form in EXPORT_FORMATS.items() if suffix and suffix in form.suffixes]


def _unknown_format(target: Path | None, choices: Mapping[str, str]) -> UsageError:
    """Return the error that the name of `target` does not tell the format.

    `choices` maps what `format` may be to the key of the format.
    """
    forms = {name: find(key) for name, key in choices.items()}
    possible = [name for name, form in forms.items() if _may_be_called(form, target)]
    if target is not None and not possible:
        suffixes = sorted({form.suffixes[0] for form in forms.values() if form.suffixes})
        return UsageError(
            f"no format that can be written here is called {target.suffix}",
            file=target,
            value=target.suffix.lower(),
            parameter="out",
            remedy=f"Name a file with one of the suffixes {', '.join(suffixes)}",
        )
    where = "standard output" if target is None else str(target)
    return UsageError(
        f"the format of {where} is not known from its name",
        file=where,
        parameter="format",
        remedy=f"Name it with `format`: {', '.join(possible)}",
    )
