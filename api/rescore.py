"""Make the scores and labels anew from the votes: as published, by other rules or methods."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import DataError, QueryError, UsageError
from ..queries import catalog
from ..schema import quoting
from ..schema.tables import source_of
from ..store import kept
from ..store.files import replacing, require_parquet, user_path
from . import choices
from .build import open_store
from .rules import RECORDED_THRESHOLD, require_choice, require_share
from .session import Session
from .shown import Shown

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress
    from ..store.store import Store

METHODS: tuple[str, ...] = get_args(choices.Method)
ORIGINAL_LABEL_FOR: tuple[str, ...] = get_args(choices.OriginalLabelFor)
MAYBE_AS: tuple[str, ...] = get_args(choices.MaybeAs)
EXPERTS = 5
# The threshold that keeps as many labels as real.json has (view same_count_threshold). Scores that
# are shares of votes, not probabilities, need it.
SAME_COUNT = "same-count"
_SHARES = ("majority", "weighted")
_SCORES = """
    select
        image_id,
        label,
        recomputed_score as score
    from recomputed_scores
    order by image_id, label
"""
# How many offenders a message names.
_SHOWN = 3


@dataclass(frozen=True, kw_only=True, repr=False)
class Relabelling(Shown):
    """How many labels come and go; the fields are the columns of the view `relabelling`."""

    published_labels: int
    recomputed_labels: int
    added_labels: int
    removed_labels: int
    changed_images: int
    published_images: int
    recomputed_images: int

    def __str__(self) -> str:
        return (
            f"{self.recomputed_labels:,} labels on {self.recomputed_images:,} images; against "
            f"real.json {self.added_labels:,} come and {self.removed_labels:,} go, on "
            f"{self.changed_images:,} images"
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Rescored(Shown):
    """What `scores` found: each relation has the columns of the view it is named after.

    `labels` counts the labels that come and go, `counts` (view relabelling) says that in a row, and
    `changes` (view label_changes) names them; `models` (view accuracy_moves) is empty where no
    predictions were given and none are stored; `scores` has the columns of the table scores. `fit`
    says how an iterated method ended, else it is None. `threshold` is the lowest score that makes a
    label.
    """

    threshold: float
    labels: Relabelling
    counts: duckdb.DuckDBPyRelation
    changes: duckdb.DuckDBPyRelation
    models: duckdb.DuckDBPyRelation
    scores: duckdb.DuckDBPyRelation
    fit: str | None

    def __str__(self) -> str:
        return f"threshold {self.threshold!r}: {self.labels}"

    @property
    def has_models(self) -> bool:
        """Predictions were given, or models are stored."""
        return bool(self.models.limit(1).fetchall())


@dataclass(frozen=True, kw_only=True, repr=False)
class Recomputation(Shown):
    """Whether the votes give what was published; the columns of the view `recomputation`."""

    questions: int
    recomputed_questions: int
    differing_scores: int
    largest_difference: float
    published_labels: int
    recomputed_labels: int
    differing_labels: int

    @property
    def is_equal(self) -> bool:
        """Every published score comes out of the votes, to within 1e-12, and every label."""
        return self.questions == self.recomputed_questions and not (
            self.differing_scores or self.differing_labels
        )


@kept.reading_again
def scores(
    *predictions: object,
    method: str = "pipeline",
    threshold: float | str | None = None,
    golden_majority: int | None = None,
    original_majority: int | None = None,
    smoothing: float | None = None,
    original_label_for: str | None = None,
    maybe_as: str | None = None,
    left_out_raters: Collection[int] = (),
    clamp_golden: bool = False,
    out: str | Path | None = None,
    force: bool = False,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Rescored:
    """Make scores and labels from the votes under given rules, and say what they would change.

    With `method` pipeline the rules are those of the view `pipeline_rules`; what is None stays as
    published. A golden question is valid if `golden_majority` of the 5 experts say yes
    (`original_majority` where the original label is judged as a rater); `smoothing` (above 0) is
    added to each count of answers; the original label counts as a rater on questions about
    `original_label_for` animals, all or none; a 'maybe' is taken for `maybe_as` maybe, yes or no;
    votes of `left_out_raters` do not count.

    The other methods sum up the same votes of the main round in their own way (see
    stats/aggregation.py): the share of yes (majority), the same with each rater weighted by the
    agreement with the experts (weighted), and by EM dawid-skene and one-coin, with `clamp_golden`
    held to the experts on the golden questions. `left_out_raters` and `maybe_as` hold for them too,
    and `golden_majority` where the experts are asked.

    A label is valid where its score is at least `threshold`: a number, or "same-count", which takes
    the threshold that keeps as many labels as real.json has, or nearly (view
    `same_count_threshold`). The default is 0.8, as published, and "same-count" for majority and
    weighted, whose scores are shares of votes. The models are those of `predictions`, or without
    any the stored ones.
    `out` is a Parquet file for the scores, which records the threshold in its metadata;
    `accuracy(…, scores=out)` judges by both.

    Raises UsageError for a rule that makes no sense, QueryError where the store lacks the votes.
    """
    rules = {
        "golden_majority": golden_majority,
        "original_majority": original_majority,
        "smoothing": smoothing,
        "original_label_for": original_label_for,
        "maybe_as": maybe_as,
        "left_out_raters": list(left_out_raters) or None,
        "threshold": threshold,
    }
    if threshold is None and method in _SHARES:
        threshold = SAME_COUNT
    _check(method, rules, clamp_golden=clamp_golden)
    opened = _require_votes(open_store(store, offline, progress))
    views = ["accuracy_moves", "relabelling", "same_count_threshold", catalog.OTHER_RULES]
    session = Session(opened, views=views, tables=None)
    con = session.con
    _require_rounds(con)
    _require_raters(con, left_out_raters)
    session.add(predictions)
    session.prepare(stored=not predictions)
    is_same_count = threshold == SAME_COUNT
    rules["threshold"] = None if is_same_count else threshold
    catalog.substitute(con, catalog.RULES, catalog.OTHER_RULES, rules)
    fit = None if method == "pipeline" else _aggregate(con, method, clamp_golden=clamp_golden)
    # Each is asked several times below.
    if method == "pipeline":
        catalog.keep(con, "recomputed_scores")
    if is_same_count:
        _use_same_count(con)
    for name in ("recomputed_labels", "label_changes"):
        catalog.keep(con, name)
    found = Rescored(
        threshold=session.row(catalog.RULES)["threshold"],
        labels=Relabelling(**session.row("relabelling")),
        counts=con.view("relabelling"),
        changes=con.table("label_changes").order("image_id, label"),
        models=con.sql("from accuracy_moves order by recomputed_rank nulls last, model"),
        scores=con.sql(_SCORES),
        fit=fit,
    )
    if out is not None:
        _write(con, found.threshold, user_path(out), force=force)
    return found


def verify_scores(
    *,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Recomputation:
    """Recompute scores.npz and real.json from the votes and say what differs: nothing should.

    Raises QueryError where the store lacks a file that this needs.
    """
    opened = _require_votes(open_store(store, offline, progress))
    session = Session(opened, views=["recomputation"])
    _require_rounds(session.con)
    session.prepare()
    for name in ("recomputed_scores", "recomputed_labels"):
        catalog.keep(session.con, name)
    return Recomputation(**session.row("recomputation"))


def recomputation_table(found: Recomputation) -> duckdb.DuckDBPyRelation:
    """Return it as one row."""
    import duckdb
    import pyarrow as pa

    return duckdb.connect().from_arrow(pa.Table.from_pylist([asdict(found)]))


def _check(method: str, rules: Mapping[str, object], *, clamp_golden: bool) -> None:
    """Raise UsageError where a rule makes no sense."""
    threshold, smoothing = rules["threshold"], rules["smoothing"]
    require_choice("method", method, METHODS)
    for name, known in (
        ("original_label_for", ORIGINAL_LABEL_FOR),
        ("maybe_as", MAYBE_AS),
        ("golden_majority", (*range(1, EXPERTS + 1),)),
        ("original_majority", (*range(1, EXPERTS + 1),)),
    ):
        if rules[name] is not None:
            require_choice(name, rules[name], known)
    if isinstance(threshold, str):
        require_choice("threshold", threshold, ("a number from 0 to 1", SAME_COUNT))
    elif isinstance(threshold, float | int):
        require_share("threshold", threshold)
    if isinstance(smoothing, float | int) and not 0 < smoothing < float("inf"):
        raise UsageError(
            f"`smoothing` is {smoothing}; it must be above 0, as the log-odds of an answer that a "
            "rater never gave would be infinite",
            parameter="smoothing",
            value=smoothing,
        )
    if clamp_golden and method not in ("dawid-skene", "one-coin"):
        raise UsageError(
            f"`clamp_golden` is for the methods dawid-skene and one-coin, not for {method}",
            parameter="clamp_golden",
            value=method,
        )
    only = ["original_majority", "smoothing", "original_label_for"]
    if method != "weighted" and not clamp_golden:  # what else reads the golden questions
        only.append("golden_majority")
    unused = [name for name in only if rules[name] is not None]
    if method != "pipeline" and unused:
        raise UsageError(
            f"{', '.join(f'`{name}`' for name in unused)} is a rule of the method pipeline, not of "
            f"{method}",
            parameter=unused[0],
            value=method,
        )


def _require_votes(opened: Store) -> Store:
    """Return the store; QueryError, naming the file, where it has no votes to recompute from."""
    for table in ("votes", "questions", "scores", "classes"):
        if table not in opened.tables:
            raise _without(source_of(table))
    return opened


def _require_rounds(con: duckdb.DuckDBPyConnection) -> None:
    """Raise QueryError, naming the file, where votes or the original labels are missing."""
    rounds = {row[0] for row in con.execute("select distinct round from votes").fetchall()}
    files = {"main": "raters.npz", "golden": "raters_golden.npz", "expert": "golden.npz"}
    for name, file in files.items():
        if name not in rounds:
            raise _without(file)
    if not con.table("images").count("original_label").fetchall()[0][0]:
        raise _without("a file of original labels (`original=FILE`)")


def _without(file: str) -> QueryError:
    return QueryError(
        f"the scores cannot be recomputed: this store was built without {file}",
        file=file,
        remedy="Build the store again with that file too: realdb ingest FOLDER",
    )


def _require_raters(con: duckdb.DuckDBPyConnection, wanted: Collection[int]) -> None:
    raters = {
        row[0] for row in con.execute("select rater_id from raters where not is_expert").fetchall()
    }
    unknown = sorted(set(wanted) - raters)
    if unknown:
        raise UsageError(
            f"there is no rater {', '.join(map(str, unknown[:_SHOWN]))}"
            f"{', …' if len(unknown) > _SHOWN else ''}",
            parameter="left_out_raters",
            value=unknown[0],
            count=len(unknown),
            remedy='List the raters with: realdb sql "from raters where not is_expert"',
        )
    if not raters - set(wanted):
        raise UsageError(
            "all raters are left out, so no vote is left",
            parameter="left_out_raters",
            count=len(raters),
        )


def _aggregate(con: duckdb.DuckDBPyConnection, method: str, *, clamp_golden: bool) -> str | None:
    """Put a method's scores where recomputed_scores stood; return how its iteration ended."""
    from ..stats import aggregation

    # The votes that count under the rules replace the votes.
    counted = con.sql(
        """
        select round, image_id, label, rater_id, answer
        from counted_votes
        union all
        select round, image_id, label, rater_id, answer
        from votes
        where round = 'expert'
        """
    )
    catalog.replace(con, "votes", counted)
    main = aggregation.read_round(con, "main")
    golden = con.execute("select image_id, label, is_valid from golden_truths").fetchnumpy()
    fit = None
    if method == "majority":
        posterior = aggregation.majority_vote(main.votes)
    elif method == "weighted":
        judged = aggregation.read_round(con, "golden")
        truth = judged.truth(golden["image_id"], golden["label"], golden["is_valid"])
        shares = aggregation.agreement(judged.votes, truth)
        posterior = aggregation.weighted_vote(main.votes, main.of_raters(judged.rater_id, shares))
    else:
        truth = None
        if clamp_golden:
            truth = main.truth(golden["image_id"], golden["label"], golden["is_valid"])
        if method == "dawid-skene":
            fit = aggregation.dawid_skene(main.votes, truth=truth)
        else:
            fit = aggregation.one_coin(main.votes.binary(maybe="drop"), truth=truth)
        posterior = fit.posterior
    con.register(
        "aggregated",
        {"image_id": main.image_id, "label": main.label, "score": posterior[:, 1].copy()},
    )
    rows = con.sql(
        """
        select
            q.image_id,
            q.label,
            s.score as published_score,
            a.score as recomputed_score,
            a.score - s.score as difference,
            cast(null as double) as prior_evidence,
            cast(null as double) as raters_evidence,
            cast(null as double) as original_evidence
        from questions as q
        left join scores as s on q.image_id = s.image_id and q.label = s.label
        left join aggregated as a on q.image_id = a.image_id and q.label = a.label
        """
    )
    catalog.replace(con, "recomputed_scores", rows)
    if fit is None:
        return None
    ended = "converged" if fit.converged else "did not converge"
    return (
        f"{method} {ended} after {fit.iterations} iterations, log-likelihood "
        f"{fit.log_likelihood[-1]:,.3f}"
    )


def _use_same_count(con: duckdb.DuckDBPyConnection) -> None:
    """Put the threshold that keeps as many labels as real.json has into the rules.

    Raises DataError where no question has a score.
    """
    ((threshold,),) = con.execute("select threshold from same_count_threshold").fetchall()
    if threshold is None:
        raise DataError(
            "no question has a score, so that no threshold keeps as many labels as real.json",
            count=0,
            parameter="threshold",
            value=SAME_COUNT,
        )
    con.execute("update pipeline_rules set threshold = $1", [threshold])


def _write(con: duckdb.DuckDBPyConnection, threshold: float, out: Path, *, force: bool) -> None:
    import duckdb

    require_parquet(out, force=force)
    try:
        with replacing(out) as aside:
            con.execute(
                f"""
                copy ({_SCORES}) to {quoting.literal(quoting.file_name(aside))}
                (format parquet, compression zstd, kv_metadata $notice)
                """,
                {"notice": {RECORDED_THRESHOLD: repr(threshold)}},
            )
    except (OSError, duckdb.Error) as error:
        raise DataError(f"{out} cannot be written: {str(error).splitlines()[0]}") from None
