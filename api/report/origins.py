"""Where the figures of a report come from: files and checksums, versions, and the command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence, Set
from importlib import metadata
from pathlib import Path
from typing import Any

from ...exports.lines import visible_cell
from ...ingest.formats import remote
from ...ingest.locate import StoredModel, flat, path_or_name
from ...report import cells
from ...report.page import Code, Column, Part, Table, Text
from ...store import prediction_sets
from ...store.files import checksum, user_path
from ...version import __version__
from . import methods
from .found import Found, name, records

# The packages whose versions can change a figure or a chart.
_PACKAGES = ("duckdb", "numpy", "pyarrow", "altair", "vl-convert-python", "jinja2", "pillow")
# The options whose default is not None or False.
_DEFAULTS = {"labels": "real", "problematic": "skip", "format": "html"}
# The most files of one model, such as the parts of a data set.
_MOST_FILES = 20


def origins(found: Found, shown: Set[str], command: str) -> Iterator[Part]:
    """Yield the files with their checksums, the versions, the command and the references."""
    yield Table(
        name="Predictions",
        columns=[
            Column(title="Model"),
            Column(title="File"),
            Column(title="SHA-256", kind="code"),
        ],
        rows=[*_predictions(found)],
    )
    yield Table(
        name="Source files of the labels",
        columns=[
            Column(title="File"),
            Column(title="Published"),
            Column(title="SHA-256", kind="code"),
        ],
        rows=[*_sources(found)],
    )
    build = records(found.session.con.sql("select build_id, realdb_version from build"))[0]
    yield Table(
        name="Versions",
        columns=[Column(title="Program"), Column(title="Version", kind="code")],
        rows=[["realdb", __version__], *_versions()],
        note=f"The store is the build {build['build_id']} of realdb {build['realdb_version']}.",
    )
    yield Code(name="The command that makes this page", text=command)
    yield Code(name="BibTeX", text="\n\n".join(methods.references(found, shown)))


def _predictions(found: Found) -> Iterator[list[Text]]:
    root = found.session.store.root
    models = [row["model"] for row in found.models]
    stored = {
        model: source.name if isinstance(source, StoredModel) else model
        for model in models
        if isinstance(source := found.sources.get(model, StoredModel(model)), StoredModel)
    }
    listed = {row["model"]: row for row in records(prediction_sets.listed(root))} if stored else {}
    for model in models:
        if model in stored:
            row = listed.get(stored[model], {})
            file, sha256 = row.get("file"), row.get("sha256")
            # The path is one of the machine that stored it.
            where = f" from {Path(file).name}" if file else ""
            yield [name(model), name(f"stored{where}"), sha256 or cells.MISSING]
            continue
        for where, sha256 in _files(found.sources[model]):
            yield [name(model), name(where), sha256]


def _files(source: object) -> Iterator[tuple[str, str]]:
    """Yield the files of one set of predictions, as the user named them, with their checksums."""
    if not isinstance(source, str | Path | tuple):
        yield f"{type(source).__name__} in memory", cells.MISSING
        return
    files = [*source] if isinstance(source, tuple) else [source]
    if len(files) == 1 and not remote.is_url(files[0]) and user_path(files[0]).is_dir():
        files = sorted(path for path in user_path(files[0]).rglob("*") if path.is_file())
    for file in files[:_MOST_FILES]:
        is_local = not remote.is_url(file) and user_path(file).is_file()
        yield shown_path(file), checksum(user_path(file)) if is_local else cells.MISSING
    if len(files) > _MOST_FILES:
        yield f"and {len(files) - _MOST_FILES:,} more files", cells.MISSING


def _sources(found: Found) -> Iterator[list[Text]]:
    for row in records(
        found.session.con.sql("select file_name, is_published, sha256 from sources order by 1")
    ):
        yield [name(row["file_name"]), "yes" if row["is_published"] else "no", row["sha256"]]
    for row in methods.label_sets(found):
        yield [name(f"label set {row['label_set']}"), cells.MISSING, row["sha256"] or cells.MISSING]


def _versions() -> Iterator[list[Text]]:
    for package in _PACKAGES:
        try:
            yield [package, metadata.version(package)]
        except metadata.PackageNotFoundError:
            continue


def shown_path(path: object) -> str:
    """Return a path as the user wrote it, with ~ for the home folder; an address without a key."""
    if remote.is_url(path):
        address = str(path).partition("?")[0]
        scheme, _, rest = address.partition("://")
        host, slash, tail = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{tail}"
    return without_home(path)


def without_home(text: object) -> str:
    """Return text with ~ for the path of the user's home folder."""
    home = str(Path.home())
    if len(home) < 2:
        return str(text)
    return re.sub(rf"(?<![\w/.-]){re.escape(home)}(?=[/\\]|$)", "~", str(text))


def command(predictions: Sequence[object], options: Mapping[str, Any]) -> str:
    """Return the command, or the call, that makes the page.

    The name of the page is not among the options, so that the page is the same under any name.
    """
    options = {
        key: value
        for key, value in options.items()
        if not (value is None or value is False or value == {} or value == _DEFAULTS.get(key))
    }
    named = [path_or_name(each) for each in flat(predictions)]
    if None in named:
        kinds = ", ".join(
            repr(shown_path(each)) if isinstance(each, str | Path) else f"<{type(each).__name__}>"
            for each in flat(predictions)
        )
        call = "".join(f", {key}={_repr(value)}" for key, value in options.items())
        return f'realdb.report({kinds}, output="report.html"{call})'
    words = ["realdb", "report", *(_quoted(each) for each in named)]
    for key, value in options.items():
        option = f"--{key.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif isinstance(value, Mapping):
            words += [option, shlex.quote(",".join(f"{of}={it}" for of, it in value.items()))]
        elif isinstance(value, list | tuple):
            words += [option, shlex.quote(",".join(map(str, value)))]
        else:
            words += [option, _quoted(value)]
    words += ["-o", "report" if options.get("format") == "markdown" else "report.html"]
    return visible_cell(" ".join(words))


def _repr(value: object) -> str:
    return repr(shown_path(value) if isinstance(value, str | Path) else value)


def _quoted(value: object) -> str:
    """Quote a word for the shell. The shell replaces ~ only outside quotes."""
    text = shown_path(value)
    if text.startswith("~/") and not str(value).startswith("~/"):
        return f"~/{shlex.quote(text[2:])}" if text[2:] else "~/"
    return shlex.quote(text)
