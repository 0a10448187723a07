"""Charts: `realdb.charts.accuracy("ViT.csv")` returns an Altair chart, which you can change.

They need the extra `realdb[report]`. Each function takes predictions as in `realdb.compare`, and
without any the stored models. All take the options that read predictions and that choose the
labels, as in `realdb.compare`; a chart of the labels or raters takes none of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ..errors import DataError, QueryError, UsageError, did_you_mean
from ..queries import catalog
from ..store import kept
from ..store.files import exists, replacing, user_path
from . import chart_rows, doubts
from .ask import missing_table
from .chart_rows import Asked, Found, NoChartError, Options
from .results import accuracies
from .rules import Rules
from .session import Session

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from ..ingest.progress import Progress
    from ..store.store import Store

FORMATS = ("svg", "png", "pdf", "html", "json")


class Arguments(TypedDict, total=False):
    """The options of all charts, as in `realdb.compare`, and those of single charts.

    by: groups: animal, label-count, or a grouping
    along: checkpoints: natural, or a file with a model in each line
    background: accuracy: a CSV file with the accuracies of other models
    classes: confusions: the classes, by id, WordNet id or name
    label_set: scores: the label set whose verdicts are shown
    """

    model: str | None
    threshold: float | None
    empty: str | None
    columns: Mapping[str, str] | None
    input_format: str | None
    order: str | Path | None
    ranks: str | None
    drop_repeats: bool
    allow_ground_truth: bool
    scores: str | Path | None
    labels: str
    unclear: str | None
    problematic: str
    match: str | None
    store: str | PathLike[str] | None
    offline: bool | None
    progress: Progress | None
    by: str | None
    along: str | Path | None
    background: str | Path | None
    classes: Sequence[str] | None
    label_set: str | None


_RULES = ("threshold", "empty", "scores", "labels", "unclear", "problematic", "match")
_READING = ("model", "columns", "input_format", "order", "ranks", "drop_repeats")
_OPENING = ("store", "offline", "progress")
_OWN = ("by", "along", "background", "classes", "label_set")


@dataclass(frozen=True, kw_only=True)
class ChartInfo:
    """What a chart shows and needs.

    title: its title
    neutral: its title where other labels judge, if the title names ReaL
    models: the smallest number of models; 0 if it is about the labels or the raters
    views: the views that its rows come from
    tables: the tables that it reads beside them
    takes: its own options
    empty: why it may have no rows
    follows_empty: whether the rule for images without labels changes it
    rows: the function that asks a session for its rows, and returns its caption
    """

    title: str
    models: int
    views: tuple[str, ...]
    rows: Callable[[Asked], Found]
    empty: str
    takes: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    follows_empty: bool = True
    neutral: str | None = None

    @property
    def needs(self) -> str:
        """What it needs, in words."""
        words = {0: "no model", 1: "one model or more", 2: "two models or more"}
        return words[self.models]


CHARTS: dict[str, ChartInfo] = {
    "accuracy": ChartInfo(
        title="Original and ReaL accuracy",
        neutral="Accuracy by the original and by other labels",
        models=1,
        views=("accuracy",),
        rows=chart_rows.accuracy,
        empty="It needs the original labels, and images with labels",
        takes=("background",),
    ),
    "thresholds": ChartInfo(
        title="Accuracy by the threshold of the labels",
        models=1,
        views=("accuracy_by_threshold",),
        rows=chart_rows.thresholds,
        follows_empty=False,
        empty="No image is predicted",
    ),
    "precision_recall": ChartInfo(
        title="Precision and recall of the labels",
        models=0,
        views=("precision_recall", "operating_points"),
        rows=chart_rows.precision_recall,
        empty="The store has no golden questions",
    ),
    "reliability": ChartInfo(
        title="Reliability of the confidences",
        models=1,
        views=("calibration", "calibration_summary"),
        rows=chart_rows.reliability,
        empty="It needs a confidence between 0 and 1 with every prediction",
    ),
    "pairs": ChartInfo(
        title="Differences of the models on the same images",
        models=2,
        views=("accuracy", "comparison"),
        rows=chart_rows.pairs,
        empty="No two models have a scored image in common",
    ),
    "ranks": ChartInfo(
        title="Ranks and rank intervals",
        models=2,
        views=("leaderboard", "accuracy", "rank_intervals"),
        rows=chart_rows.ranks,
        empty="No two models have a scored image in common",
    ),
    "class_changes": ChartInfo(
        title="Classes that gain and lose most from the original to the ReaL labels",
        neutral="Classes that gain and lose most from the original to other labels",
        models=1,
        views=("class_changes",),
        rows=chart_rows.class_changes,
        empty="The accuracy is the same in every class by both labels",
    ),
    "class_differences": ChartInfo(
        title="Classes in which two models differ most",
        models=2,
        views=("paired_counts_by_group",),
        tables=("classes",),
        rows=chart_rows.class_differences,
        empty="The models have the same accuracy in every class",
    ),
    "groups": ChartInfo(
        title="Accuracy by group of images",
        models=1,
        views=("accuracy_by_animal", "accuracy_by_label_count", "accuracy_by_group"),
        rows=chart_rows.groups,
        empty="No group has a scored image",
        takes=("by",),
    ),
    "factors": ChartInfo(
        title="Error ratios by group of images",
        models=1,
        views=("accuracy_by_group",),
        rows=chart_rows.factors,
        empty="No group has a wrong prediction",
        takes=("by",),
    ),
    "label_sets": ChartInfo(
        title="Ranks of the models by label set",
        models=2,
        views=("ranks_by_label_set",),
        rows=chart_rows.label_sets,
        follows_empty=False,
        empty="No label set has a label for a predicted image",
    ),
    "checkpoints": ChartInfo(
        title="Accuracy of the models in order",
        models=2,
        views=("accuracy", "paired_counts"),
        rows=chart_rows.checkpoints,
        empty="No model has a scored image",
        takes=("along",),
    ),
    "raters": ChartInfo(
        title="Raters by sensitivity and specificity",
        models=0,
        views=("rater_quality",),
        rows=chart_rows.raters,
        empty="No rater answered valid and invalid golden questions",
    ),
    "scores": ChartInfo(
        title="Scores by the verdict of another label set",
        models=0,
        views=("scores_by_verdict",),
        rows=chart_rows.scores,
        empty="No label with a score is judged",
        takes=("label_set",),
    ),
    "confusions": ChartInfo(
        title="Confusions of classes",
        models=1,
        views=("confusions",),
        tables=("classes",),
        rows=chart_rows.confusions,
        follows_empty=False,
        empty="No prediction is wrong",
        takes=("classes",),
    ),
}


@dataclass(frozen=True)
class Drawn:
    """A chart, without title and caption in the picture, and what belongs to it."""

    name: str
    title: str
    caption: str
    rows: pa.Table
    chart: Any

    @property
    def relation(self) -> duckdb.DuckDBPyRelation:
        """The rows as a relation."""
        import duckdb

        return duckdb.from_arrow(self.rows)


def find(name: str | None) -> tuple[str, ChartInfo]:
    """Return a chart by its name, with - or _; UsageError, with the names, if there is none."""
    known = (name or "").replace("-", "_")
    if known not in CHARTS:
        every = f"The charts are {', '.join(names())}"
        raise UsageError(
            f"there is no chart {name!r}" if name else "the name of a chart is missing",
            parameter="name",
            value=name,
            remedy=did_you_mean(name, names(), every) if name else every,
        )
    return known, CHARTS[known]


def possible(names: Iterable[str], store: Store, rules: Rules) -> dict[str, NoChartError | None]:
    """Return for each chart the reason why this store and these rules do not allow it, or None."""
    return {name: _impossible(name, store, rules) for name in names}


def views(names: Iterable[str], store: Store, rules: Rules) -> list[str]:
    """Return the views of those charts that this store and these rules allow.

    A session that is opened and prepared with them can draw the charts (`of_session`).
    """
    allowed = [name for name, why in possible(names, store, rules).items() if why is None]
    return list(dict.fromkeys(view for name in allowed for view in find(name)[1].views))


def of_session(
    session: Session, name: str, *, models: Sequence[str] | None = None, **options: Any
) -> Drawn:
    """Draw a chart of a prepared session, which was opened with its `views`.

    `models` are the models in their order. The default is all, by name. The options are those of
    `Options`. Raises NoChartError, with the reason, if the chart is not possible.
    """
    name, info = find(name)
    found = _found(session, name, models, options)
    title = _title(info, session.rules)
    charts, _ = _report()
    chart = getattr(charts, name)(found.rows, **found.arguments)
    # The description names the picture for assistive technology.
    rows = _stated(found.rows, info, session.rules)
    return Drawn(name, title, found.caption, rows, chart.properties(description=title))


def rows(name: str, *predictions: object, **options: Unpack[Arguments]) -> pa.Table:
    """Return the data of a chart as an Arrow table."""
    return plot(name, *predictions, csv=True, **options).rows


def draw(name: str, *predictions: object, **options: Unpack[Arguments]) -> Drawn:
    """Draw a chart by its name."""
    name, _ = find(name)
    _report()
    session, models = _session(name, predictions, dict(options))
    return of_session(session, name, models=models, **_own(options))


def _own(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of single charts."""
    return {key: options[key] for key in _OWN if options.get(key)}


