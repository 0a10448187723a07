"""Names for shell completion. These functions print nothing and build no store."""

from __future__ import annotations

import contextlib
import re
from os import PathLike
from typing import get_args

from ..errors import RealdbError
from ..exports import registry
from ..queries import catalog
from ..schema import quoting
from ..schema.tables import TABLES
from ..store import label_sets as stored_label_sets
from ..store import prediction_sets
from . import choices
from .build import root_of

# Names that are safe in a shell. A shell evaluates its completions, and a model's name is data.
_PLAIN = re.compile(r"[\w.@+][\w.@+=,:/%-]*")


def views() -> list[str]:
    """Return the names of the tables and views."""
    return [*TABLES, *catalog.all_names()]


def exports() -> list[str]:
    """Return the names that `export` accepts: tables, views, subsets, and own formats."""
    return [*views(), *registry.own_names()]


def charts() -> list[str]:
    """Return the names of the charts."""
    from .charts import names

    return names()


def export_formats() -> list[str]:
    """Return the formats that the option of `export` accepts."""
    return [name for name, form in registry.EXPORT_FORMATS.items() if form.takes != "store"]


def models(store: str | PathLike[str] | None = None) -> list[str]:
    """Return the names of the stored models, except names that a shell would evaluate."""
    with contextlib.suppress(OSError, RealdbError):
        return list(filter(_PLAIN.fullmatch, prediction_sets.names(root_of(store))))
    return []


def judging_labels(store: str | PathLike[str] | None = None) -> list[str]:
    """Return the names of label sets that may judge, likewise."""
    return [*stored_label_sets.OWN, *label_sets(store)]


def sections() -> list[str]:
    """Return the sections of a report."""
    from .report.writing import TITLES

    return [*TITLES]


def breakdowns(store: str | PathLike[str] | None = None) -> list[str]:
    """Return the breakdowns of the accuracy: those of the views, and the stored groupings."""
    return [*get_args(choices.AccuracyBy), *_groupings(store, "class_groups", "image_groups")]


def class_groupings(store: str | PathLike[str] | None = None) -> list[str]:
    """Return the stored groupings of classes."""
    return _groupings(store, "class_groups")


def _groupings(store: str | PathLike[str] | None, *tables: str) -> list[str]:
    import duckdb

    found: set[str] = set()
    with contextlib.suppress(OSError, RealdbError, duckdb.Error):
        root = root_of(store)
        for file in (each for table in tables for each in stored_label_sets.files(root, table)):
            rows = duckdb.read_parquet(quoting.one_file(file)).project("grouping").distinct()
            found |= {name for (name,) in rows.fetchall()}
    return sorted(filter(_PLAIN.fullmatch, found))


def label_sets(store: str | PathLike[str] | None = None) -> list[str]:
    """Return the names of the stored label sets, except names that a shell would evaluate."""
    with contextlib.suppress(OSError, RealdbError):
        return list(filter(_PLAIN.fullmatch, stored_label_sets.names(root_of(store))))
    return []
