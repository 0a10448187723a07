"""Explain an image's labels: the raters' answers, their weights, and the scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..ingest import image_names
from ..queries import catalog
from ..schema.tables import IMAGES
from ..store import kept
from .build import open_store
from .session import Session
from .shown import Shown

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress
    from ..store.store import Store

# The views that `explain` reads, and those that need votes.
_VIEWS = (catalog.RULES, "scored_predictions")
_OF_VOTES = ("rated_questions", "recomputed_scores", "vote_evidence", "golden_truths")


@dataclass(frozen=True, kw_only=True, repr=False)
class Vote(Shown):
    """A rater's answer (no, maybe, yes) and what it adds to the log-odds, in nats.

    `is_average`: the rater answered no golden question and has the mean weight of the others.
    """

    rater_id: int
    answer: str
    log_likelihood_ratio: float | None
    is_average: bool


@dataclass(frozen=True, kw_only=True, repr=False)
class Question(Shown):
    """A question: a label that raters were asked about.

    The score is 1 / (1 + exp(-(the sum of the evidence))). All evidence is in nats, and None if the
    store lacks the required files. `yes_experts` is None if the question is not a golden one.
    """

    label: int
    name: str | None
    is_original: bool | None
    is_real: bool
    yes_experts: int | None
    votes: tuple[Vote, ...]
    prior_evidence: float | None
    raters_evidence: float | None
    original_evidence: float | None
    recomputed_score: float | None
    published_score: float | None


@dataclass(frozen=True, kw_only=True, repr=False)
class Choice(Shown):
    """A model's first choice, and whether it is right by each label set."""

    model: str
    label: int
    name: str | None
    confidence: float | None
    is_real_correct: bool | None
    is_original_correct: bool | None


@dataclass(frozen=True, kw_only=True, repr=False)
class Assessment(Shown):
    """The verdict of a stored label set on a label, with the score and the votes.

    A label with several verdicts has several assessments. `votes` maps each rater to the answer,
    and has the golden answers too.
    """

    label_set: str
    label: int
    name: str | None
    verdict: str
    score: float | None
    votes: dict[str, str]


@dataclass(frozen=True, kw_only=True, repr=False)
class Flag(Shown):
    """A flag of a stored label set on the image, with its value if it has one."""

    label_set: str
    flag: str
    value: str | None