def names() -> list[str]:
    """Return the names of the charts, as on the command line."""
    return [name.replace("_", "-") for name in CHARTS]


def listing() -> duckdb.DuckDBPyRelation:
    """Return the charts: name, title, and what they need."""
    import duckdb
    import pyarrow as pa

    table = pa.table(
        {
            "chart": names(),
            "title": [info.title for info in CHARTS.values()],
            "models": [info.needs for info in CHARTS.values()],
            "options": [", ".join(info.takes) for info in CHARTS.values()],
        }
    )
    return duckdb.from_arrow(table)


def plot(
    name: str | None,
    *predictions: object,
    output: str | Path | None = None,
    csv: bool = False,
    force: bool = False,
    **options: Unpack[Arguments],
) -> Drawn:
    """Write a chart to a file, whose suffix chooses the format: svg, png, pdf, html or json.

    Without `output`, `csv` returns the data alone: `chart` is None. The file is replaced only with
    `force`. Raises UsageError for another suffix.
    """
    name, info = find(name)
    if output is None:
        if not csv:
            raise UsageError(
                f"the chart {name} needs a file to be written to",
                parameter="output",
                remedy=f"Use `output={name}.svg` (or {', '.join(FORMATS[1:])}), or `csv=True` for "
                "its data",
            )
        session, models = _session(name, predictions, dict(options))
        found = _found(session, name, models, _own(options))
        rows = _stated(found.rows, info, session.rules)
        return Drawn(name, _title(info, session.rules), found.caption, rows, None)
    target = user_path(output)
    form = target.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise UsageError(
            f"{target} has no suffix of a chart",
            file=target,
            value=target.suffix,
            parameter="output",
            remedy=f"Use one of {', '.join(f'{target.stem or name}.{each}' for each in FORMATS)}",
        )
    if not target.parent.is_dir() or (target.exists() and not target.is_file()):
        why = "is not a file" if target.exists() else f"needs the folder {target.parent}"
        raise DataError(
            f"{target} cannot be written: it {why}",
            file=target,
            value=target.parent if not target.exists() else target,
            parameter="output",
            remedy="Use another path",
        )
    if target.exists() and not force:
        raise exists(target)
    _, drawing = _report()
    drawn = draw(name, *predictions, **options)
    with replacing(target) as aside:
        drawing.save(drawn.chart, aside, form, title=drawn.title, caption=drawn.caption)
    return drawn


