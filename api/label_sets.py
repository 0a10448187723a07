"""Add, list, compare and remove label sets: published ones, and the user's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ..errors import DataError, UsageError, did_you_mean
from ..schema.tables import LABEL_SET_TABLES
from ..store import kept
from ..store import label_sets as stored
from ..store import store as stores
from ..store.files import checksum, user_path
from . import aggregate as aggregating
from . import choices
from .build import is_offline, open_store, root_of
from .rules import require_choice, require_share
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.known import SourceFile
    from ..ingest.label_sets import Release
    from ..ingest.label_sets.content import Content
    from ..ingest.progress import Progress

AGGREGATES: tuple[str, ...] = get_args(choices.Aggregate)
# The tables that a connection needs to read image names and class names.
_READ_BY = ("images", "classes", "class_names", *LABEL_SET_TABLES)


def add_labels(
    what: str | Path,
    *,
    name: str | None = None,
    source: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    aggregate: str | None = None,
    golden: Collection[str] = (),
    threshold: float | None = None,
    title: str | None = None,
    licence: str | None = None,
    citation: str | None = None,
    replace: bool = False,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Add a label set to the store. Return a row for it, and a row for each of its subsets.

    `what` is the name of a published label set: multilabel-v3 (with its subset imagenet-m),
    biodiversity, cleanlab-mturk, vit3b-mistakes, greedy-soups-mistakes or imagenet-x. It is
    downloaded, and checked by its SHA-256. Or it is read from `source`: a file, folder, zip or
    wheel.

    `what` can also be your own CSV, JSON or Parquet file, of assessments or of votes. `columns`
    maps image, label, verdict, score, rater or answer to a column's name.

    - Assessments have the columns image and label. The columns verdict (correct, unclear, wrong)
      and score (0 to 1) are optional. Without both, each label is correct.
    - Votes have the columns image, label, rater and answer (no, maybe, yes). `aggregate` makes the
      scores: majority (the share of yes; a maybe counts half), dawid-skene or one-coin. The answers
      of the raters in `golden` are the truth, and not votes.

    Scores without verdicts make verdicts: a label is correct if its score is above 0.5, unclear at
    0.5, and wrong below. With `threshold` it is correct if its score is at least `threshold`, else
    wrong.

    The columns are label_set, status (added, unchanged or replaced), images, correct, unclear,
    wrong, votes, flags, groups, licence and citation. A new ingest keeps the label sets.

    Raises UsageError if the arguments do not fit together. Raises DataError if a file is invalid,
    or if another label set is stored under the name and `replace` is not set. Warns if a published
    file has another checksum.
    """
    from ..ingest.label_sets import locate
    from ..ingest.progress import silent

    path = what if str(what) in _release_names() else user_path(what)
    release, found = locate.find(path)
    options: dict[str, Any] = {
        "columns": columns,
        "aggregate": aggregate,
        "golden": golden,
        "threshold": threshold,
    }
    if release is None and source is not None:
        raise UsageError(
            "`source` can be used only with a published label set, but this is your own file",
            parameter="source",
            value=source,
            remedy="Remove `source`",
        )
    if release is not None:
        unused = [each for each, value in options.items() if value]
        if unused:
            raise UsageError(
                f"`{unused[0]}` can be used only with your own file, but {release.name} is a "
                "published label set",
                parameter=unused[0],
                value=release.name,
                remedy="Remove it",
            )
        if source is not None:
            found = user_path(source)
    if aggregate is not None:
        require_choice("aggregate", aggregate, AGGREGATES)
    if threshold is not None:
        require_share("threshold", threshold)
    name = name or (release.name if release else Path(str(path)).stem)
    stored.require_name(name)
    opened = open_store(store, offline, progress)
    about = {"title": title, "licence": licence, "citation": citation}
    # The tables are small, and each thread needs its own buffers.
    con = opened.connect(_READ_BY)
    con.execute("set threads = 1")
    if release is None:
        assert found is not None
        _read_own(con, found, name, **options)
        _describe(con, name, about, source=str(found), sha256=checksum(found))
        return _relation([_put(opened.root, con, name, replace=replace)])
    own = {key: value for key, value in about.items() if value is not None}
    rows: list[object] = []
    with locate.located(
        release, found, offline=is_offline(offline), progress=progress or silent
    ) as files:
        contents = _read(release, files, con)
        only = next(iter(files.values())) if len(files) == 1 else None
        origins = ", ".join(dict.fromkeys(file.origin for file in files.values()))
        published = {"licence": release.licence, "citation": release.citation}
        # Check all label sets before the first is stored.
        for verb in (stored.require_free, _put):
            for content in contents:
                each = content.name or name
                for table in LABEL_SET_TABLES:
                    con.execute(f"delete from {table}")  # noqa: S608, a constant
                content.insert(con, each)
                _describe(
                    con,
                    each,
                    {"title": content.title or release.title} | published | own,
                    source=origins,
                    sha256=only.sha256 if only else None,
                )
                rows.append(verb(opened.root, con, each, replace=replace))
    return _relation([row for row in rows if isinstance(row, dict)])