@dataclass(frozen=True, kw_only=True, repr=False)
class Explanation(Shown):
    """The labels, questions and predictions of an image. `labels` has the order of real.json."""

    image_id: int
    file_name: str
    is_rated: bool | None
    original_label: int | None
    original_name: str | None
    labels: tuple[int, ...]
    threshold: float
    questions: tuple[Question, ...]
    models: tuple[Choice, ...]
    assessments: tuple[Assessment, ...] = ()
    flags: tuple[Flag, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return nested dicts and tuples of plain values, for JSON."""
        return asdict(self)


@kept.reading_again
def explain(
    image: int | str,
    *predictions: object,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Return the labels of one image with the votes behind them, and each model's first choice.

    `image` is a number from 1 to 50,000, or a file name in any form. The models are those of
    `predictions`. The default is all stored models. Questions are ordered by score, the highest
    first. `assessments` and `flags` are those of the stored label sets. Raises UsageError if
    `image` is invalid.
    """
    image_id = _image_id(image)
    opened = open_store(store, offline, progress)
    asked = [*_VIEWS, *(_OF_VOTES if _has_votes(opened) else ())]
    session = Session(opened, views=asked, tables=None)
    session.add(predictions)
    con = session.prepare(stored=not predictions).con
    names = _names(con, opened)
    ((_, file_name, original, is_rated),) = con.execute(
        "select image_id, file_name, original_label, is_rated from images where image_id = $1",
        [image_id],
    ).fetchall()
    labels = con.execute(
        "select label from labels where image_id = $1 order by position", [image_id]
    ).fetchall()
    return Explanation(
        image_id=image_id,
        file_name=file_name,
        is_rated=is_rated,
        original_label=original,
        original_name=names.get(original),
        labels=tuple(label for (label,) in labels),
        threshold=session.row(catalog.RULES)["threshold"],
        questions=tuple(_questions(con, opened, image_id, names)),
        assessments=tuple(_assessments(con, image_id, names)),
        flags=tuple(_flags(con, image_id)),
        models=tuple(
            Choice(
                model=model,
                label=label,
                name=names.get(label),
                confidence=confidence,
                is_real_correct=real,
                is_original_correct=is_original,
            )
            for model, label, confidence, real, is_original in con.execute(
                """
                select model, label, confidence, is_real_correct, is_original_correct
                from scored_predictions
                where image_id = $1
                order by model
                """,
                [image_id],
            ).fetchall()
        ),
    )


def vote_table(explanation: Explanation) -> duckdb.DuckDBPyRelation:
    """Return a row for each vote on the image, and a row for each question without votes."""
    import duckdb
    import pyarrow as pa

    rows = [
        {
            "image_id": explanation.image_id,
            "label": question.label,
            "name": question.name,
            "is_real": question.is_real,
            "rater_id": vote.rater_id if vote else None,
            "answer": vote.answer if vote else None,
            "log_likelihood_ratio": vote.log_likelihood_ratio if vote else None,
            "is_average": vote.is_average if vote else None,
            "prior_evidence": question.prior_evidence,
            "raters_evidence": question.raters_evidence,
            "original_evidence": question.original_evidence,
            "score": question.recomputed_score,
            "published_score": question.published_score,
        }
        for question in explanation.questions
        for vote in question.votes or (None,)
    ]
    kinds = {
        "image_id": pa.int32(),
        "label": pa.int16(),
        "name": pa.string(),
        "is_real": pa.bool_(),
        "rater_id": pa.int16(),
        "answer": pa.string(),
        "log_likelihood_ratio": pa.float64(),
        "is_average": pa.bool_(),
        "prior_evidence": pa.float64(),
        "raters_evidence": pa.float64(),
        "original_evidence": pa.float64(),
        "score": pa.float64(),
        "published_score": pa.float64(),
    }
    return duckdb.connect().from_arrow(pa.Table.from_pylist(rows, schema=pa.schema(kinds)))


def _has_votes(opened: Store) -> bool:
    return catalog.tables_of(*_OF_VOTES) <= {*opened.names}


def _image_id(image: int | str) -> int:
    """Return the number of an image; UsageError if `image` is invalid."""
    image_id = image_names.number(image)
    if image_id is None or not 1 <= image_id <= IMAGES:
        raise UsageError(
            f"`image` is {str(image)!r}, which is not a validation image",
            parameter="image",
            value=image,
            remedy=f"Use its number, 1 to {IMAGES:,}, or its file name, such as "
            "ILSVRC2012_val_00000293.JPEG",
        )
    return image_id


def _assessments(
    con: duckdb.DuckDBPyConnection, image_id: int, names: dict[int | None, str | None]
) -> Iterator[Assessment]:
    """Yield the verdicts of the stored label sets on the image."""
    votes: dict[tuple[str, int], dict[str, str]] = {}
    for label_set, label, rater, answer in con.execute(
        """
        select label_set, label, rater, answer
        from campaign_votes
        where image_id = $1
        order by label_set, label, rater
        """,
        [image_id],
    ).fetchall():
        votes.setdefault((label_set, label), {})[rater] = answer
    for label_set, label, verdict, score in con.execute(
        """
        select label_set, label, verdict, score
        from stored_assessments
        where image_id = $1
        order by label_set, verdict, label
        """,
        [image_id],
    ).fetchall():
        yield Assessment(
            label_set=label_set,
            label=label,
            name=names.get(label),
            verdict=verdict,
            score=score,
            votes=votes.get((label_set, label), {}),
        )


def _flags(con: duckdb.DuckDBPyConnection, image_id: int) -> Iterator[Flag]:
    """Yield the flags of the stored label sets on the image."""
    for label_set, flag, value in con.execute(
        """
        select label_set, flag, value
        from image_flags
        where image_id = $1
        order by label_set, flag
        """,
        [image_id],
    ).fetchall():
        yield Flag(label_set=label_set, flag=flag, value=value)


def _names(con: duckdb.DuckDBPyConnection, opened: Store) -> dict[int | None, str | None]:
    """Return the first name of each class."""
    if "classes" not in opened.tables:
        return {}
    found = con.execute("select label, name from classes").fetchall()
    return {label: name.split(",")[0] if name else None for label, name in found}


def _questions(
    con: duckdb.DuckDBPyConnection,
    opened: Store,
    image_id: int,
    names: dict[int | None, str | None],
) -> list[Question]:
    """Return the image's questions; none if the store has no votes."""
    if not _has_votes(opened):
        return []
    votes: dict[int, list[Vote]] = {}
    for label, *vote in con.execute(
        """
        select label, rater_id, answer, log_likelihood_ratio, is_average
        from vote_evidence
        where image_id = $1
        order by label, rater_id
        """,
        [image_id],
    ).fetchall():
        rater_id, answer, log_likelihood_ratio, is_average = vote
        votes.setdefault(label, []).append(
            Vote(
                rater_id=rater_id,
                answer=answer,
                log_likelihood_ratio=log_likelihood_ratio,
                is_average=is_average,
            )
        )
    columns = (
        *("label", "is_original", "is_real", "yes_experts", "prior_evidence", "raters_evidence"),
        *("original_evidence", "recomputed_score", "published_score"),
    )
    found = con.execute(
        """
        select
            q.label,
            q.is_original,
            q.is_real,
            g.yes_experts,
            s.prior_evidence,
            s.raters_evidence,
            s.original_evidence,
            s.recomputed_score,
            q.score
        from rated_questions as q
        inner join recomputed_scores as s on q.image_id = s.image_id and q.label = s.label
        left join golden_truths as g on q.image_id = g.image_id and q.label = g.label
        where q.image_id = $1
        order by s.recomputed_score desc nulls last, q.score desc nulls last, q.label
        """,
        [image_id],
    ).fetchall()
    questions = [dict(zip(columns, row, strict=True)) for row in found]
    return [
        Question(**said, name=names.get(said["label"]), votes=tuple(votes.get(said["label"], ())))
        for said in questions
    ]
