"""Read the user's own label set: a CSV, JSON or Parquet file of assessments or of votes.

Assessments have the columns image and label. The columns verdict (correct, unclear or wrong) and
score are optional. Votes have image, label, rater and answer (no, maybe or yes). The files that
`realdb export` writes for crowd-kit, cleanlab and FiftyOne can be read too. Image names and class
names have the same forms as in predictions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import DataError, UsageError, counted, did_you_mean
from ...schema import quoting
from .. import image_names, roles, spellings, tables
from .content import VERDICTS, shown

if TYPE_CHECKING:
    import duckdb

ANSWERS = ("no", "maybe", "yes")
# The keys of `columns`.
ROLES = ("image", "label", "verdict", "score", "rater", "answer", "group")
_NAMES = {
    "verdict": ("verdict", "assessment"),
    "score": ("score", "probability", "confidence"),
    "rater": ("rater", "rater_id", "worker", "worker_id", "annotator", "annotator_id"),
    "answer": ("answer", "vote", "response"),
    "group": ("group", "group_name", "slice", "factor", "metaclass"),
}
_CROWD_KIT = {"task", "worker", "label"}
_FIFTY_ONE = {"classes", "labels"}
_FILE = "own_file"
_TURNED = "own_turned"
_RAW = "own_raw"
ROWS = "own_rows"


class Own(NamedTuple):
    """The columns that a file has, of ROLES, and the number of its rows in the table ROWS.

    The columns of ROWS are row, image_id, label, and as text verdict, score, rater, answer and
    group_name. A column is NULL if the file does not have it.
    """

    roles: tuple[str, ...]
    rows: int

    @property
    def is_votes(self) -> bool:
        """Whether the file has votes."""
        return "answer" in self.roles


def read(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Mapping[str, str] | None = None,
    *,
    required: Iterable[str] = ("image", "label"),
) -> Own:
    """Read a file into the table ROWS of `con`, which has the tables images and classes.

    `columns` maps some of ROLES to the names of columns. The file must have the roles `required`.
    Raises DataError, with the count and the first row, if an image or a label is invalid or a
    column is missing.
    """
    where = str(path)
    unknown = sorted({*(columns or {})} - {*ROLES})
    if unknown:
        raise UsageError(
            f"`columns` has the unknown key {unknown[0]!r}",
            parameter="columns",
            value=unknown[0],
            count=len(unknown),
            remedy=f"The keys are {', '.join(ROLES)}",
        )
    table, chosen = _open(con, path, columns or {})
    missing = [role for role in required if role not in chosen]
    if missing:
        names = con.table(table).columns
        raise DataError(
            f"{where} has no column for the {missing[0]}. Its columns are "
            f"{', '.join(map(repr, names[:20]))}",
            file=where,
            column=missing[0],
            count=len(missing),
            parameter="columns",
            remedy=f'Set it with `columns={{"{missing[0]}": "NAME"}}`',
        )
    if ("rater" in chosen) != ("answer" in chosen):
        lacking = "answer" if "rater" in chosen else "rater"
        raise DataError(
            f"{where} has a column {chosen['rater' if lacking == 'answer' else 'answer']}, but no "
            f"column for the {lacking}. Votes need both",
            file=where,
            column=lacking,
            parameter="columns",
            remedy=f'Set it with `columns={{"{lacking}": "NAME"}}`, or remove the other column',
        )
    texts = [
        f"cast({quoting.identifier(chosen[role])} as varchar)" if role in chosen else "null"
        for role in ROLES[2:]
    ]
    image, label = (
        quoting.identifier(chosen[role]) if role in chosen else "null" for role in ROLES[:2]
    )
    extras = ", ".join(
        f"cast({text} as varchar) as {name}"
        for text, name in zip(texts, (*ROLES[2:-1], "group_name"), strict=True)
    )
    con.execute(
        f"""
        create temp table {_RAW} as
        select row_number() over () as row, {image} as image, {label} as label, {extras}
        from {table}
        """  # noqa: S608, all are quoted
    )
    _number(con, where, [role for role in ("image", "label") if role in chosen])
    rows = con.table(ROWS).count("*").fetchall()[0][0]
    if not rows:
        raise DataError(f"{where} has no rows", file=where, count=0)
    return Own(tuple(chosen), int(rows))


def _open(
    con: duckdb.DuckDBPyConnection, path: Path, columns: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """Make the file a table of `con`. Return the table's name, and the column of each role."""
    import duckdb

    if path.suffix.lower() == ".json" and _open_fifty_one(con, path):
        return _TURNED, {"image": "image", "label": "label"}
    try:
        tables.show(con, _FILE, path)
    except DataError as error:
        error.parameter = None  # `tables.show` names a parameter that is missing here
        raise
    try:
        names = list(con.table(_FILE).columns)
    except duckdb.Error as error:
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}", file=path) from None
    if not columns and {*names} == _CROWD_KIT:
        con.execute(
            f"""
            create view {_TURNED} as
            select
                split_part(cast(task as varchar), '/', 1) as image,
                split_part(cast(task as varchar), '/', 2) as label,
                worker as rater,
                label as answer
            from {_FILE}
            """  # noqa: S608, constants
        )
        return _TURNED, {role: role for role in ("image", "label", "rater", "answer")}
    raters = [name for name in names if name not in ("image_id", "label")]
    if not columns and len(raters) == len(names) - 2 and raters and all(map(str.isdecimal, raters)):
        listed = ", ".join(map(quoting.identifier, raters))
        con.execute(
            f"""
            create table {_TURNED} as
            select
                image_id as image,
                label,
                rater,
                coalesce($1[try_cast(code as integer) + 1], cast(code as varchar)) as answer
            from (unpivot {_FILE} on {listed} into name rater value code)
            """,  # noqa: S608, all are quoted
            [[*ANSWERS]],
        )
        return _TURNED, {role: role for role in ("image", "label", "rater", "answer")}
    return _FILE, _roles(names, columns, path)


