"""Keep predictions in the store, and rank the models kept."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, RealdbWarning, UsageError
from ..queries import catalog
from ..store import prediction_sets
from ..store import store as stores
from ..version import __version__
from .build import open_store, root_of
from .rules import PUBLISHED_THRESHOLD, check_rules, judge_by, require_original_labels, rules_for

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# What `ingest.predictions` calls a model for want of a name; good for a look, but not to be kept.
_NAMELESS = ("predictions", "stdin")
_SHOWN = 3
# So many models are judged at once, which bounds the memory; fewer where another rule for images
# without labels keeps every row.
_BATCH = 1_000
_BATCH_KEPT = 100
_BY_RANK = "real_rank nulls last, model"


def add(
    *predictions: object,
    model: str | None = None,
    replace: bool = False,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Keep predictions in the store; return a row for each model, with what became of it.

    `predictions`, `model`, `columns`, `input_format` and `order` are as in `accuracy_table`; of a
    folder or a pattern each file is taken. The columns are model, status (added, unchanged or
    replaced), rows, images and file. Rows that are stored already change nothing. A new ingest
    keeps what is stored.

    Raises DataError where predictions are refused, or a model is stored with other rows and
    `replace` is not set. What is refused is left out whole, what is given beside it is stored.
    """
    from ..ingest import predictions as reading

    sources = reading.expand(predictions)
    if model is not None and len(sources) > 1:
        raise UsageError(f"a model's name is for one file; {len(sources)} are given")
    opened = open_store(store, offline, progress)
    prediction_sets.sweep(opened.root)
    done: list[tuple[str | None, prediction_sets.Put]] = []
    refused = []
    # Nothing that was stored a moment ago is replaced: two files for one model are a mistake.
    fresh: set[str] = set()
    for place, (given, name) in enumerate(sources):
        if progress:
            progress("adding predictions", place, len(sources))
        where = _where(given)
        try:
            with _here(given) as local, opened.connect(["images", "classes"]) as con:
                found = reading.add(
                    con,
                    local,
                    model=model or name,
                    columns=columns,
                    input_format=input_format,
                    order=order,
                )
                if model is None and name in (None, "stdin") and set(found) <= {*_NAMELESS}:
                    raise DataError(
                        f"{where or 'what is given'} has no model's name: give one with --model "
                        "NAME, or a column model"
                    )
                put = prediction_sets.put(
                    opened.root,
                    con,
                    _provenance(given, local, input_format),
                    where=where or "what is given",
                    replace=replace,
                    fresh=fresh,
                )
        except DataError as error:
            refused.append(error)
        else:
            done += [(where, one) for one in put]
            fresh |= {one.model for one in put}
    if refused:
        raise _refusal(refused, len(sources))
    return _relation(done)


def models(*, store: str | Path | None = None) -> duckdb.DuckDBPyRelation:
    """Return a row for each stored model: what is stored, read from which file, and when.

    The columns are model, rows, images, ranks (the highest), file, format, bytes, sha256 and
    added_at (UTC). What was no file has no file, bytes and sha256.
    """
    return prediction_sets.listed(stores.resolve(root_of(store)).root)


def remove(*models: str, store: str | Path | None = None) -> None:
    """Remove stored models.

    Raises DataError, with the nearest names, where one is not stored; then none is removed.
    """
    prediction_sets.remove(stores.resolve(root_of(store)).root, models)


