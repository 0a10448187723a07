"""The names of classes in exports: WordNet ids, which are unique."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    import duckdb


def wordnet_ids(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the 1,000 WordNet ids, class 0 first.

    English names are not unique: crane is class 134, a bird, and class 517, a machine. Raises
    DataError if the store has no WordNet ids.
    """
    names = [
        name for (name,) in con.execute("select wordnet_id from classes order by label").fetchall()
    ]
    if None in names:
        raise DataError(
            "this store has no WordNet ids of the classes, which are read from labels.txt or "
            "validation_labels.txt",
            file="labels.txt",
            remedy="Build the store again with one of these files: realdb ingest FOLDER",
        )
    return names
