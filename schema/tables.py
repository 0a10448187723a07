"""What describes the tables: their names, their .sql files, and the comments in these."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from . import header, quoting

if TYPE_CHECKING:
    import duckdb

# The validation images, and the classes of ILSVRC 2012.
IMAGES = 50_000
CLASSES = 1_000
# Raised whenever a .sql file of this folder changes what a store holds; a test compares it with
# fingerprint().
SCHEMA_VERSION = 1

# The order in which a reader meets them: what was labelled, what was asked, who answered.
TABLES = (
    "images",
    "labels",
    "classes",
    "class_names",
    "questions",
    "raters",
    "votes",
    "scores",
    "train_files",
    "predictions",
    "paired_tests",
    "paired_tests_by_label_set",
    "stored_label_sets",
    "stored_assessments",
    "campaign_votes",
    "image_flags",
    "class_groups",
    "image_groups",
    "sources",
    "build",
)
# The tables that are kept beside the builds. A new ingest does not change them.
LABEL_SET_TABLES = (
    "stored_label_sets",
    "stored_assessments",
    "campaign_votes",
    "image_flags",
    "class_groups",
    "image_groups",
)
KEPT_TABLES = ("predictions", *LABEL_SET_TABLES)
# Tables that a build does not have: a session computes each from the view that it is mapped to.
COMPUTED = {
    "paired_tests": "paired_counts",
    "paired_tests_by_label_set": "paired_counts_by_label_set",
}
_FOLDER = Path(__file__).parent


def create_table(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Create the table `table`, empty, from its .sql file."""
    con.execute(sql_path(table).read_text(encoding="utf-8"))


def with_constraints(statement: str, constraints: Iterable[str]) -> str:
    """Return the text of a table's .sql file with more constraints behind the columns."""
    columns = statement.rstrip().removesuffix("\n);")
    return ",\n    ".join([columns, *constraints]) + "\n);"


def sql_path(table: str) -> Path:
    """Return the path of a table's .sql file."""
    return _FOLDER / ("session" if table in COMPUTED else "") / f"{table}.sql"


def header_of(table: str) -> header.Header:
    """Return the header of a table's .sql file."""
    path = sql_path(table)
    return header.parse(
        path.read_text(encoding="utf-8"), path.relative_to(_FOLDER.parent).as_posix()
    )


def source_of(table: str) -> str:
    """Return the files that a table comes from, in words."""
    return header_of(table).source


def comment_on(
    con: duckdb.DuckDBPyConnection, kind: str, name: str, about: header.Header, note: str = ""
) -> None:
    """Write a header's summary, a note, and the column lines into the database, by COMMENT ON."""
    target = quoting.identifier(name)
    text = f"{summary(about)} {note}".rstrip()
    con.execute(f"comment on {kind} {target} is {quoting.literal(text)}")
    for column, meaning in about.columns.items():
        place = f"{target}.{quoting.identifier(column)}"
        con.execute(f"comment on column {place} is {quoting.literal(meaning)}")


def summary(about: header.Header) -> str:
    """Return what a header says of the whole, in one line."""
    whole = " ".join(
        f"{label}: {text}."
        for label, text in (
            ("Grain", about.grain),
            ("Key", ", ".join(about.key)),
            ("References", "; ".join(map(str, about.references))),
            ("Rule", about.rule),
            ("Source", about.source),
        )
        if text
    )
    return f"{about.summary} {whole}"


def fingerprint() -> str:
    """Return the SHA-256 of the statements of what a store holds, their comments left out."""
    import hashlib

    digest = hashlib.sha256()
    for path in sorted(_FOLDER.glob("*.sql")):
        lines = path.read_text(encoding="utf-8").splitlines()
        digest.update("\n".join(line for line in lines if not line.startswith("--")).encode())
    return digest.hexdigest()