def notices(rows: duckdb.DuckDBPyRelation) -> list[str]:
    """Return a line with licence and citation for each row that `add_labels` returned."""
    found = rows.filter("licence is not null or citation is not null")
    return [
        f"{name}: {'licence ' + licence if licence else 'no licence'}"
        + (f"; please cite {citation}" if citation else "")
        for name, licence, citation in found.project("label_set, licence, citation").fetchall()
    ]


@kept.reading_again
def label_sets(*, store: str | PathLike[str] | None = None) -> duckdb.DuckDBPyRelation:
    """Return a row for each label set: the added ones, `real` and `original`.

    The columns are those of the view `label_sets`.
    """
    session = Session(stores.resolve(root_of(store)), views=["label_sets"]).prepare()
    return session.view("label_sets").order("label_set")


def remove_labels(*names: str, store: str | PathLike[str] | None = None) -> None:
    """Remove label sets from the store.

    If one is not stored, raises DataError with the nearest names, and removes none.
    """
    stored.remove(stores.resolve(root_of(store)).root, names)


@kept.reading_again
def compare_labels(
    label_set: str, other_label_set: str, *, store: str | PathLike[str] | None = None
) -> duckdb.DuckDBPyRelation:
    """Compare two label sets, which can be `real` and `original` too. Return one row.

    The columns are the two names and those of the view `label_sets_compared`: the numbers of images
    whose labels are equal, larger, smaller, overlapping or disjoint, and the verdicts of the second
    on the labels of the first. Raises DataError, with the nearest names, if a label set is unknown.
    """
    view = "label_sets_compared"
    session = Session(stores.resolve(root_of(store)), views=[view], tables=["stored_label_sets"])
    session.prepare()
    rows = session.con.execute("select label_set from stored_label_sets order by label_set")
    known = [*stored.OWN, *(name for (name,) in rows.fetchall())]
    for name, parameter in ((label_set, "label_set"), (other_label_set, "other_label_set")):
        if name not in known:
            raise DataError(
                f"the store has no label set {name!r}",
                value=name,
                count=len(known),
                parameter=parameter,
                remedy=did_you_mean(name, known, "List them with: realdb labels list"),
            )
    if label_set == other_label_set:
        raise UsageError(
            f"{label_set!r} cannot be compared with itself",
            parameter="other_label_set",
            value=label_set,
            remedy="Use two different label sets",
        )
    return session.con.sql(
        """
        select
            $label_set as label_set,
            $other_label_set as other_label_set,
            *
        from label_sets_compared($label_set, $other_label_set)
        """,
        params={"label_set": label_set, "other_label_set": other_label_set},
    )


def _release_names() -> Iterable[str]:
    from ..ingest.label_sets import releases

    return releases()


def _read(
    release: Release, files: Mapping[str, SourceFile], con: duckdb.DuckDBPyConnection
) -> list[Content]:
    """Read the files of a release. Warn about files that differ from the published ones."""
    from ..ingest import sources
    from ..ingest.label_sets.content import Known

    contents = release.read(files, Known(con))
    sources.tell_others(files.values(), release.files)
    return contents


