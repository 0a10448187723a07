"""Read labels that are not class ids: printed lists, and names of classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from . import columns

if TYPE_CHECKING:
    import duckdb

# The table that replaces the rows that were read.
SPELLED = "input_spelled_out"
_SHOWN = 3


def spell_out(con: duckdb.DuckDBPyConnection, where: str) -> bool:
    """Replace the labels of the view `input_rows` by class ids; return whether anything changed.

    Printed lists become one row a prediction. realdb uses the spelling of the classes in which all
    texts of the file are known, or else most of them. The other texts stay, and later checks refuse
    them. Raises DataError if a text could be two classes.
    """
    from . import printed  # imported here, because compiling its patterns takes time

    rows = con.view("input_rows")
    meant = printed.read(con, rows)
    rows = rows if meant is None else meant
    has_lists = rows.filter(
        "regexp_matches(cast(label as varchar), '^\\s*\\[') "
        "or regexp_matches(cast(confidence as varchar), '^\\s*\\[')"
    )
    is_listed = bool(has_lists.limit(1).fetchall())
    changed = meant is not None or is_listed
    if is_listed:
        rows = columns.unfold(columns.parse_lists(rows, where), where)
    words = "label is not null and try_cast(cast(label as varchar) as double) is null"
    has_words = _has(con, "classes") and bool(rows.filter(words).limit(1).fetchall())
    if not changed and not has_words:
        return False
    rows.project("*, row_number() over () as row").to_table(SPELLED)
    con.execute("drop table if exists printed_out")
    if has_words:
        con.execute("create table class_texts (text varchar, spelling varchar, label smallint)")
        changed = _take_words(con, where) or changed
        con.execute("drop table class_texts")
    con.table(SPELLED).order("row").project("* exclude row").create_view("input_rows", replace=True)
    return changed


def known_words(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the names of the classes in every spelling, and their class ids.

    A name that could be two classes has -1. Without the table `classes`, the result is empty.
    """
    if not _has(con, "classes"):
        return {}
    words: dict[str, int] = {}
    for text, label in con.sql(_spellings(con)).project("text, label").fetchall():
        words[text] = label if words.get(text, label) == label else -1
    return words


def _has(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    # A query that fails would end the transaction.
    held = "select 1 from information_schema.tables where table_name = $1"
    return bool(con.execute(held, [table]).fetchall())


def _spellings(con: duckdb.DuckDBPyConnection) -> str:
    """Return the query for all spellings, with CLIP's names if the store has them."""
    files = ["spellings.sql"] + ["clip_names.sql"] * _has(con, "class_names")
    return "\nunion all\n".join(map(_query, files))


def _query(file_name: str) -> str:
    return Path(__file__).with_name(file_name).read_text(encoding="utf-8")


def _take_words(con: duckdb.DuckDBPyConnection, where: str) -> bool:
    """Replace the words in SPELLED by class ids; return whether any are known."""
    con.execute(f"insert into class_texts by name {_spellings(con)}")
    fitting = _best(con)
    texts = con.table(SPELLED).project("cast(label as varchar) as text").filter("text is not null")
    if not fitting or fitting[0][1] < len(texts.distinct()):
        # No spelling has all texts: accept any name of a class, in upper or lower case.
        con.execute(f"insert into class_texts by name {_query('any_name.sql')}")
        fitting = _best(con)
    spellings = [spelling for spelling, _ in fitting]
    if not spellings:
        return False
    con.execute("delete from class_texts where not list_contains($1, spelling)", [spellings])
    _refuse_shared(con, where)
    # A number among words is not a class id. In quotes, the checks refuse it with its row.
    con.execute(
        f"""
        create or replace table {SPELLED} as
        select
            spelled.* replace (
                case
                    when words.text is not null then cast(words.label as varchar)
                    when try_cast(cast(spelled.label as varchar) as double) is not null
                        then '"' || cast(spelled.label as varchar) || '"'
                    else cast(spelled.label as varchar)
                end as label
            )
        from {SPELLED} as spelled
        left join (select distinct text, label from class_texts) as words
            on cast(spelled.label as varchar) = words.text
        """  # noqa: S608, a constant
    )
    return True


def _best(con: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """Return the spellings in which most texts are known, and the number of these texts."""
    return con.execute(
        f"""
        with texts as (
            select distinct cast(label as varchar) as text from {SPELLED} where label is not null
        ),

        known as (
            select class_texts.spelling, count(distinct texts.text) as texts
            from texts inner join class_texts on texts.text = class_texts.text
            group by class_texts.spelling
        )

        select spelling, texts from known where texts = (select max(texts) from known)
        """  # noqa: S608, a constant
    ).fetchall()


def _refuse_shared(con: duckdb.DuckDBPyConnection, where: str) -> None:
    """Refuse texts that are more than one class in the chosen spellings."""
    shared = con.execute(
        f"""
        with words as (
            select class_texts.text, class_texts.label, max(classes.wordnet_id) as wordnet_id
            from class_texts left join classes on class_texts.label = classes.label
            group by class_texts.text, class_texts.label
        ),

        shared as (
            select
                text,
                string_agg(
                    label || coalesce(' (' || wordnet_id || ')', ''), ' and ' order by label
                ) as meant
            from words
            group by text
            having count(*) > 1
        )

        select shared.text, shared.meant, count(*) as rows, min(spelled.row) as row
        from {SPELLED} as spelled
        inner join shared on cast(spelled.label as varchar) = shared.text
        group by shared.text, shared.meant
        order by shared.text
        """  # noqa: S608, a constant
    ).fetchall()
    if shared:
        rows = sum(count for _, _, count, _ in shared)
        named = "; ".join(
            f"{text!r} in {count:,} rows, such as row {row}, is class {meant}"
            for text, meant, count, row in shared[:_SHOWN]
        )
        text, _, _, row = shared[0]
        raise DataError(
            f"{where}: {rows:,} labels could be two classes: {named}"
            f"{'; …' if len(shared) > _SHOWN else ''} (row 1 is the first prediction)",
            row=row,
            column="label",
            value=text,
            count=rows,
            remedy="Write the class ids, in addition to the names or instead of them; timm's "
            "inference.py does so with --include-index",
        )
