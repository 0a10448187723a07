"""Add, list and remove the user's own groups of classes or of images."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import DataError, UsageError
from ..schema.tables import LABEL_SET_TABLES
from ..store import kept
from ..store import label_sets as stored
from ..store import store as stores
from ..store.files import user_path
from . import choices
from .build import open_store, root_of
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# The names of the breakdowns, and of the groupings of label sets.
_RESERVED = (*get_args(choices.AccuracyBy), "factor", "top_factor", "metaclass")


def add_groups(
    file: str | Path,
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    replace: bool = False,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Add a grouping of classes or of images to the store. Return a row for it.

    `file` is a CSV, JSON or Parquet file with the columns label and group, or image and group. A
    class or an image may be in several groups. `name` is the name of the grouping. The default is
    the file name without suffix. `columns` maps image, label or group to a column's name. The
    returned columns are grouping, status (added, unchanged or replaced), of (classes or images),
    groups and rows.

    Raises UsageError if the name is reserved. Raises DataError if the file is invalid, or if
    another grouping is stored under the name and `replace` is not set.
    """
    from ..ingest.label_sets import own as reading

    path = user_path(file)
    name = name or path.stem
    stored.require_name(name, stored.GROUPS)
    if name.lower() in _RESERVED:
        raise UsageError(
            f"{name!r} cannot be the name of your grouping, because realdb uses this name",
            parameter="name",
            value=name,
            remedy='Choose another name with `name="NAME"`',
        )
    opened = open_store(store, offline, progress)
    con = opened.connect(["images", "classes", "class_names", *LABEL_SET_TABLES])
    own = reading.read(con, path, columns, required=["group"])
    of = [role for role in ("image", "label") if role in own.roles]
    if len(of) != 1:
        raise DataError(
            f"{path} has "
            + ("both an image and a label" if of else "neither an image nor a label")
            + " column. A grouping is of images or of classes",
            file=path,
            column="image",
            count=len(of),
            parameter="columns",
            remedy="Use a file with one of these columns, and the group",
        )
    reading.refuse(
        con, str(path), "group", "coalesce(group_name, '') = ''", "group_name", "Add the group"
    )
    key, table = ("image_id", "image_groups") if of == ["image"] else ("label", "class_groups")
    reading.refuse_repeated_groups(con, str(path), key)
    con.execute(
        f"insert into {table} select $1, {key}, group_name from {reading.ROWS}",  # noqa: S608, ours
        [name],
    )
    status = stored.put(opened.root, con, name, stored.GROUPS, replace=replace)
    return con.sql(
        f"""
        select
            $name as grouping,
            $status as status,
            $of as of,
            count(distinct group_name) as groups,
            count(*) as rows
        from {table}
        """,  # noqa: S608, ours
        params={
            "name": name,
            "status": status,
            "of": "images" if of == ["image"] else "classes",
        },
    )


@kept.reading_again
def groups(*, store: str | PathLike[str] | None = None) -> duckdb.DuckDBPyRelation:
    """Return a row for each grouping: grouping, of (classes or images), groups and rows."""
    session = Session(stores.resolve(root_of(store)), tables=["class_groups", "image_groups"])
    return session.con.sql(
        """
        select
            grouping,
            'classes' as of,
            count(distinct group_name) as groups,
            count(*) as rows
        from class_groups
        group by grouping
        union all
        select
            grouping,
            'images' as of,
            count(distinct group_name) as groups,
            count(*) as rows
        from image_groups
        group by grouping
        order by grouping, of
        """
    )


def remove_groups(*names: str, store: str | PathLike[str] | None = None) -> None:
    """Remove the user's own groupings. Those of a label set are removed with the label set.

    If one is not stored, raises DataError with the nearest names, and removes none.
    """
    stored.remove(stores.resolve(root_of(store)).root, names, stored.GROUPS)
