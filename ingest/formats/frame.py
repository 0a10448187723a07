"""Tables in memory: Arrow, pandas, Polars, and a dict of file name to class id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import columns

if TYPE_CHECKING:
    import duckdb


def from_object(
    con: duckdb.DuckDBPyConnection, given: Any, choices: Mapping[str, str], where: str
) -> duckdb.DuckDBPyRelation:
    """Return `given`, a dict or anything with the Arrow C stream interface, as predictions."""
    import pyarrow as pa

    if isinstance(given, Mapping):
        # As text, so that one odd label among the integers is reported and not turned into another.
        table = pa.table({"image": list(map(str, given)), "label": list(map(str, given.values()))})
    else:
        table = pa.table(given)
    con.register("frame", table)
    return columns.select(con.view("frame"), where, choices)
