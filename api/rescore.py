"""Recompute the scores and labels from the votes, with the published or other rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import DataError, QueryError, UsageError, counted
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
# The threshold that keeps as many labels as real.json has (view same_count_threshold). It is the
# default for scores that are shares of votes and not probabilities.
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
# The number of values in a message.
_SHOWN = 3


@dataclass(frozen=True, kw_only=True, repr=False)
class Relabelling(Shown):
    """The numbers of labels added and removed: the columns of the view `relabelling`."""

    published_labels: int
    recomputed_labels: int
    added_labels: int
    removed_labels: int
    changed_images: int
    published_images: int
    recomputed_images: int

    def __str__(self) -> str:
        return (
            f"{counted(self.recomputed_labels, 'label')} on "
            f"{counted(self.recomputed_images, 'image')}. Compared with real.json, "
            f"{self.added_labels:,} added and {self.removed_labels:,} removed, on "
            f"{counted(self.changed_images, 'image')}"
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class Rescored(Shown):
    """The result of `scores`.

    threshold: the lowest score that makes a label
    labels: the numbers of labels added and removed
    counts: the same numbers as a row of the view relabelling
    changes: the labels added and removed (view label_changes)
    models: the accuracies of models (view accuracy_moves); empty without any predictions
    scores: the scores, with the columns of the table scores
    fit: a sentence on the convergence of an iterative method; else None
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
        """There are predictions: files, or stored models."""
        return bool(self.models.limit(1).fetchall())


