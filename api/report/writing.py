"""Write a report: judge the models, make its sections, and put the page in place."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ...errors import DataError, RealdbError, UsageError, did_you_mean
from ...exports import place
from ...queries import catalog
from ...report import page
from ...report.page import Page, Part, Section, Text
from ...store import kept
from ...store.files import user_path
from ...version import __version__
from .. import charts, choices, doubts, judge
from .. import compare as comparing
from ..chosen_labels import REAL
from ..results import accuracies
from ..rules import Rules, require_choice
from ..session import Session
from ..shown import Shown
from . import figures, methods, origins, parts, pictures
from .found import Found, name, records, why_without

if TYPE_CHECKING:
    from ...ingest.progress import Progress

FORMATS: tuple[str, ...] = get_args(choices.ReportFormat)
# The sections, in their order. The first is always there, so that no page lacks the rule.
TITLES = {
    "judged": "What was judged",
    "models": "Models",
    "charts": "Charts",
    "pairs": "Paired comparison",
    "differences": "Where the models differ",
    "mistakes": "Mistakes by category",
    "images": "Hardest images",
    "methods": "Methods",
    "origins": "Files, versions and references",
}
_SUFFIXES = (".html", ".htm")
_VIEWS = ("accuracy", "leaderboard", "comparison", "rank_intervals", "model_agreement")
# Those that a section needs. A store without votes, or other labels, may not allow them.
_OPTIONAL = ("hard_images", "mistakes", "paired_counts_by_group", "rated_questions")


@dataclass(frozen=True, kw_only=True, repr=False)
class Reported(Shown):
    """The written report: the file or folder `output`, its sections, and its size in bytes."""

    output: Path
    format: str
    sections: tuple[str, ...]
    models: int
    charts: int
    bytes: int


@kept.reading_again
def report(
    *predictions: object,
    output: str | Path,
    format: str = "html",  # noqa: A002, as the option is called
    sections: Sequence[str] | str | None = None,
    images: str | Path | None = None,
    date: str | None = None,
    force: bool = False,
    model: str | None = None,
    threshold: float | None = None,
    empty: str | None = None,
    columns: Mapping[str, str] | None = None,
    input_format: str | None = None,
    order: str | Path | None = None,
    ranks: str | None = None,
    drop_repeats: bool = False,
    allow_ground_truth: bool = True,
    scores: str | Path | None = None,
    labels: str = REAL,
    unclear: str | None = None,
    problematic: str = "skip",
    match: str | None = None,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Reported:
    """Write a report on models: one page that needs no other file and no network.

    The models are those of `predictions`, as in `accuracy_table`; without any the stored ones. The
    page has the rule, the accuracies with intervals and ranks, charts with their data, the paired
    comparison, the groups of images in which models differ, the mistakes by category, the hardest
    images, the methods, the checksums of the files, the versions and the references.

    `output` is the file. With `format="markdown"` it is a folder with report.md and its images.
    `sections` are the names of the sections to write, a list or text with commas: judged (always
    there), models, charts, pairs, differences, mistakes, images, methods, origins. `images` is a
    folder of the validation images, flat or with folders of classes, for small pictures of the
    hardest images. `date` (YYYY-MM-DD) is printed on the page; the default is the date of the
    store's build, so that the same store and files give the same bytes. `force` replaces
    `output`.

    The other options are as in `compare`. Raises the same errors, DataError if `output` exists, and
    UsageError if the extra realdb[report] is not installed.

    >>> realdb.report("ViT.csv", "ResNet50.csv", output="report.html")  # doctest: +SKIP
    """
    judging: dict[str, Any] = {
        "threshold": threshold,
        "empty": empty,
        "scores": scores,
        "labels": labels,
        "unclear": unclear,
        "problematic": problematic,
        "match": match,
    }
    reading: dict[str, Any] = {
        "model": model,
        "columns": columns,
        "input_format": input_format,
        "order": order,
        "ranks": ranks,
        "drop_repeats": drop_repeats,
    }
    rules = Rules(**judging)
    require_choice("format", format, FORMATS)
    wanted = _wanted(sections)
    _require_day(date)
    target = _target(output, format)
    with _called_output():
        place.require_free(target, is_folder=format == "markdown", force=force)
    page.require(has_charts="charts" in wanted)
    folder = pictures.require(images)

    def stage(done: int) -> None:
        if progress:
            progress("writing the report", done, len(wanted) + 2)

    stage(0)
    session = Session(store, tables=None, rules=rules, offline=offline, progress=progress)
    found = _found(session, predictions, reading, allow_ground_truth=allow_ground_truth)
    options = {
        **judging,
        **reading,
        "images": images,
        "date": date,
        "format": format,
        "sections": None if sections is None else wanted,
        "store": None if store is None else Path(store),
    }
    shown = {*wanted}
    makers: dict[str, Callable[[], Iterator[Part]]] = {
        "judged": lambda: methods.judged(found),
        "models": lambda: parts.models(found),
        "charts": lambda: figures.figures(found, has_svg=format == "markdown"),
        "pairs": lambda: parts.pairs(found),
        "differences": lambda: parts.differences(found),
        "mistakes": lambda: parts.mistakes(found),
        "images": lambda: parts.images(found, folder),
        "methods": lambda: methods.methods(found, shown),
        "origins": lambda: origins.origins(found, shown, origins.command(predictions, options)),
    }
    made = []
    for done, each in enumerate(wanted):
        stage(done + 1)
        made.append(Section(name=each, title=TITLES[each], parts=[*makers[each]()]))
    whole = Page(
        title=_title(found), date=_dated(session, date), version=__version__, sections=made
    )
    stage(len(wanted) + 1)
    size = _write(whole, target, format, force=force, notice=_notice(session))
    return Reported(
        output=target,
        format=format,
        sections=tuple(wanted),
        models=len(found.models),
        charts=len(whole.figures),
        bytes=size,
    )


def _wanted(sections: Sequence[str] | str | None) -> list[str]:
    """Return the names of the sections to write, in their order."""
    if sections is None:
        return [*TITLES]
    names = sections.split(",") if isinstance(sections, str) else [*sections]
    names = [name.strip() for name in names]
    unknown = [name for name in names if name not in TITLES]
    if unknown or not names:
        choices_of = f"The sections are {', '.join(TITLES)}"
        near = did_you_mean(unknown[0], TITLES, "") if unknown else ""
        raise UsageError(
            f"there is no section {unknown[0]!r}" if unknown else "`sections` is empty",
            parameter="sections",
            value=unknown[0] if unknown else None,
            count=len(unknown),
            remedy=f"{near} {choices_of}".strip(),
        )
    return [name for name in TITLES if name in names or name == "judged"]


def _require_day(date: str | None) -> None:
    if date is None:
        return
    try:
        is_day = datetime.date.fromisoformat(date).isoformat() == date
    except ValueError:
        is_day = False
    if not is_day:
        raise UsageError(
            f"`date` is {date!r}, which is not a day such as 2026-11-26",
            parameter="date",
            value=date,
        )


def _target(output: str | Path, form: str) -> Path:
    target = user_path(output)
    is_folder = form == "markdown"
    if not is_folder and target.suffix.lower() not in _SUFFIXES:
        is_markdown = target.suffix.lower() in ("", ".md", ".markdown")
        raise UsageError(
            f"{target} does not have the suffix .html",
            file=target,
            value=target.suffix,
            parameter="output",
            remedy=f"Use {target.stem or 'report'}.html"
            + (', or a folder with `format="markdown"`' if is_markdown else ""),
        )
    if is_folder and target.suffix.lower() in (*_SUFFIXES, ".md", ".markdown"):
        raise UsageError(
            f"{target} has the suffix of a file, and the format markdown writes a folder",
            file=target,
            value=target.suffix,
            parameter="output",
            remedy=f"Use {target.stem}",
        )
    return target


@contextlib.contextmanager
def _called_output() -> Iterator[None]:
    """Name the parameter in errors about the file, which other calls name `out`."""
    try:
        yield
    except RealdbError as error:
        if error.parameter == "out":
            error.parameter = "output"
        raise


def _found(
    session: Session,
    predictions: Sequence[object],
    reading: Mapping[str, Any],
    *,
    allow_ground_truth: bool,
) -> Found:
    """Judge the models."""
    rules, con = session.rules, session.con
    counts_unasked = judge.counts_unasked(rules, session.store.names)
    session.require([*_VIEWS, doubts.VIEW])
    session.require(each for each in _OPTIONAL if why_without(session, each) is None)
    session.require(["unasked_predictions"] if counts_unasked else [])
    session.require(charts.views(charts.CHARTS, session.store, rules))
    sources = session.add(predictions, **reading) if predictions else {}
    session.prepare(stored=not predictions)
    # Most views read it, and some several times.
    catalog.keep(con, "scored_predictions")
    if counts_unasked:
        catalog.keep(con, "unasked_predictions")
    catalog.keep(con, "accuracy")
    judged = sorted(accuracies(session.view("accuracy")), key=lambda each: each.model)
    if not judged:
        raise DataError(
            "there are no models",
            column="model",
            count=0,
            remedy="Name prediction files, or store models with: realdb add FILE",
        )
    warnings = doubts.warn(
        judged,
        doubts.agreements(session),
        sources,
        has_rated=doubts.knows_rated(session.store),
        allow_ground_truth=allow_ground_truth,
        labels=rules.labels,
        stacklevel=5,
    )
    warnings += doubts.warn_of_parts(session, judged, stacklevel=5)
    bound: dict[str, object] = {"empty": rules.empty} if counts_unasked else {}
    rows = records(
        con.sql(judge.WITH_UNASKED if counts_unasked else judge.WITHOUT_UNASKED, params=bound)
    )
    models = [*sources] or [each.model for each in judged]
    comparison = comparing.of_session(session, models) if len(models) > 1 else None
    best = (
        [model for (model,) in comparison.models.project("model").fetchall()]
        if comparison
        else models
    )
    classes = {}
    if "classes" in session.store.tables:
        of_classes = con.execute("select label, name from classes").fetchall()
        classes = {label: name.split(",")[0] for label, name in of_classes if name}
    return Found(
        session=session,
        rules=rules,
        models=sorted(rows, key=lambda row: best.index(row["model"])),
        comparison=comparison,
        sources=sources,
        warnings=[origins.without_home(each) for each in warnings],
        classes=classes,
    )


def _title(found: Found) -> Text:
    number = len(found.models)
    models = "one model" if number == 1 else f"{number:,} models"
    return name(f"ImageNet predictions of {models}, judged by {found.labels}")


def _dated(session: Session, date: str | None) -> str:
    if date is not None:
        return date
    ((built,),) = session.con.sql("select cast(built_at as date) from build").fetchall()
    return f"Store of {built}"


def _notice(session: Session) -> dict[str, str]:
    return {"realdb_version": __version__, "realdb_build": session.store.build_id}


def _write(whole: Page, target: Path, form: str, *, force: bool, notice: Mapping[str, str]) -> int:
    """Write the page beside the target, move it there, and return its size in bytes."""
    is_folder = form == "markdown"
    placed = place.aside(target, is_folder=is_folder, force=force, notice=notice)
    with _called_output(), placed as aside:
        if is_folder:
            page.markdown(whole, aside)
        else:
            bundle = figures.bundle() if whole.figures else ""
            aside.write_text(page.html(whole, bundle), encoding="utf-8", newline="\n")
        return sum(file.stat().st_size for file in [aside, *aside.rglob("*")] if file.is_file())