def _open_fifty_one(con: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """Read a file for FiftyOne into the table _TURNED. Return whether it is such a file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False  # the reader of tables reports the problem
    if not isinstance(content, dict) or not {*content} >= _FIFTY_ONE:
        return False
    classes, labels = content["classes"], content["labels"]
    if not isinstance(classes, list) or not isinstance(labels, dict):
        raise DataError(f"{path} has no list of classes or no object of labels", file=path)
    rows = []
    for image, found in labels.items():
        for place in found if isinstance(found, list) else [found]:
            if type(place) is not int or not 0 <= place < len(classes):
                raise DataError(
                    f"{path} has the invalid label {place!r} for {image!r}. It must be an index, "
                    f"from 0, into the list of {len(classes):,} classes",
                    file=path,
                    column="label",
                    value=place,
                )
            rows.append((image, str(classes[place])))
    con.execute(f"create table {_TURNED} (image varchar, label varchar)")
    if rows:
        images, names = map(list, zip(*rows, strict=True))
        con.execute(
            f"insert into {_TURNED} select unnest($1), unnest($2)",
            [images, names],
        )
    return True


def _roles(names: list[str], columns: Mapping[str, str], path: Path) -> dict[str, str]:
    """Return the column of each role; DataError if a column is missing or ambiguous."""
    chosen: dict[str, str] = {}
    for role, name in columns.items():
        if name not in names:
            raise DataError(
                f"{path} has no column {name!r}. Its columns are "
                f"{', '.join(map(repr, names[:20]))}",
                file=path,
                column=role,
                value=name,
                parameter="columns",
                remedy=did_you_mean(name, names, "Choose one of them"),
            )
        chosen[role] = name
    for role in ROLES:
        if role in chosen:
            continue
        known = set(map(roles.normal, _NAMES.get(role, ())))
        found = [
            name
            for name in names
            if name not in chosen.values()
            and (roles.normal(name) in known if known else roles.of(name) == role)
        ]
        if len(found) > 1:
            raise DataError(
                f"{path} has {len(found)} columns that could be the {role}: "
                f"{', '.join(map(repr, found))}",
                file=path,
                column=role,
                count=len(found),
                parameter="columns",
                remedy=f'Choose one with `columns={{"{role}": "{found[0]}"}}`',
            )
        if found:
            chosen[role] = found[0]
    return chosen


def _number(con: duckdb.DuckDBPyConnection, where: str, wanted: list[str]) -> None:
    """Make the table ROWS from _RAW, with numbers for image names and class names."""
    statement = Path(tables.__file__).with_name("values.sql").read_text(encoding="utf-8")
    parameters = {"model": "", "image_name": image_names.PATTERN}
    con.execute(
        f"""
        create view input_rows as
        select
            cast(row as varchar) as model,
            image,
            null as rank,
            label,
            null as confidence
        from {_RAW}
        """  # noqa: S608, a constant
    )
    con.execute(f"create temp table own_parsed as {statement}", parameters)
    has_words = "label is null" if "label" in wanted else "false"
    if con.table("own_parsed").filter(has_words).limit(1).fetchall():
        spellings.spell_out(con, where)
        con.execute(f"create or replace temp table own_parsed as {statement}", parameters)
    con.execute("drop view input_rows")
    con.execute(f"drop table if exists {spellings.SPELLED}")
    con.execute(
        f"""
        create temp table {ROWS} as
        select
            r.row,
            p.image_id,
            p.label,
            lower(trim(r.verdict)) as verdict,
            r.score,
            trim(r.rater) as rater,
            case lower(trim(r.answer))
                when 'true' then 'yes'
                when 'false' then 'no'
                else lower(trim(r.answer))
            end as answer,
            trim(r.group_name) as group_name,
            cast(r.image as varchar) as image_text,
            cast(r.label as varchar) as label_text
        from {_RAW} as r
        inner join own_parsed as p on r.row = cast(p.model as bigint)
        """  # noqa: S608, constants
    )
    column = {"image": "image_id", "label": "label"}
    expected = {
        "image": "Use file names such as ILSVRC2012_val_00000293.JPEG, or numbers from 1 to 50,000",
        "label": "Use class ids from 0 to 999, WordNet ids, or class names",
    }
    for role in wanted:
        refuse(con, where, role, f"{column[role]} is null", f"{role}_text", expected[role])


def refuse(
    con: duckdb.DuckDBPyConnection,
    where: str,
    role: str,
    condition: str,
    value: str,
    remedy: str,
) -> None:
    """Raise DataError if rows of ROWS meet `condition`. `value` is the column to show."""
    found = con.execute(
        f"select row, {value} from {ROWS} where {condition} order by row"  # noqa: S608, ours
    ).fetchall()
    if not found:
        return
    row, text = found[0]
    texts = ["nothing" if each is None else each for _, each in found]
    raise DataError(
        f"{where}: {counted(len(found), 'row has', 'rows have')} no valid {role}: {shown(texts)} "
        f"(first: row {row}; row 1 is the first row of data)",
        file=where,
        row=row,
        column=role,
        value=text,
        count=len(found),
        remedy=remedy,
    )


def check_assessments(con: duckdb.DuckDBPyConnection, where: str, own: Own) -> None:
    """Raise DataError if a verdict or a score is invalid, or a label is judged twice."""
    if "verdict" in own.roles:
        known = ", ".join(f"'{verdict}'" for verdict in VERDICTS)
        refuse(
            con,
            where,
            "verdict",
            f"coalesce(verdict not in ({known}), true)",
            "verdict",
            f"The verdicts are {', '.join(VERDICTS)}",
        )
    if "score" in own.roles:
        score = "try_cast(score as double)"
        refuse(
            con,
            where,
            "score",
            f"coalesce(not ({score} between 0 and 1), score is not null)"
            + ("" if "verdict" in own.roles else " or score is null"),
            "score",
            "Use numbers from 0 to 1",
        )
    _refuse_repeats(
        con,
        where,
        ("image_id", "label"),
        "label",
        "labels of an image are judged more than once",
        "coalesce(verdict, score)",
    )


def check_votes(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Raise DataError if an answer is invalid, a rater is missing, or a rater answers twice."""
    known = ", ".join(f"'{answer}'" for answer in ANSWERS)
    refuse(
        con,
        where,
        "answer",
        f"coalesce(answer not in ({known}), true)",
        "answer",
        f"The answers are {', '.join(ANSWERS)}",
    )
    refuse(con, where, "rater", "coalesce(rater, '') = ''", "rater", "Add the rater to each row")
    _refuse_repeats(
        con,
        where,
        ("image_id", "label", "rater"),
        "rater",
        "questions are answered more than once by one rater",
        "answer",
    )


def refuse_repeated_groups(con: duckdb.DuckDBPyConnection, where: str, key: str) -> None:
    """Raise DataError if a class or an image (the column `key`) is in a group twice."""
    _refuse_repeats(
        con, where, (key, "group_name"), "group_name", "rows repeat an earlier row", "group_name"
    )


def _refuse_repeats(
    con: duckdb.DuckDBPyConnection,
    where: str,
    key: tuple[str, ...],
    column: str,
    what: str,
    said: str,
) -> None:
    names = ", ".join(key)
    found = con.execute(
        f"""
        select {names}, min(row) as first, max(row) as last, list(distinct {said}) as said
        from {ROWS}
        group by {names}
        having count(*) > 1
        order by first
        """  # noqa: S608, ours
    ).fetchall()
    if not found:
        return
    *values, first, last, texts = found[0]
    named = dict(zip(key, values, strict=True))
    if "image_id" in named:
        named = {"image": image_names.file_name(named["image_id"])} | named
        del named["image_id"]
    about = ", ".join(f"{name} {value}" for name, value in named.items())
    both = f" ({' and '.join(sorted(map(str, texts)))})" if len(texts) > 1 else ""
    raise DataError(
        f"{where}: {what} ({len(found):,} in total): {about} in rows {first} and {last}{both} "
        "(row 1 is the first row of data)",
        file=where,
        row=last,
        column=column,
        value=named[column],
        count=len(found),
        remedy="Keep one of the rows",
    )