@dataclass(frozen=True, kw_only=True, repr=False)
class Recomputation(Shown):
    """The comparison of recomputed and published scores: the columns of `recomputation`."""

    questions: int
    recomputed_questions: int
    differing_scores: int
    largest_difference: float
    published_labels: int
    recomputed_labels: int
    differing_labels: int

    @property
    def is_equal(self) -> bool:
        """The votes give every published score to within 1e-12, and every label."""
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
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Rescored:
    """Compute scores and labels from the votes with other rules, and return the changes.

    The method pipeline has the rules of the view `pipeline_rules`. None keeps the published value:

    - golden_majority: a golden question is valid if at least this many of the 5 experts say yes
    - original_majority: the same, if the original label is judged as a rater
    - smoothing: the number, above 0, that is added to each count of answers
    - original_label_for: the questions that count the original label as a rater: animals, all, none
    - maybe_as: the answer that replaces 'maybe': maybe, yes or no
    - left_out_raters: the ids of raters whose votes do not count

    The other methods aggregate the same votes of the main round (see stats/aggregation.py):
    majority is the share of yes. weighted is the same, with each rater weighted by the agreement
    with the experts. dawid-skene and one-coin use EM. `clamp_golden` fixes the golden questions to
    the experts' answers in EM. `left_out_raters` and `maybe_as` apply to all methods,
    `golden_majority` to those that use the experts' answers.

    A label is valid if its score is at least `threshold`. "same-count" is the threshold that keeps
    about as many labels as real.json has (view `same_count_threshold`). The default is 0.8, as
    published, and "same-count" for majority and weighted, whose scores are shares of votes. The
    models are those of `predictions`. The default is all stored models. `out` is a Parquet file for
    the scores, with the threshold in its metadata. `accuracy(…, scores=out)` uses both.

    Raises UsageError for an invalid rule, QueryError if the store lacks the votes.
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
    views = ["accuracy_moves", "relabelling", "same_count_threshold"]
    session = Session(opened, views=views, tables=None)
    con = session.con
    _require_rounds(con)
    _require_raters(con, left_out_raters)
    if out is not None:
        require_parquet(user_path(out), force=force)
    session.add(predictions)
    session.prepare(stored=not predictions)
    is_same_count = threshold == SAME_COUNT
    rules["threshold"] = None if is_same_count else threshold
    catalog.substitute(con, catalog.RULES, catalog.OTHER_RULES, rules)
    fit = None if method == "pipeline" else _aggregate(con, method, clamp_golden=clamp_golden)
    # Each is read several times below.
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
        _write(con, found.threshold, user_path(out))
    return found


def verify_scores(
    *,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Recomputation:
    """Recompute scores.npz and real.json from the votes, and count the differences.

    For the published files there are none. Raises QueryError if the store lacks a required file.
    """
    opened = _require_votes(open_store(store, offline, progress))
    session = Session(opened, views=["recomputation"])
    _require_rounds(session.con)
    session.prepare()
    for name in ("recomputed_scores", "recomputed_labels"):
        catalog.keep(session.con, name)
    return Recomputation(**session.row("recomputation"))


def recomputation_table(found: Recomputation) -> duckdb.DuckDBPyRelation:
    """Return the comparison as one row."""
    import duckdb
    import pyarrow as pa

    return duckdb.connect().from_arrow(pa.Table.from_pylist([asdict(found)]))


def _check(method: str, rules: Mapping[str, object], *, clamp_golden: bool) -> None:
    """Raise UsageError for an invalid rule."""
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
            f"`smoothing` is {smoothing}. It must be a finite number above 0, because 0 gives "
            "infinite log-odds for an answer that a rater never used",
            parameter="smoothing",
            value=smoothing,
        )
    if clamp_golden and method not in ("dawid-skene", "one-coin"):
        raise UsageError(
            f"`clamp_golden` can be used only with the methods dawid-skene and one-coin, not with "
            f"{method}",
            parameter="clamp_golden",
            value=method,
        )
    only = ["original_majority", "smoothing", "original_label_for"]
    if method != "weighted" and not clamp_golden:  # neither uses the golden questions
        only.append("golden_majority")
    unused = [name for name in only if rules[name] is not None]
    if method != "pipeline" and unused:
        raise UsageError(
            f"{', '.join(f'`{name}`' for name in unused)} cannot be used with the method {method}, "
            "only with pipeline",
            parameter=unused[0],
            value=method,
        )


def _require_votes(opened: Store) -> Store:
    """Return the store; QueryError, with the missing file, if it has no votes."""
    for table in ("votes", "questions", "scores", "classes"):
        if table not in opened.tables:
            raise _without(source_of(table))
    return opened


def _require_rounds(con: duckdb.DuckDBPyConnection) -> None:
    """Raise QueryError, with the missing file, if votes or the original labels are missing."""
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
        remedy="Build the store again with this file: realdb ingest FOLDER",
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
            f"`left_out_raters` has all {len(raters):,} raters, so there are no votes",
            parameter="left_out_raters",
            count=len(raters),
        )


def _aggregate(con: duckdb.DuckDBPyConnection, method: str, *, clamp_golden: bool) -> str | None:
    """Replace recomputed_scores with a method's scores; return a sentence on its convergence."""
    from ..stats import aggregation

    # Use only the votes that count under the rules.
    votes = con.sql(
        """
        select round, image_id, label, rater_id, answer
        from counted_votes
        union all
        select round, image_id, label, rater_id, answer
        from votes
        where round = 'expert'
        """
    )
    catalog.replace(con, "votes", votes)
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
        f"{method} {ended} after {counted(fit.iterations, 'iteration')}, log-likelihood "
        f"{fit.log_likelihood[-1]:,.3f}"
    )


def _use_same_count(con: duckdb.DuckDBPyConnection) -> None:
    """Set the threshold that keeps as many labels as real.json has.

    Raises DataError if no question has a score.
    """
    ((threshold,),) = con.execute("select threshold from same_count_threshold").fetchall()
    if threshold is None:
        raise DataError(
            "no question has a score, so no threshold keeps as many labels as real.json",
            count=0,
            parameter="threshold",
            value=SAME_COUNT,
        )
    con.execute("update pipeline_rules set threshold = $1", [threshold])


def _write(con: duckdb.DuckDBPyConnection, threshold: float, out: Path) -> None:
    import duckdb

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
