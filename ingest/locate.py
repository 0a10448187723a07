"""Find the prediction files of a path, a folder or a pattern."""

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
# The file that datasets' save_to_disk writes into a folder: for one dataset, for several splits.
_DATASET = ("state.json", "dataset_dict.json")
# The prefix of a folder whose files are the parts of one model's predictions.
_ONE_MODEL = "model="


class StoredModel(NamedTuple):
    """The name of a stored model, passed as predictions."""

    name: str


class PredictionSource(NamedTuple):
    """Predictions to `add`, and their model's name if they have no model column, or None."""

    predictions: object
    model: str | None


def expand(predictions: Iterable[object], root: Path | None = None) -> list[PredictionSource]:
    """Return the sources to add for `predictions`.

    Lists and tuples are replaced by their elements, patterns by the matching files, and folders by
    their prediction files, sorted. Other files in a folder cause a warning. The files of a folder
    model=NAME are one set of predictions of that model. If no file has a name, a model of that name
    in the store `root` is used. Objects that are not paths are returned unchanged. Raises DataError
    if nothing is found.
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
        f"{path} does not exist, and no stored model has this name",
        file=path,
        value=name,
        parameter="predictions",
        remedy=f"Stored models of a similar name: {', '.join(near)}" if near else None,
    )


def path_or_name(predictions: object) -> str | Path | None:
    """Return the path or name of predictions for a command; None if they have none."""
    if isinstance(predictions, StoredModel):
        return predictions.name
    if isinstance(predictions, tuple):  # the files of a folder model=NAME
        folders = Path(str(predictions[0])).parents
        return next((each for each in folders if each.name.startswith(_ONE_MODEL)), None)
    return predictions if isinstance(predictions, str | Path) else None


def flat(predictions: Iterable[object]) -> Iterator[object]:
    """Yield the predictions one by one, also those in lists. A list of numbers is one element."""
    for each in predictions:
        if isinstance(each, list | tuple) and each and not isinstance(each[0], Number):
            yield from flat(each)
        else:
            yield each


def require_name(model: str | None) -> None:
    """Raise UsageError if the name of a model is empty or blank. None is allowed."""
    if model is not None and not model.strip():
        raise UsageError(
            "`model` is empty, but a model needs a name",
            parameter="model",
            value=model,
            remedy="Leave it out to use the file's stem",
        )


def expand_for(
    model: str | None, predictions: Iterable[object], root: Path | None = None
) -> list[PredictionSource]:
    """Return the sources as `expand` does; if `model` is set, several files are its parts.

    Raises UsageError if `model` is empty, or if it is set for several sources that are not files.
    """
    require_name(model)
    sources = expand(predictions, root)
    if model is not None and len(sources) > 1:
        files = [source.predictions for source in sources]
        if all(isinstance(file, str | Path) and not remote.is_url(file) for file in files):
            return [PredictionSource(tuple(files), model)]
        raise UsageError(
            f"`model` names one set of predictions, but there are {len(sources)}",
            parameter="model",
            value=model,
            count=len(sources),
            remedy="Leave it out: each set then has the stem of its file as name",
        )
    return sources


def _of_folder(folder: Path) -> list[PredictionSource]:
    """Return the prediction files in a folder, and the models of its folders model=NAME."""
    known = {suffix for form in formats.PREDICTION_FORMATS.values() for suffix in form.suffixes}
    sources, others = [], []
    for path in sorted(folder.iterdir()):
        name = unpack.stem(path)
        if path.name.startswith((".", "_")):
            continue  # files of Spark and of the system
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
            remedy=f"Supported suffixes are {', '.join(sorted(known))}, also followed by .gz, "
            ".zst, .bz2, .xz or .zip",
        )
    if others:
        warnings.warn(
            f"{folder}: realdb skips {len(others):,} entries that do not have the name of a "
            f"prediction file: {', '.join(others[:_SHOWN])}"
            f"{', …' if len(others) > _SHOWN else ''}",
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
            f"{deeper[0].parent} is a partition folder inside a folder model=NAME, which is not "
            "supported"
            if deeper
            else f"{folder} has no files",
            file=deeper[0].parent if deeper else folder,
            count=len(deeper),
            parameter="predictions",
        )
    name = unquote(folder.name.removeprefix(_ONE_MODEL))
    return PredictionSource(paths[0] if len(paths) == 1 else tuple(paths), name)
