"""Check a store: its files, keys and counts, and whether its votes give its scores and labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import QueryError, RealdbWarning, StoreError, counted
from ..queries import catalog
from ..schema import quoting
from ..schema.tables import LABEL_SET_TABLES, header_of
from ..store import label_sets, prediction_sets
from ..store import store as stores
from ..store.files import checksum
from . import rescore
from .build import root_of
from .rules import PUBLISHED_THRESHOLD
from .session import Session
from .shown import Shown, ShownList

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress
    from ..store.store import Store


@dataclass(frozen=True, kw_only=True, repr=False)
class Check(Shown):
    """One check. `is_passed` is None if the check was not possible, for the reason in `found`."""

    check: str
    is_passed: bool | None
    found: str


def verify(
    *, store: str | PathLike[str] | None = None, progress: Progress | None = None
) -> list[Check]:
    """Check the store, and return the result of each check.

    A damaged file is a failed check. The checks that read files are then left out. Raises
    StoreError if there is no store.
    """
    opened = stores.resolve(root_of(store))
    checks = list(_files(opened))
    if not all(check.is_passed for check in checks):
        left_out = "not checked, because a file is damaged"
        checks += [Check(check="keys, labels, scores", is_passed=None, found=left_out)]
        return ShownList(checks)
    # Leave out the label sets, because a damaged one would prevent all other checks.
    con = Session(opened, tables=opened.tables).con
    steps = (_keys, _sources, _threshold, _recomputation, _predictions, _label_sets)
    for place, step in enumerate(steps):
        if progress:
            progress("checking", place, len(steps))
        checks += step(opened, con)
    return ShownList(checks)


def check_table(checks: list[Check]) -> duckdb.DuckDBPyRelation:
    """Return a row for each check."""
    import duckdb
    import pyarrow as pa

    kinds = {"check": pa.string(), "is_passed": pa.bool_(), "found": pa.string()}
    rows = pa.Table.from_pylist([asdict(check) for check in checks], schema=pa.schema(kinds))
    return duckdb.connect().from_arrow(rows)


def _files(opened: Store) -> Iterator[Check]:
    """Check that each table's file is the one that the build wrote, and can be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for table, rows in opened.tables.items():
        try:
            opened.require_whole(table)
            held = pq.read_metadata(opened.parquet(table)).num_rows
            sha256 = checksum(opened.parquet(table))
            found = f"{held:,} of {counted(rows, 'row')}, sha256 {sha256[:12]}…"
        except (StoreError, OSError, pa.ArrowException) as error:
            held, found = -1, str(getattr(error, "message", error)).splitlines()[0]
        yield Check(check=f"file of {table}", is_passed=held == rows, found=found)
    expected = opened.checksums.get(stores.DATABASE)
    if expected is not None:
        try:
            found = checksum(opened.folder / stores.DATABASE)
        except OSError as error:
            found = error.strerror or str(error)
        yield Check(
            check=f"file of {stores.DATABASE}",
            is_passed=found == expected,
            found=f"sha256 {found[:12]}…"
            if found == expected
            else f"sha256 {found}, but the build wrote {expected}",
        )


