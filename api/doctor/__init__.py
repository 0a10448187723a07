"""Check whether predictions are plausible, and find and repair the usual mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, overload

from ...errors import DataError, StoreError, UsageError
from ...ingest.locate import PredictionSource, expand, flat, require_name
from ...store.files import user_path
from ..build import open_store
from ..session import Session
from . import mistakes
from .diagnosing import Options, diagnose, name_of, unreadable
from .report import Diagnoses as Diagnoses
from .report import Diagnosis as Diagnosis
from .report import Finding as Finding
from .report import tried_table as tried_table
from .report import verdict_table as verdict_table

if TYPE_CHECKING:
    from typing import Unpack

    from ...ingest.progress import Progress


class _Options(TypedDict, total=False):
    """The keyword arguments of `doctor`."""

    fix: str | None
    out: str | Path | None
    force: bool
    model: str | None
    columns: Mapping[str, str] | None
    input_format: str | None
    order: str | Path | None
    ranks: str | None
    drop_repeats: bool
    store: str | PathLike[str] | None
    offline: bool | None
    progress: Progress | None


@overload
def doctor(  # type: ignore[overload-overlap]
    predictions: list[Any] | tuple[Any, ...], /, **options: Unpack[_Options]
) -> Diagnoses: ...


@overload
def doctor(predictions: object, /, **options: Unpack[_Options]) -> Diagnosis: ...


@overload
def doctor(
    first: object, second: object, /, *others: object, **options: Unpack[_Options]
) -> Diagnoses: ...


def doctor(
    *predictions: object,
    fix: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    model: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Diagnosis | Diagnoses:
    """Check whether predictions are plausible, and find the usual mistake that explains a fault.

    `predictions` have any form that `realdb.accuracy_table` accepts. One argument is the
    predictions of one model, and returns a Diagnosis. Several arguments, or a list, return a list:
    one Diagnosis for each model of each file. If there is more than one file, an invalid file has
    the verdict `unreadable`.

    `model` selects one of several models. `columns`, `input_format`, `order`, `ranks` and
    `drop_repeats` are as in `realdb.accuracy_table`. Image numbers and class ids may be out of
    range, because some mistakes cause that. `fix` is the name of a finding. The repaired
    predictions are then written to `out`, a Parquet file with model, file_name, rank, label and
    confidence. The write is atomic. `force` replaces an existing file.

    Raises DataError if the predictions cannot be read, `fix` is not a finding, or `out` exists or
    cannot be written. Raises StoreError if a stored model is damaged, UsageError if there is more
    than one file for `fix` or `model`. Warns if the repair leaves out predictions without an image
    or a class.

    >>> realdb.doctor("ViT.csv").verdict  # doctest: +SKIP
    'sound'
    """
    if (fix is None) != (out is None):
        raise UsageError(
            "a repair needs both `fix` (the name of the finding) and `out` (the file to write)",
            parameter="fix" if fix is None else "out",
        )
    require_name(model)
    is_one = len(predictions) == 1 and not isinstance(predictions[0], list | tuple)
    options = Options(
        fix=fix,
        out=None if out is None else user_path(out),
        force=force,
        model=model,
        is_one=is_one,
        columns=columns,
        input_format=input_format,
        order=order,
        ranks=ranks,
        drop_repeats=drop_repeats,
        store=store,
    )
    opened = open_store(store, offline, progress)
    sources = _sources(predictions, opened.root)
    _require_one(len(sources), fix=fix, model=model, is_one=is_one)
    truth: mistakes.Truth | None = None
    found = Diagnoses()
    for place, (source, refusal) in enumerate(sources):
        if progress and len(sources) > 1:
            progress("diagnosing", place, len(sources))
        where = name_of(source.predictions, place, len(sources))
        with Session(opened, tables=["labels"] if truth is None else ()) as session:
            truth = truth or mistakes.truth(session.con)
            try:
                if refusal:
                    raise refusal
                found += diagnose(session, truth, source, where, options)
            except (DataError, StoreError, OSError, RecursionError) as error:
                if len(sources) == 1:
                    raise
                found.append(unreadable(source.predictions, where, error))
    return found[0] if is_one else found


def _sources(
    predictions: tuple[object, ...], root: Path
) -> list[tuple[PredictionSource, DataError | None]]:
    """Return the sources of each argument, or the error of `expand`."""
    found: list[tuple[PredictionSource, DataError | None]] = []
    for each in flat(predictions):
        try:
            found += [(source, None) for source in expand([each], root)]
        except DataError as error:
            found.append((PredictionSource(each, None), error))
    return found


def _require_one(count: int, *, fix: str | None, model: str | None, is_one: bool) -> None:
    """Raise an error if the number of sets of predictions does not fit the arguments."""
    if not count:
        raise UsageError("there are no predictions", parameter="predictions", count=0)
    if count == 1:
        return
    if fix is not None:
        raise UsageError(
            f"`fix` repairs one file, but there are {count:,}",
            parameter="fix",
            value=fix,
            count=count,
            remedy="Pass only the file to repair",
        )
    if model is not None:
        raise UsageError(
            f"`model` selects a model of one file, but there are {count:,}",
            parameter="model",
            value=model,
            count=count,
            remedy="Pass one file, or omit `model`",
        )
    if is_one:
        raise DataError(
            f"there are {count:,} sets of predictions",
            count=count,
            parameter="predictions",
            remedy="Pass a list, realdb.doctor([…]), to get a diagnosis for each",
        )
