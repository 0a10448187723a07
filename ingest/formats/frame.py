"""Read tables in memory: Arrow, pandas, Polars, and a dict of file name to class id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import DataError
from .. import columns
from ..options import ReadOptions

if TYPE_CHECKING:
    import duckdb


def from_object(
    con: duckdb.DuckDBPyConnection, predictions: Any, options: ReadOptions, where: str
) -> duckdb.DuckDBPyRelation:
    """Return the columns of ROLES of a dict, or of an object with the Arrow C stream interface.

    Raises DataError if it is not a table.
    """
    import pyarrow as pa

    if isinstance(predictions, Mapping):
        # As text, so that an invalid label among integers is reported, not converted.
        table = pa.table(
            {"image": list(map(str, predictions)), "label": list(map(str, predictions.values()))}
        )
    else:
        try:
            table = pa.table(predictions)
        except (ValueError, TypeError, pa.ArrowException) as error:
            raise DataError(f"{where} cannot be read: {error}", parameter="predictions") from None
        columns.require_distinct(table.column_names, where)
    return columns.select(con, con.from_arrow(table), where, options)
