"""Find the files of predictions that a path means: a folder or a pattern means several."""

from __future__ import annotations

import glob
import warnings
from collections.abc import Iterable, Iterator
from numbers import Number
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError, RealdbWarning, UsageError
from ..store.files import user_path
from . import formats, unpack
from .formats import remote

_SHOWN = 3
# What datasets' save_to_disk leaves in a folder: of one dataset, of several splits.
_DATASET = ("state.json", "dataset_dict.json")
# How the name of a folder begins whose files are the parts of one model's predictions.
_ONE_MODEL = "model="


class StoredModel(NamedTuple):
    """The name of a stored model, where predictions are expected."""

    name: str


class PredictionSource(NamedTuple):
    """Predictions to `add`, and the name of those that have no model column; None: no such name."""

    predictions: object
    model: str | None


def expand(predictions: Iterable[object], root: Path | None = None) -> list[PredictionSource]:
    """Return what to add for each of `predictions`: a folder or a pattern becomes its files.

    A list or a tuple means what is in it. A folder means its prediction files, sorted. The files of
    a folder called model=NAME are one set of that model. Other files are warned of. Where there is
    no file of a name, it may be that of a model stored in the store `root`. What is no path stays
    as it is. Raises DataError where nothing is found.
    """
    sources: list[PredictionSource] = []
    for each in flat(predictions):
        if not isinstance(each, str | Path):
            sources.append(PredictionSource(each, None))
            continue
        if remote.is_url(each):
            sources += [PredictionSource(url, unpack.stem(url)) for url in remote.expand(each)]
            continue
        path = user_path(each)
        each = path if str(each).startswith("~") else each
        if root is not None and isinstance(each, str) and not path.exists():
            from ..store import prediction_sets

            if prediction_sets.holds(root, each):
                sources.append(PredictionSource(StoredModel(each), each))
                continue
            if not glob.has_magic(each) and "::" not in each and each != "-":
                raise _nothing_of(each, path, root)
        if path.is_dir() and not any((path / name).exists() for name in _DATASET):
            is_one = path.name.startswith(_ONE_MODEL)
            sources += [_of_hive(path)] if is_one else _of_folder(path)
        elif glob.has_magic(str(path)) and not path.exists():
            found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207, a whole pattern
            if not found:
                raise DataError(f"no file matches {path}", file=path, parameter="predictions")
            sources += expand(found)
        else:
            sources.append(
                PredictionSource(each, unpack.stem(path) if str(path) != "-" else "stdin")
            )
    return sources


def _nothing_of(name: str, path: Path, root: Path) -> DataError:
    from ..store import prediction_sets

    near = prediction_sets.near(root, name)
    return DataError(
        f"{path}: no such file, nor is a model of this name stored",
        file=path,
        value=name,
        parameter="predictions",
        remedy=f"Stored models of a similar name: {', '.join(near)}" if near else None,
    )


def path_or_name(predictions: object) -> str | Path | None:
    """Return how a command can name predictions that `expand` has found; None where it cannot."""
    if isinstance(predictions, StoredModel):
        return predictions.name
    if isinstance(predictions, tuple):  # the files of a folder model=NAME
        folders = Path(str(predictions[0])).parents
        return next((each for each in folders if each.name.startswith(_ONE_MODEL)), None)
    return predictions if isinstance(predictions, str | Path) else None


def flat(predictions: Iterable[object]) -> Iterator[object]:
    """Yield the predictions one by one, those in lists too. A list of numbers is no such list."""
    for each in predictions:
        if isinstance(each, list | tuple) and each and not isinstance(each[0], Number):
            yield from flat(each)
        else:
            yield each


def require_name(model: str | None) -> None:
    """Raise UsageError where the name of a model is empty, or blank; None is no name."""
    if model is not None and not model.strip():
        raise UsageError(
            "`model` is empty, and a model needs a name",
            parameter="model",
            value=model,
            remedy="Leave it out to take the file's stem",
        )


def expand_for(
    model: str | None, predictions: Iterable[object], root: Path | None = None
) -> list[PredictionSource]:
    """Return what `expand` does; several files are the parts of `model` if that is set.

    Raises UsageError where `model` is empty, or would name several sets that are no files.
    """
    require_name(model)
    sources = expand(predictions, root)
    if model is not None and len(sources) > 1:
        files = [source.predictions for source in sources]
        if all(isinstance(file, str | Path) and not remote.is_url(file) for file in files):
            return [PredictionSource(tuple(files), model)]
        raise UsageError(
            f"`model` names one set of predictions, and there are {len(sources)}",
            parameter="model",
            value=model,
            count=len(sources),
            remedy="Without it each is named by its file's stem",
        )
    return sources


def _of_folder(folder: Path) -> list[PredictionSource]:
    """Return the prediction files in a folder, and the models of its folders model=NAME."""
    known = {suffix for form in formats.PREDICTION_FORMATS.values() for suffix in form.suffixes}
    sources, others = [], []
    for path in sorted(folder.iterdir()):
        name = unpack.stem(path)
        if path.name.startswith((".", "_")):
            continue  # Spark's and the system's own
        if path.is_dir() and path.name.startswith(_ONE_MODEL):
            sources.append(_of_hive(path))
        elif unpack.unpacked(path).suffix.lower() in known or (path / "state.json").exists():
            sources.append(PredictionSource(path, name))
        else:
            others.append(path.name)
    if not sources:
        raise DataError(
            f"{folder} has no prediction files",
            file=folder,
            parameter="predictions",
            remedy=f"Their suffixes are {', '.join(sorted(known))}, and .gz, .zst, .bz2, .xz or "
            ".zip behind one",
        )
    if others:
        warnings.warn(
            f"{folder}: {len(others):,} entries are no prediction files by their names, and realdb "
            f"skips them: {', '.join(others[:_SHOWN])}{', …' if len(others) > _SHOWN else ''}",
            RealdbWarning,
            stacklevel=4,
        )
    return sources


def _of_hive(folder: Path) -> PredictionSource:
    from urllib.parse import unquote

    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith((".", "_"))
    )
    deeper = [path for path in paths if "=" in str(path.parent.relative_to(folder))]
    if deeper or not paths:
        raise DataError(
            f"{deeper[0].parent} is a folder within a folder model=NAME, which realdb does not read"
            if deeper
            else f"{folder} has no files",
            file=deeper[0].parent if deeper else folder,
            count=len(deeper),
            parameter="predictions",
        )
    name = unquote(folder.name.removeprefix(_ONE_MODEL))
    return PredictionSource(paths[0] if len(paths) == 1 else tuple(paths), name)
