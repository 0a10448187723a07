"""Select the columns of a table of predictions, and turn lists and series into rows.

A row is a prediction, or an image. The choices of an image are a list in a cell, or a series of
columns such as `index_0` to `index_4`. If there are 1,000 confidences and no classes, the positions
of the confidences are the classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import DataError, counted
from ..schema.tables import CLASSES
from . import assign
from .options import ReadOptions
from .roles import NAMES as NAMES

if TYPE_CHECKING:
    import duckdb

# The roles that may have a column for each rank, or for each class.
_SEVERAL = ("label", "confidence")
_NESTED = ("list", "array")
_SHOWN = 8
MOST_COLUMNS = 10_000
# The name of the image column that is made from `order`.
_PLACE = "image by the order of the rows"
# An element of a list in a cell as NumPy, Python or JSON print it: a number or a quoted text.
_NUMBER = r"""[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|NaN|-?inf"""
_TEXT = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_ELEMENT = rf"(?:{_NUMBER}|{_TEXT})"
_LIST = rf"\s*\[\s*{_ELEMENT}(?:(?:\s*,\s*|\s+){_ELEMENT})*\s*\]\s*"


def select(
    con: duckdb.DuckDBPyConnection,
    table: duckdb.DuckDBPyRelation,
    where: str,
    options: ReadOptions,
) -> duckdb.DuckDBPyRelation:
    """Return the columns of ROLES from `table`, one row a prediction.

    `options.columns` maps some of ROLES to a column's name, or to the common prefix of a series
    (`prob` for prob_0, prob_1, …), and takes precedence over known names. `where` is the file's
    name in messages. A table without an image column needs an order. Raises DataError if an image
    or label column is missing, if two columns are possible, or if the lists of an image differ in
    length.
    """
    found = assign.Candidates.of(table, where, options)
    found.settle_image()
    if not found.images:
        from . import missing

        if options.order is None or missing.is_summary(table):
            raise missing.images(table, where, options, found.labels, found.others)
        table = _placed(con, table, where, options)
        found.place(table, _PLACE)
    chosen = found.settle()
    options.facts.columns = chosen
    if not chosen["label"]:
        by_class = _by_class(con, table, where, chosen)
        if by_class is None:
            from . import missing

            raise missing.label(table, where)
        return by_class
    rows = _pick(table, chosen)
    return unfold(rows, where) if is_nested(rows) else rows


def _placed(
    con: duckdb.DuckDBPyConnection,
    table: duckdb.DuckDBPyRelation,
    where: str,
    options: ReadOptions,
) -> duckdb.DuckDBPyRelation:
    """Return the table with the column _PLACE, the image of each row in the chosen order."""
    import numpy as np

    rows = table.to_arrow_table()
    images = options.images_of(rows.num_rows, where)
    import pyarrow as pa

    images = images if images.dtype.kind == "i" else images.astype(np.str_)
    return con.from_arrow(rows.append_column(_PLACE, pa.array(images)))


def is_nested(rows: duckdb.DuckDBPyRelation) -> bool:
    """Return whether the labels or the confidences of `rows` are lists."""
    kinds = dict(zip(rows.columns, rows.types, strict=True))
    return any(kinds[role].id in _NESTED for role in _SEVERAL)


def unfold(rows: duckdb.DuckDBPyRelation, where: str) -> duckdb.DuckDBPyRelation:
    """Return `rows`, whose labels and confidences are lists, as one row a prediction.

    Raises DataError if the lists of an image differ in length.
    """
    kinds = dict(zip(rows.columns, rows.types, strict=True))
    has_confidence = bool(rows.filter("confidence is not null").limit(1).fetchall())
    if kinds["label"].id not in _NESTED or (
        has_confidence and kinds["confidence"].id not in _NESTED
    ):
        several, one = (
            ("label", "confidence") if kinds["label"].id in _NESTED else ("confidence", "label")
        )
        raise DataError(
            f"{where} has several {several}s for each image, but only one {one}",
            column=one,
            parameter="columns",
            remedy="Choose the columns that belong together with "
            '`columns={"label": "NAME", "confidence": "NAME"}`',
        )
    if rows.filter("rank is not null").limit(1).fetchall():
        raise DataError(
            f"{where} has a list of labels for each image and also a rank column",
            column="rank",
            remedy="Remove the rank column, or write one row for each label",
        )
    numbered = rows.project(
        "row_number() over () as row, model, image, cast(label as varchar[]) as label, "
        + (
            "cast(confidence as varchar[]) as confidence"
            if has_confidence
            else "cast(null as varchar[]) as confidence"
        )
    )
    wrong = (
        numbered.filter("len(confidence) <> coalesce(len(label), 0)")
        .project("row, coalesce(len(label), 0) as labels, len(confidence), count(*) over ()")
        .limit(1)
        .fetchall()
    )
    if wrong:
        row, labels, confidences, count = wrong[0]
        raise DataError(
            f"{where}: {counted(count, 'row does', 'rows do')} not have as many confidences as "
            f"labels. The first is row {row}, with {confidences} confidences for {labels} labels "
            "(row 1 is the first below the header)",
            row=row,
            column="confidence",
            value=confidences,
            count=count,
        )
    # An empty list becomes a row with a missing label, not zero rows.
    return numbered.project(
        "model, image, unnest(range(1, greatest(coalesce(len(label), 0), 1) + 1)) as rank, "
        "unnest(case when len(label) > 0 then label else [null] end) as label, "
        "unnest(confidence) as confidence"
    )


def parse_lists(rows: duckdb.DuckDBPyRelation, where: str) -> duckdb.DuckDBPyRelation:
    """Return `rows` with the labels and confidences that are printed lists as lists.

    NumPy prints [ 51  94 247] and ['tench' "judge's robe"]; Python and JSON put commas between. A
    cell that is not a list becomes a list of that one text, and is checked later. Raises DataError
    if NumPy abbreviated an array.
    """
    cut = (
        rows.filter(
            r"regexp_matches(cast(label as varchar), '[\[\s]\.\.\.[\s\]]')"
            r" or regexp_matches(cast(confidence as varchar), '[\[\s]\.\.\.[\s\]]')"
        )
        .aggregate("count(*)")
        .fetchall()[0][0]
    )
    if cut:
        raise DataError(
            f"{where}: {cut:,} rows contain arrays that NumPy abbreviated with '...', and the "
            "values left out cannot be restored",
            value="...",
            count=cut,
            remedy="Write Parquet, as timm's inference.py does with --results-format parquet, or "
            "call numpy.set_printoptions(threshold=sys.maxsize) before writing",
        )
    return rows.project(
        f"model, image, rank, {_parsed('label')} as label, "
        f"case when confidence is not null then {_parsed('confidence')} end as confidence"
    )


def require_distinct(names: Sequence[str], where: str) -> None:
    """Refuse column names that differ only in case, because DuckDB would rename them.

    More than MOST_COLUMNS columns are refused as well.
    """
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{where} has {len(names):,} columns, but realdb reads at most {MOST_COLUMNS:,}",
            count=len(names),
            remedy="Write a row for each image and a column for each of its choices",
        )
    counts = Counter(name.lower() for name in names)
    twice = [name for name in names if counts[name.lower()] > 1]
    if twice:
        raise DataError(
            f"{where} has {len(twice):,} columns with the same name: {_first(twice)} (upper and "
            "lower case are the same)",
            column=twice[0],
            count=len(twice),
            remedy="Rename or remove all but one",
        )


def _first(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _SHOWN else ""
    return f"{', '.join(map(repr, names[:_SHOWN]))}{more}"


def _parsed(role: str) -> str:
    """Return the SQL expression for the elements of a printed list, without quotes."""
    from ..schema import quoting

    unquoted = (
        "case when left(element, 1) in ('''', '\"') then "
        r"regexp_replace(substr(element, 2, len(element) - 2), '\\(.)', '\1', 'g') "
        "else element end"
    )
    cell = f"cast({role} as varchar)"
    return (
        f"case when regexp_full_match({cell}, {quoting.literal(_LIST)}) then "
        f"list_transform(regexp_extract_all({cell}, {quoting.literal(_ELEMENT)}), "
        f"lambda element: {unquoted}) else [{cell}] end"
    )


def _pick(
    table: duckdb.DuckDBPyRelation, chosen: Mapping[str, Sequence[str]]
) -> duckdb.DuckDBPyRelation:
    from ..schema import quoting

    kinds = dict(zip(table.columns, table.types, strict=True))

    def expression(names: Sequence[str]) -> str:
        columns = [quoting.identifier(name) for name in names]
        if len(names) >= CLASSES:
            # Cast here, because a list of a thousand texts takes 50 % more time.
            columns = [
                f"try_cast({column} as double)" if kinds[name].id == "varchar" else column
                for column, name in zip(columns, names, strict=True)
            ]
        if len(columns) > 1:
            return f"list_value({', '.join(columns)})"
        return columns[0] if columns else "cast(null as varchar)"

    return table.project(
        ", ".join(f"{expression(names)} as {role}" for role, names in chosen.items())
    )


def _by_class(
    con: duckdb.DuckDBPyConnection,
    table: duckdb.DuckDBPyRelation,
    where: str,
    chosen: Mapping[str, Sequence[str]],
) -> duckdb.DuckDBPyRelation | None:
    """Return the best classes of each image from its 1,000 confidences; None without these."""
    names = chosen["confidence"]
    if not names or chosen["rank"]:
        return None
    rows = _pick(table, chosen)
    kind = rows.types[rows.columns.index("confidence")].id
    if len(names) == 1 and kind == "varchar":
        first = rows.project("confidence").limit(1).fetchall()
        if not first or not str(first[0][0]).lstrip().startswith("["):
            return None
        rows = parse_lists(rows, where)
    elif len(names) == 1 and kind not in _NESTED:
        return None
    from . import logits

    return logits.of_table(con, rows, where)
