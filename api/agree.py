"""Say how far the raters agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ..errors import QueryError, UsageError, did_you_mean
from ..queries import catalog
from . import aggregate, choices
from .rules import require_choice
from .session import Session

if TYPE_CHECKING:
    import duckdb

    from ..ingest.progress import Progress

# What `by` may name.
BY: tuple[str, ...] = get_args(choices.AgreementBy)
# A thousand do for an interval at 95 %; beyond this only the memory grows.
MOST_SAMPLES = 10_000


def agreement(
    *,
    labels: str | None = None,
    by: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    store: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return how far the raters agree on all questions: one row, with intervals.

    The raters are those of raters.npz; with `labels` those of a label set that was made from votes.
    `by` asks for a row for animals and one for objects ('animal'), or for one for each class
    ('class'), or for one for each rater ('rater'): those of the view `rater_quality`, without
    intervals, and with `labels` the rater's name and `label_agreement`, the share of the votes that
    the label set's labels confirm. Else the columns are those of the views `agreement` or
    `agreement_by_class`: the observed agreement, Krippendorff's nominal and ordinal alpha, Fleiss'
    kappa; each is followed by its `_low` and `_high`, the ends of the percentile interval at
    `level` from `bootstrap` samples of the images (stats/agreement.py). `bootstrap=0` leaves the
    intervals empty. The same `seed` gives the same intervals.

    Raises UsageError where an argument is none of these, QueryError where the store, or the label
    set, has no votes.

    >>> rows = realdb.agreement(by="animal")  # doctest: +SKIP
    >>> rows.project("is_animal, ordinal_alpha").fetchall()  # doctest: +SKIP
    [(True, 0.37148333039501624), (False, 0.575872926474686)]
    """
    if by is not None:
        require_choice("by", by, BY)
    if bootstrap != 0 and not 2 <= bootstrap <= MOST_SAMPLES:
        raise UsageError(
            f"`bootstrap` is {bootstrap}; it is a number of samples from 2 to {MOST_SAMPLES:,}, or "
            "0 for none",
            parameter="bootstrap",
            value=bootstrap,
        )
    if seed < 0:
        raise UsageError(f"`seed` is {seed}; it must not be negative", parameter="seed", value=seed)
    if not 0 < level < 1:
        raise UsageError(
            f"`level` is {level}; it must be above 0 and below 1", parameter="level", value=level
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
    # Animals come first, and classes by their ids.
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
            # What is not known for the votes themselves is not known for samples of them.
            unknown = found[column].is_null().to_numpy()
            for end, ends in (("low", low), ("high", high)):
                mask = unknown | np.isnan(ends[place])
                columns[f"{column}_{end}"] = pa.array(ends[place], mask=mask)
    return duckdb.connect().from_arrow(pa.table(columns))


def _of_campaign(
    labels: str,
    view: str,
    store: str | Path | None,
    offline: bool | None,
    progress: Progress | None,
) -> Session:
    """Return a session with a view of a campaign's votes; QueryError where there are none."""
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
            f"the store has no votes of a label set {labels!r}",
            value=labels,
            count=len(campaigns),
            remedy=did_you_mean(
                labels,
                campaigns,
                f"Label sets with votes are {', '.join(campaigns)}"
                if campaigns
                else "Add votes with: realdb labels add FILE",
            ),
        )
    aggregate.use_campaign(con, labels)
    made = ("votes", "raters", "labels")
    catalog.install(con, {*session.store.names, *made}, [view, "vote_coincidences"])
    return session


def _by_rater(session: Session, *, is_own: bool) -> duckdb.DuckDBPyRelation:
    """Return the rows of rater_quality; of a campaign with the names of its raters."""
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
