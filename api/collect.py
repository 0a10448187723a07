"""Store predictions, list them, and remove them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from ..schema.tables import create_table
from ..store import kept, prediction_sets
from ..store import store as stores
from ..store.files import checksum
from ..version import __version__
from . import doubts
from .build import open_store, root_of
from .results import accuracies
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

_JUDGED = ("accuracy", doubts.VIEW)
# The default names in `ingest.predictions` of a model without name. A stored model needs its own.
_NAMELESS = ("predictions", "stdin")
_SHOWN = 3


def add(
    *predictions: object,
    model: str | None = None,
    replace: bool = False,
    allow_ground_truth: bool = True,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Store predictions; return a row for each model.

    `predictions`, `model`, `columns`, `input_format`, `order`, `ranks` and `drop_repeats` are as in
    `accuracy_table`. A folder or a pattern stands for its files. The columns are model, status
    (added, unchanged or replaced), rows, images and file. The status is unchanged if the same rows
    are stored already. A new ingest keeps the stored models. Warns like `accuracy_table`.

    Raises DataError for invalid predictions, for the original labels unless `allow_ground_truth` is
    set, and for a model that is stored with other rows unless `replace` is set. Raises UsageError
    if `model` would name several objects in memory. No row of an invalid file is stored; the other
    files are stored.
    """
    from ..ingest.locate import PredictionSource, expand_for

    sources = expand_for(model, predictions)
    opened = open_store(store, offline, progress)
    prediction_sets.sweep(opened.root)
    done: list[tuple[str | None, prediction_sets.Put]] = []
    refused = []
    # The models stored by this call. `replace` does not apply to them: two files for one model are
    # a mistake.
    fresh: set[str] = set()
    with Session(opened, views=_JUDGED) as session:
        session.prepare()
        for place, (source, name) in enumerate(sources):
            if progress:
                progress("adding predictions", place, len(sources))
            where = _where(source)
            try:
                with _local(source) as local:
                    found = session.add_one(
                        PredictionSource(local, name),
                        model=model,
                        columns=columns,
                        input_format=input_format,
                        order=order,
                        ranks=ranks,
                        drop_repeats=drop_repeats,
                    )
                    if model is None and name in (None, "stdin") and set(found) <= {*_NAMELESS}:
                        raise DataError(
                            f"the model has no name in {where or 'the predictions'}",
                            file=where,
                            column="model",
                            parameter="model",
                            remedy='Set `model="NAME"`, or add a column model',
                        )
                    doubts.warn(
                        accuracies(session.view("accuracy")),
                        doubts.agreements(session),
                        dict.fromkeys(found, where),
                        has_rated=doubts.knows_rated(opened),
                        allow_ground_truth=allow_ground_truth,
                    )
                    put = prediction_sets.put(
                        opened.root,
                        session.con,
                        _provenance(source, local, input_format)
                        | ({"ranks": ranks} if ranks else {})
                        | ({"drop_repeats": "true"} if drop_repeats else {}),
                        where=where or "the predictions",
                        replace=replace,
                        fresh=fresh,
                    )
            except DataError as error:
                refused.append(error)
            else:
                done += [(where, one) for one in put]
                fresh |= {one.model for one in put}
            # The next file begins with an empty table, and its rows with number 1.
            session.con.execute("drop table predictions")
            create_table(session.con, "predictions")
    if refused:
        raise _refusal(refused, len(sources))
    return _relation(done)


@kept.reading_again
def models(*, store: str | PathLike[str] | None = None) -> duckdb.DuckDBPyRelation:
    """Return a row for each stored model.

    The columns are model, rows, images, ranks (the highest), file, format, bytes, sha256 and
    added_at (UTC). The columns file, bytes and sha256 are NULL for predictions from memory.
    """
    return prediction_sets.listed(stores.resolve(root_of(store)).root)


def remove(*models: str, store: str | PathLike[str] | None = None) -> None:
    """Remove stored models.

    Raises DataError, with similar names, if one is not stored. Then none is removed.
    """
    prediction_sets.remove(stores.resolve(root_of(store)).root, models)


def _where(source: object) -> str | None:
    """Return the file or folder of predictions, with the user's name for it."""
    if isinstance(source, tuple):
        folders = {str(Path(part).parent) for part in source}
        return folders.pop() if len(folders) == 1 else f"{source[0]} and {len(source) - 1} more"
    if not isinstance(source, str | Path):
        return None
    return "standard input" if str(source) == "-" else str(source)


@contextlib.contextmanager
def _local(source: object) -> Iterator[object]:
    """Yield `source`, or a local copy of a URL: the checksum needs all bytes."""
    from ..ingest import unpack
    from ..ingest.formats import remote

    with (
        unpack.fetched(source) if remote.is_url(source) else contextlib.nullcontext(source)
    ) as local:
        yield local


def _provenance(source: object, local: object, input_format: str | None) -> dict[str, str]:
    """Return facts about the source of predictions, of which `local` is a copy."""
    facts = {"realdb_version": __version__}
    where = _where(source)
    if where is not None:
        facts["file"] = where
    if input_format is not None:
        facts["format"] = input_format
    # A pipe can be read only once.
    if not isinstance(local, str | Path) or not (Path(local).is_file() or Path(local).is_dir()):
        return facts
    from ..ingest import formats, unpack

    path = Path(local)
    if input_format is None:
        with unpack.copy(path) if unpack.is_needed(path) else contextlib.nullcontext(path) as plain:
            facts["format"] = formats.recognise(plain)
    if path.is_file():
        facts["sha256"] = checksum(path)
        facts["bytes"] = str(path.stat().st_size)
    return facts


def _refusal(refused: list[DataError], sources: int) -> DataError:
    if sources == 1:
        return refused[0]
    rest = "The others are stored" if len(refused) < sources else "Nothing is stored"
    shown = "; ".join(map(str, refused[:_SHOWN]))
    more = "; …" if len(refused) > _SHOWN else ""
    return DataError(
        f"{len(refused):,} of {sources:,} prediction sets could not be stored. {rest}. "
        f"{shown}{more}",
        file=refused[0].file,
        count=len(refused),
    )


def _relation(done: list[tuple[str | None, prediction_sets.Put]]) -> duckdb.DuckDBPyRelation:
    import duckdb

    # The casts give a type to empty lists and to NULL.
    return duckdb.connect().sql(
        """
        select
            unnest($models::varchar[]) as model,
            unnest($statuses::varchar[]) as status,
            unnest($rows::bigint[]) as rows,
            unnest($images::bigint[]) as images,
            unnest($files::varchar[]) as file
        """,
        params={
            "models": [put.model for _, put in done],
            "statuses": [put.status for _, put in done],
            "rows": [put.rows for _, put in done],
            "images": [put.images for _, put in done],
            "files": [file for file, _ in done],
        },
    )
