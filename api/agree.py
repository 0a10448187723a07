"""Measure the agreement of the raters."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, get_args

from ..errors import QueryError, UsageError, did_you_mean
from ..queries import catalog
from . import aggregate, choices
from .rules import require_choice
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# The values of `by`.
BY: tuple[str, ...] = get_args(choices.AgreementBy)
# A thousand samples are enough for an interval at 95 %. More than this would only use memory.
MOST_SAMPLES = 10_000


def agreement(
    *,
    labels: str | None = None,
    by: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    store: str | PathLike[str] | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the agreement of the raters on all questions: one row, with intervals.

    The default raters are those of raters.npz. `labels` is a label set that was made from votes,
    and uses the raters of these votes.

    `by="animal"` returns a row for animals and one for objects, `by="class"` a row for each class.
    The columns are those of the views `agreement` or `agreement_by_class`: the observed agreement,
    Krippendorff's nominal and ordinal alpha, Fleiss' kappa. The columns `_low` and `_high` follow
    each. They are the ends of the percentile interval at `level` from `bootstrap` samples of the
    images (stats/agreement.py). `bootstrap=0` leaves them empty. The same `seed` gives the same
    intervals.

    `by="rater"` returns a row for each rater, without intervals. The columns are those of the view
    `rater_quality`. With `labels`, the column `rater` has the rater's name instead of an id, and
    `label_agreement` is the share of the rater's votes that agree with the labels of the label set.

    Raises UsageError for an invalid argument, QueryError if the store or label set has no votes.

    >>> rows = realdb.agreement(by="animal")  # doctest: +SKIP
    >>> rows.project("is_animal, ordinal_alpha").fetchall()  # doctest: +SKIP
    [(True, 0.37148333039501624), (False, 0.575872926474686)]
    """
    if by is not None:
        require_choice("by", by, BY)
    if bootstrap != 0 and not 2 <= bootstrap <= MOST_SAMPLES:
        raise UsageError(
            f"`bootstrap` is {bootstrap}. It must be 0, for no intervals, or from 2 to "
            f"{MOST_SAMPLES:,} samples",
            parameter="bootstrap",
            value=bootstrap,
        )
    if seed < 0:
        raise UsageError(f"`seed` is {seed}. It must be 0 or more", parameter="seed", value=seed)
    if not 0 < level < 1:
        raise UsageError(
            f"`level` is {level}. It must be above 0 and below 1", parameter="level", value=level
        )
    import duckdb
    import numpy as np
    import pyarrow as pa

    from ..stats import agreement as sampling

    name = {"class": "agreement_by_class", "rater": "rater_quality"}.get(by or "", "agreement")
    if labels is None:
        session = Session(store, views=[name], offline=offline, progress=progress).prepare()
    else:
        session = _of_campaign(labels, name, store, offline, progress)
    if by == "rater":
        return _by_rater(session, is_own=labels is not None)
    rows = session.view(name)
    if by != "class":
        rows = rows.filter("is_animal is null" if by is None else "is_animal is not null")
    # Order: animals before objects, and classes by id.
    found = rows.order("label" if by == "class" else "is_animal desc").to_arrow_table()
    low, high = np.full((2, len(sampling.COEFFICIENTS), len(found)), np.nan)
    if bootstrap and len(found):
        votes = sampling.votes(session.con, by)
        low, high = sampling.intervals(votes, replicates=bootstrap, seed=seed, level=level)
    columns = {}
    for column in found.column_names:
        columns[column] = found[column]
        if column in sampling.COEFFICIENTS:
            place = sampling.COEFFICIENTS.index(column)
            # A coefficient that is NULL for the votes has no interval either.
            unknown = found[column].is_null().to_numpy()
            for end, ends in (("low", low), ("high", high)):
                mask = unknown | np.isnan(ends[place])
                columns[f"{column}_{end}"] = pa.array(ends[place], mask=mask)
    return duckdb.connect().from_arrow(pa.table(columns))


def _of_campaign(
    labels: str,
    view: str,
    store: str | PathLike[str] | None,
    offline: bool | None,
    progress: Progress | None,
) -> Session:
    """Return a session with a view of a campaign's votes; QueryError if there are none."""
    session = Session(
        store,
        tables=["campaign_votes", "stored_assessments"],
        offline=offline,
        progress=progress,
    )
    con = session.con
    found = con.execute("select distinct label_set from campaign_votes where not is_golden")
    campaigns = sorted(name for (name,) in found.fetchall())
    if labels not in campaigns:
        raise QueryError(
            f"the store has no label set {labels!r} with votes",
            value=labels,
            count=len(campaigns),
            remedy=did_you_mean(
                labels,
                campaigns,
                f"The label sets with votes are {', '.join(campaigns)}"
                if campaigns
                else "Add votes with: realdb labels add FILE",
            ),
        )
    aggregate.use_campaign(con, labels)
    made = ("votes", "raters", "labels")
    catalog.install(con, {*session.store.names, *made}, [view, "vote_coincidences"])
    return session


def _by_rater(session: Session, *, is_own: bool) -> duckdb.DuckDBPyRelation:
    """Return the rows of rater_quality. For a campaign, use the names of its raters."""
    if not is_own:
        return session.view("rater_quality").order("rater_id")
    return session.con.sql(
        """
        select
            r.rater,
            q.* exclude (rater_id) rename (real_agreement as label_agreement)
        from rater_quality as q
        inner join campaign_raters as r on q.rater_id = r.rater_id
        order by r.rater
        """
    )