def _report() -> tuple[ModuleType, ModuleType]:
    """Return the modules `charts` and `drawing` of report/; UsageError if the extra is missing."""
    try:
        from ..report import charts, drawing
    except ImportError as error:
        raise UsageError(
            "charts need Altair and vl-convert, which cannot be imported "
            f"({str(error).splitlines()[0]})",
            remedy="Install them with: pip install 'realdb[report]'",
        ) from None
    return charts, drawing


def _stated(rows: pa.Table, info: ChartInfo, rules: Rules) -> pa.Table:
    """Return the data of a chart with the labels that judge, and the rule, as `results.stated`.

    A chart of both label sets has a row for each: by other labels, `real` is theirs.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not rules.is_stated or not info.models:
        return rows
    rows = rows.rename_columns([name.removeprefix("real_") for name in rows.column_names])
    if "label_set" in rows.column_names:
        place = rows.column_names.index("label_set")
        sets = rows.column(place)
        judging = pc.if_else(pc.equal(sets, "real"), rules.labels, sets)
        rows = rows.set_column(place, "label_set", judging)
    else:
        rows = rows.append_column("label_set", pa.repeat(rules.labels, rows.num_rows))
    return rows.append_column("rule", pa.repeat(rules.text, rows.num_rows))


def _title(info: ChartInfo, rules: Rules) -> str:
    """Return the title. Only a chart by the published labels has ReaL in it."""
    return info.title if chart_rows.is_real(rules) else info.neutral or info.title


def _impossible(name: str, store: Store, rules: Rules) -> NoChartError | None:
    info = find(name)[1]
    if not info.follows_empty and not chart_rows.is_empty_default(rules):
        return NoChartError(
            f"the chart {name} has no images without labels, so it has no `empty`",
            parameter="empty",
            value=rules.empty,
            remedy="Leave it out",
        )
    try:
        for view in info.views:
            catalog.require(view, store.names)
            rules.require_view(view)
        for table in info.tables:
            if table not in store.names:
                raise missing_table(table)
    except QueryError as error:
        return NoChartError(error.message, value=name, remedy=error.remedy)
    return None


def _found(
    session: Session, name: str, models: Sequence[str] | None, options: Mapping[str, Any]
) -> Found:
    """Return the rows of a chart. Raises NoChartError where there is nothing to draw."""
    info = CHARTS[name]
    why = _impossible(name, session.store, session.rules)
    if why is not None:
        raise why
    if models is None:
        names = "select distinct model from predictions order by model"
        models = [each for (each,) in session.con.execute(names).fetchall()] if info.models else []
    if len(models) < info.models:
        raise NoChartError(
            f"the chart {name} needs {info.needs}, and there "
            f"{'is one' if len(models) == 1 else 'is none'}",
            column="model",
            count=len(models),
            remedy="Name more prediction files, or store models with: realdb add FILE",
        )
    own = {key: value for key, value in options.items() if value is not None}
    found = info.rows(Asked(session, tuple(models), Options(**own)))
    if not found.rows.num_rows:
        raise NoChartError(f"the chart {name} has no data. {info.empty}", value=name, count=0)
    return found


@kept.reading_again
def _session(
    name: str, predictions: Sequence[object], options: dict[str, Any]
) -> tuple[Session, list[str]]:
    """Return the prepared session of one chart, and its models in order."""
    info = CHARTS[name]
    for key in (*_RULES, *_READING):
        if not info.models and options.get(key) not in (None, False, {}, "real", "skip"):
            raise UsageError(
                f"the chart {name} is not about models, so it has no `{key}`", parameter=key
            )
    for key in _OWN:
        if options.get(key) and key not in info.takes:
            raise UsageError(f"the chart {name} does not use `{key}`", parameter=key)
    if predictions and not info.models:
        raise UsageError(f"the chart {name} uses no predictions", value=name)
    rules = Rules(**{key: options[key] for key in _RULES if key in options})
    needed = [*info.views, *(["accuracy", doubts.VIEW] if info.models else [])]
    opening = {key: options[key] for key in _OPENING if key in options}
    session = Session(views=needed, rules=rules, **opening)
    if not info.models:
        session.prepare()
        return session, []
    read_from: dict[str, object] = {}
    if predictions:
        reading = {key: options.get(key) for key in _READING}
        reading["drop_repeats"] = bool(reading["drop_repeats"])
        read_from = session.add(predictions, **reading)
    session.prepare(stored=not predictions)
    catalog.keep(session.con, "accuracy")
    judged = accuracies(session.view("accuracy"))
    doubts.warn(
        judged,
        doubts.agreements(session) if predictions else {},
        read_from,
        has_rated=doubts.knows_rated(session.store),
        allow_ground_truth=options.get("allow_ground_truth", True),
        labels=rules.labels,
        stacklevel=6,
    )
    models = list(read_from) or sorted(each.model for each in judged)
    if not models:
        raise DataError(
            f"no model is stored in {session.store.root}",
            file=session.store.root,
            remedy="Name prediction files, or store a model with: realdb add FILE",
        )
    return session, models


def _picture(name: str, predictions: Sequence[object], options: Arguments) -> Any:
    """Return a chart with title, caption and colours, as in its file."""
    drawn = draw(name, *predictions, **options)
    _, drawing = _report()
    return drawing.themed(drawing.titled(drawn.chart, drawn.title, drawn.caption))


def accuracy(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the original accuracy against the ReaL accuracy."""
    return _picture("accuracy", predictions, options)