def _read_own(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    *,
    columns: Mapping[str, str] | None,
    aggregate: str | None,
    golden: Collection[str],
    threshold: float | None,
) -> None:
    """Read the user's own file into the tables of `con`."""
    from ..ingest.label_sets import own as reading

    own = reading.read(con, path, columns)
    if own.is_votes:
        reading.check_votes(con, str(path))
        con.execute(
            f"""
            insert into campaign_votes
            select $name, image_id, label, rater, answer, list_contains($golden, rater)
            from {reading.ROWS}
            """,  # noqa: S608, a constant
            {"name": name, "golden": [*golden]},
        )
        aggregating.require_golden(con, golden, path)
        aggregating.assess(con, name, aggregate or "majority", threshold)
        return
    if aggregate is not None or golden:
        unused = "aggregate" if aggregate is not None else "golden"
        raise UsageError(
            f"`{unused}` can be used only with votes, but {path} has no columns rater and answer",
            parameter=unused,
            value=aggregate or next(iter(golden)),
            remedy="Remove it",
        )
    reading.check_assessments(con, str(path), own)
    has_verdict = "verdict" in own.roles
    if threshold is not None and (has_verdict or "score" not in own.roles):
        raise UsageError(
            f"`threshold` can be used only with scores without verdicts, but {path} has "
            + ("verdicts" if has_verdict else "no scores"),
            parameter="threshold",
            value=threshold,
            remedy="Remove `threshold`",
        )
    verdict = aggregating.verdict_of("score", threshold) if "score" in own.roles else "'correct'"
    con.execute(
        f"""
        insert into stored_assessments
        select $name, image_id, label, {"verdict" if has_verdict else verdict}, score
        from (select * replace (cast(score as double) as score) from {reading.ROWS})
        """,  # noqa: S608, constants
        {"name": name},
    )


def _describe(
    con: duckdb.DuckDBPyConnection,
    name: str,
    about: Mapping[str, str | None],
    *,
    source: str,
    sha256: str | None,
) -> None:
    """Insert the row of the label set into stored_label_sets."""
    con.execute(
        """
        insert into stored_label_sets
        select
            $name, $title, $licence, $citation, $source, $sha256,
            (
                select count(distinct image_id)
                from (
                    select image_id from stored_assessments
                    union all
                    select image_id from campaign_votes
                    union all
                    select image_id from image_flags where flag = 'annotated'
                )
            ),
            $added_at
        """,
        {
            "name": name,
            **about,
            "source": source,
            "sha256": sha256,
            "added_at": datetime.now(UTC).replace(microsecond=0, tzinfo=None),
        },
    )


def _put(root: Path, con: duckdb.DuckDBPyConnection, name: str, *, replace: bool) -> dict[str, Any]:
    """Store the rows of `con`. Return the row of the result."""
    status = stored.put(root, con, name, replace=replace)
    found = con.execute(
        """
        select
            $name as label_set,
            $status as status,
            s.images,
            (select count(*) from stored_assessments where verdict = 'correct') as correct,
            (select count(*) from stored_assessments where verdict = 'unclear') as unclear,
            (select count(*) from stored_assessments where verdict = 'wrong') as wrong,
            (select count(*) from campaign_votes where not is_golden) as votes,
            (select count(*) from image_flags) as flags,
            (select count(*) from class_groups) + (select count(*) from image_groups) as groups,
            s.licence,
            s.citation
        from stored_label_sets as s
        """,
        {"name": name, "status": status},
    )
    columns = [column[0] for column in found.description or ()]
    return dict(zip(columns, found.fetchall()[0], strict=True))


def _relation(rows: list[dict[str, Any]]) -> duckdb.DuckDBPyRelation:
    """Return the rows as a relation, without pyarrow: its import takes 50 MB."""
    import duckdb

    texts = ("label_set", "status", "licence", "citation")
    columns = ", ".join(
        f"unnest(${column}::{'varchar' if column in texts else 'bigint'}[]) as {column}"
        for column in rows[0]
    )
    values = {column: [row[column] for row in rows] for column in rows[0]}
    return duckdb.connect().sql(f"select {columns}", params=values)
