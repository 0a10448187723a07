"""The classes as a folder, a feature or a tool names them: by WordNet id, which is unique."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    import duckdb


def wordnet_ids(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the 1,000 WordNet ids, class 0 first.

    Readable names would not do: crane is 134, a bird, and 517, a machine. Raises DataError where
    the store has none.
    """
    names = [
        name for (name,) in con.execute("select wordnet_id from classes order by label").fetchall()
    ]
    if None in names:
        raise DataError(
            "this store has no WordNet ids of the classes, which come from labels.txt or "
            "validation_labels.txt",
            file="labels.txt",
            remedy="Build the store again with one of them: realdb ingest FOLDER",
        )
    return names