def leaderboard(
    *predictions: str | Path,
    engine: str | None = None,
    threshold: float = PUBLISHED_THRESHOLD,
    empty: str = "skip",
    scores: str | Path | None = None,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the view `leaderboard`: the stored models by ReaL accuracy, the best first.

    `threshold`, `empty`, `scores` and `engine` are as in `accuracy_table`; only an engine takes
    `predictions`, in place of the stored models. Raises DataError where no model is stored.
    Warns where the models were not scored on the same number of images.
    """
    import duckdb

    check_rules(threshold=threshold, empty=empty)
    if engine is not None:
        from . import engine as engines

        with engines.judging(
            engine,
            predictions,
            ["leaderboard"],
            threshold=threshold,
            empty=empty,
            scores=scores,
            store=store,
            offline=offline,
            progress=progress,
            original_for="empty original" if empty == "original" else None,
        ) as session:
            return _same_images(session.table("leaderboard").order(_BY_RANK))
    if predictions:
        raise UsageError(
            "files are ranked by an engine (--engine); without one the stored models are: store "
            "them with realdb add, or judge them with realdb accuracy"
        )
    opened = open_store(store, offline, progress)
    files = prediction_sets.files(opened.root)
    if not files:
        raise DataError(f"no model is stored in {opened.root}. Store one with: realdb add FILE")
    rules = rules_for(threshold=threshold, scores=scores)
    batch = _BATCH if empty == "skip" else _BATCH_KEPT
    rows = []
    try:
        for begin in range(0, len(files), batch):
            if progress:
                progress("judging", begin, len(files))
            with opened.connect({*catalog.tables_of("accuracy", *rules), "questions"}) as part:
                catalog.install(part, opened.names, ["accuracy", *rules])
                prediction_sets.show(part, opened.root, files[begin : begin + batch])
                if empty == "original":
                    require_original_labels(part, "empty original")
                judge_by(part, threshold=threshold, empty=empty, scores=scores)
                rows += part.execute("from accuracy").fetchall()
    except duckdb.Error as error:
        raise prediction_sets.damaged(opened.root, error) from None
    con = opened.connect(catalog.tables_of("accuracy"))
    catalog.install(con, opened.names, ["leaderboard"])
    catalog.stand_in(con, "accuracy", rows)
    con.view("leaderboard").order(_BY_RANK).create("answer")
    return _same_images(con.table("answer"))


def _same_images(answer: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return a leaderboard, and warn where its models were not scored on as many images."""
    few, many = answer.aggregate("min(scored_images), max(scored_images)").fetchall()[0]
    if few != many:
        warnings.warn(
            f"the models are scored on {few:,} to {many:,} images: not on the same ones, so that "
            "their ranks compare unlike things",
            RealdbWarning,
            stacklevel=3,
        )
    return answer


def _where(given: object) -> str | None:
    """Return the file or folder that predictions stand in, as the user named it."""
    if isinstance(given, tuple):
        return str(Path(given[0]).parent)
    if not isinstance(given, str | Path):
        return None
    return "standard input" if str(given) == "-" else str(given)


@contextlib.contextmanager
def _here(given: object) -> Iterator[object]:
    """Yield what is given; of a URL a copy, for the checksum is that of all its bytes."""
    from ..ingest.formats import plain, remote

    with plain.fetched(given) if remote.is_url(given) else contextlib.nullcontext(given) as local:
        yield local


def _provenance(given: object, local: object, input_format: str | None) -> dict[str, str]:
    """Return what is to be known of where predictions come from, of which `local` is a copy."""
    said = {"realdb_version": __version__}
    where = _where(given)
    if where is not None:
        said["file"] = where
    if input_format is not None:
        said["format"] = input_format
    if not isinstance(local, str | Path) or not Path(local).exists():
        return said
    import hashlib

    from ..ingest import formats
    from ..ingest.formats import plain

    path = Path(local)
    if input_format is None:
        with (
            plain.copy(path) if plain.is_needed(path) else contextlib.nullcontext(path) as unpacked
        ):
            said["format"] = formats.recognise(unpacked)
    if path.is_file():
        with path.open("rb") as file:
            said["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
            said["bytes"] = str(file.tell())
    return said


def _refusal(refused: list[DataError], given: int) -> DataError:
    if given == 1:
        return refused[0]
    rest = "the rest is stored" if len(refused) < given else "nothing is stored"
    shown = "; ".join(map(str, refused[:_SHOWN]))
    more = "; …" if len(refused) > _SHOWN else ""
    return DataError(f"refused: {len(refused):,} of {given:,}, {rest}. {shown}{more}")


def _relation(done: list[tuple[str | None, prediction_sets.Put]]) -> duckdb.DuckDBPyRelation:
    import duckdb

    # Text, also where there is none: an empty list or NULL has no type of its own.
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