def thresholds(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the accuracy by the threshold of the labels."""
    return _picture("thresholds", predictions, options)


def precision_recall(**options: Unpack[Arguments]) -> Any:
    """Draw the precision and recall of the labels on the golden questions."""
    return _picture("precision_recall", (), options)


def reliability(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw how often models are right at each level of confidence."""
    return _picture("reliability", predictions, options)


def pairs(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the differences of the models, two by two, with their intervals."""
    return _picture("pairs", predictions, options)


def ranks(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the ranks of the models, and those that the tests allow."""
    return _picture("ranks", predictions, options)


def class_changes(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the classes that gain and lose most from the original labels to those that judge."""
    return _picture("class_changes", predictions, options)


def class_differences(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the classes in which the first model differs most from the second."""
    return _picture("class_differences", predictions, options)


def groups(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the accuracy in groups of images: `by`."""
    return _picture("groups", predictions, options)


def factors(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the error ratios in groups of images: `by`, factor by default."""
    return _picture("factors", predictions, options)


def label_sets(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the ranks of the models by each label set."""
    return _picture("label_sets", predictions, options)


def checkpoints(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw the accuracy of models in order: `along`."""
    return _picture("checkpoints", predictions, options)


def raters(**options: Unpack[Arguments]) -> Any:
    """Draw the raters by sensitivity and specificity."""
    return _picture("raters", (), options)


def scores(**options: Unpack[Arguments]) -> Any:
    """Draw the distribution of the scores by the verdicts of `label_set`."""
    return _picture("scores", (), options)


def confusions(*predictions: object, **options: Unpack[Arguments]) -> Any:
    """Draw how often models confuse `classes`."""
    return _picture("confusions", predictions, options)
