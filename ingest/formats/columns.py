"""Which column of a table of predictions is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...errors import DataError
from . import GIVEN

if TYPE_CHECKING:
    import duckdb

# The names that tools write, whatever their case. Order is of no importance: where two columns of
# a file could be meant, the user is asked.
NAMES: dict[str, tuple[str, ...]] = {
    "model": ("model",),
    "image": ("file_name", "filename", "image", "image_id", "path"),
    "rank": ("rank",),
    "label": ("label", "predicted_class", "prediction", "pred", "index", "class"),
    "confidence": (
        "confidence",
        "predicted_probability",
        "probability",
        "prob",
        "logit",
        "score",
    ),
}


def select(
    table: duckdb.DuckDBPyRelation, where: str, choices: Mapping[str, str]
) -> duckdb.DuckDBPyRelation:
    """Return the columns of GIVEN out of `table`.

    `choices` maps some of GIVEN to a column's name and goes before the names known here; `where`
    names the file in messages. Raises DataError where an image or label column is missing, or two
    columns could be meant.
    """
    import duckdb

    chosen = {role: _choose(role, table, where, choices) for role in GIVEN}
    for role in ("image", "label"):
        if chosen[role] is None:
            raise DataError(
                f"{where} has no {role} column. Its columns are: {', '.join(table.columns)}. A "
                f"column called {', '.join(NAMES[role])} is recognised; name another with "
                f"--columns {role}=NAME"
            )
    return table.select(
        *(
            (
                duckdb.ConstantExpression(None).cast("varchar")
                if column is None
                else duckdb.ColumnExpression(column)
            ).alias(role)
            for role, column in chosen.items()
        )
    )


def require_distinct(names: Sequence[str], where: str) -> None:
    """Refuse column names that are the same to DuckDB, which would rename all but the first."""
    lower = [name.lower() for name in names]
    twice = [name for name in names if lower.count(name.lower()) > 1]
    if twice:
        raise DataError(
            f"{where} has {len(twice)} columns of the same name: {', '.join(map(repr, twice))}; "
            "their case does not count. Rename or remove all but one"
        )


def _choose(
    role: str, table: duckdb.DuckDBPyRelation, where: str, choices: Mapping[str, str]
) -> str | None:
    if role in choices:
        if choices[role] not in table.columns:
            raise DataError(
                f"{where} has no column {choices[role]!r}. Its columns are: "
                f"{', '.join(table.columns)}"
            )
        return choices[role]
    found = [name for name in table.columns if name.strip().lower() in NAMES[role]]
    if role == "label" and sorted(name.lower() for name in found) == ["index", "label"]:
        found = _timm(table, found)
    if len(found) > 1:
        raise DataError(
            f"{where} has {len(found)} columns that could be the {role}: {', '.join(found)}. Say "
            f"which: --columns {role}={found[0]}"
        )
    return found[0] if found else None


def _timm(table: duckdb.DuckDBPyRelation, found: list[str]) -> list[str]:
    """Take `index` where `label` is the same class in words, as timm's inference.py writes it.

    Where `label` holds numbers, `index` may as well be a row's number: both stay.
    """
    import duckdb

    index, label = sorted(found, key=str.lower)
    column = duckdb.ColumnExpression(label).cast("varchar")
    is_number = duckdb.FunctionExpression(
        "regexp_full_match", column, duckdb.ConstantExpression(r"[\d.]*")
    )
    return found if table.filter(is_number).limit(1).fetchall() else [index]