def _keys(opened: Store, con: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Check that keys are unique."""
    for table in opened.tables:
        key = ", ".join(map(quoting.identifier, header_of(table).key))
        distinct = con.table(table).project(key).distinct().count("*").fetchall()[0][0]
        rows = opened.tables[table]
        yield Check(
            check=f"key of {table}",
            is_passed=distinct == rows,
            found=f"{counted(distinct, 'distinct value')} of {', '.join(header_of(table).key)} in "
            f"{counted(rows, 'row')}",
        )


def _sources(_: Store, con: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Check whether the source files of the store are the published ones."""
    others = con.execute(
        "select file_name from sources where not is_published order by file_name"
    ).fetchall()
    names = ", ".join(name for (name,) in others)
    count = con.table("sources").count("*").fetchall()[0][0]
    yield Check(
        check="published sources",
        # Other files are not a fault, but their figures are not the published ones.
        is_passed=None if others else True,
        found=f"{count - len(others)} of {counted(count, 'file')} with a published checksum"
        + (f"; without: {names}" if others else ""),
    )


def _threshold(opened: Store, con: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Check that the labels are the questions at or above the operating point."""
    try:
        view = catalog.require("labels_at", opened.names)
    except QueryError as error:
        yield Check(check="labels by score", is_passed=None, found=str(error))
        return
    ((labels, differing),) = con.execute(
        f"""
        with by_score as ({view.select})

        select
            (select count(*) from labels),
            count(*)
        from labels as l
        full join by_score as s
            on l.image_id = s.image_id and l.label = s.label and l.position = s.position
        where l.image_id is null or s.image_id is null
        """,  # noqa: S608, a view's own text
        {"threshold": PUBLISHED_THRESHOLD},
    ).fetchall()
    yield Check(
        check="labels by score",
        is_passed=differing == 0,
        found=f"{differing:,} of {labels:,} labels differ from scores >= {PUBLISHED_THRESHOLD}",
    )


def _recomputation(opened: Store, _: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Check that the votes give the scores and the labels."""
    try:
        found = rescore.verify_scores(store=opened.root)
    except QueryError as error:
        yield Check(check="scores by votes", is_passed=None, found=str(error))
        return
    yield Check(
        check="scores by votes",
        is_passed=found.is_equal,
        found=f"{found.recomputed_questions:,} of {found.questions:,} scores recomputed; "
        f"{found.differing_scores:,} scores differ (largest difference "
        f"{found.largest_difference:.2g}), and {found.differing_labels:,} of "
        f"{found.published_labels:,} labels",
    )


def _predictions(opened: Store, _: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Check that each stored model is unchanged, with each image and rank once."""
    files = prediction_sets.files(opened.root)
    if not files:
        return
    damaged, unknown = prediction_sets.damage(opened.root)
    if damaged:
        first = damaged[0].message
        yield Check(
            check="stored predictions",
            is_passed=False,
            found=f"{counted(len(damaged), 'damaged file')} of {len(files):,}: {first}",
        )
        return
    try:
        with warnings.catch_warnings():
            # Ignore the warning of missing checksums: they are written below.
            warnings.simplefilter("ignore", RealdbWarning)
            con = Session(opened).prepare(stored=True).con
        rows, keys = con.execute(
            """
            select
                count(*),
                count(distinct (model, image_id, rank))
            from predictions
            """
        ).fetchall()[0]
    except StoreError as error:
        yield Check(check="stored predictions", is_passed=False, found=str(error))
        return
    written = ""
    if unknown and rows == keys:
        prediction_sets.write_checksums(opened.root, unknown)
        written = f"; {counted(len(unknown), 'missing checksum')} written"
    yield Check(
        check="stored predictions",
        is_passed=rows == keys,
        found=f"{counted(len(files), 'file')}, {counted(rows, 'row')}, "
        f"{counted(keys, 'distinct key')}{written}",
    )


def _label_sets(opened: Store, _: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Check that each stored label set and grouping is unchanged, with each key once."""
    folders_of = {kind: label_sets.folders(opened.root, kind) for kind in label_sets.KINDS}
    if not any(folders_of.values()):
        return
    for kind, folders in folders_of.items():
        if not folders:
            continue
        damaged = label_sets.damage(opened.root, kind)
        first = f": {damaged[0].message}" if damaged else ""
        yield Check(
            check=f"stored {kind.word}s",
            is_passed=not damaged,
            found=f"{len(damaged):,} of {len(folders):,} folders are damaged{first}"
            if damaged
            else f"{len(folders):,} folders, {_size(folders):,} bytes",
        )
        if damaged:
            return
    try:
        con = Session(opened, tables=LABEL_SET_TABLES).con
        for table in LABEL_SET_TABLES:
            key = ", ".join(map(quoting.identifier, header_of(table).key))
            rows = con.table(table).count("*").fetchall()[0][0]
            distinct = con.table(table).project(key).distinct().count("*").fetchall()[0][0]
            if rows:
                yield Check(
                    check=f"key of {table}",
                    is_passed=distinct == rows,
                    found=f"{distinct:,} distinct values of {', '.join(header_of(table).key)}",
                )
    except StoreError as error:
        yield Check(check="stored label sets", is_passed=False, found=str(error))


def _size(folders: list[Path]) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.iterdir())
