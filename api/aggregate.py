"""Make labels from the votes of a campaign, and use a campaign as the votes of the store."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    import duckdb

_SHOWN = 3


def verdict_of(score: str, threshold: float | None) -> str:
    """Return the SQL expression of the verdict for a score.

    Without a threshold, a label is correct above 0.5, unclear at 0.5, and wrong below. With a
    threshold, it is correct if the score is at least the threshold, else wrong. Scores are rounded
    to 12 decimals: rounding errors do not matter.
    """
    if threshold is not None:
        return (
            f"case when round({score}, 12) >= round({float(threshold)!r}::double, 12) "
            "then 'correct' else 'wrong' end"
        )
    return (
        f"case when round({score}, 12) > 0.5 then 'correct' "
        f"when round({score}, 12) < 0.5 then 'wrong' else 'unclear' end"
    )


def require_golden(
    con: duckdb.DuckDBPyConnection, golden: Collection[str], where: str | Path
) -> None:
    """Raise if a golden rater is unknown, answers maybe or contradicts another, or if all are."""
    raters = [
        rater for (rater,) in con.execute("select distinct rater from campaign_votes").fetchall()
    ]
    unknown = sorted({*golden} - {*raters})
    if unknown:
        raise UsageError(
            f"{where} has no rater {unknown[0]!r}",
            parameter="golden",
            value=unknown[0],
            count=len(unknown),
            remedy=did_you_mean(unknown[0], raters, f"It has {len(raters):,} raters"),
        )
    if golden and {*golden} == {*raters}:
        raise UsageError(
            "all raters are golden, so there are no votes",
            parameter="golden",
            count=len(raters),
            remedy="Remove `golden`, or remove the voters from it",
        )
    unclear = con.execute(
        """
        select image_id, label, list(distinct answer order by answer) as answers
        from campaign_votes
        where is_golden
        group by image_id, label
        having count(distinct answer) > 1 or max(case when answer = 'maybe' then 1 end) = 1
        order by image_id, label
        """
    ).fetchall()
    if unclear:
        named = ", ".join(
            f"label {label} of image {image_id} ({' and '.join(answers)})"
            for image_id, label, answers in unclear[:_SHOWN]
        )
        raise DataError(
            f"{where}: {len(unclear):,} golden questions do not have one answer, yes or no: {named}"
            f"{', …' if len(unclear) > _SHOWN else ''}",
            file=where,
            column="answer",
            value=unclear[0][1],
            count=len(unclear),
            remedy="Correct these answers, or remove them",
        )


def assess(con: duckdb.DuckDBPyConnection, name: str, method: str, threshold: float | None) -> None:
    """Fill stored_assessments from the campaign_votes of `con`, which are all of `name`.

    The golden answer decides a golden question, with the score 1 or 0.
    """
    import numpy as np

    from ..stats import aggregation

    own = con.cursor()
    own.execute("create temp table votes as " + _VOTES)
    votes = aggregation.read_round(own, "main")
    golden = own.execute(_TRUTHS).fetchnumpy()
    known = {
        key: place
        for place, key in enumerate(zip(votes.image_id.tolist(), votes.label.tolist(), strict=True))
    }
    truth = np.full(votes.votes.items, -1, np.intp)
    for image_id, label, is_valid in zip(*(golden[each].tolist() for each in golden), strict=True):
        if (image_id, label) in known:
            truth[known[image_id, label]] = int(is_valid)
    if method == "majority":
        posterior = aggregation.majority_vote(votes.votes)
    elif method == "dawid-skene":
        posterior = aggregation.dawid_skene(votes.votes, truth=truth).posterior
    else:
        posterior = aggregation.one_coin(votes.votes.binary(maybe="drop"), truth=truth).posterior
    rows = {
        "image_id": votes.image_id.astype(np.int32),
        "label": votes.label.astype(np.int16),
        "score": np.clip(posterior[:, 1], 0.0, 1.0),
    }
    own.register("aggregated", rows)
    own.execute("create temp table truths as " + _TRUTHS)
    own.execute(
        f"""
        insert into stored_assessments
        select $name, image_id, label, {verdict_of("score", threshold)}, score
        from (
            select
                coalesce(a.image_id, t.image_id) as image_id,
                coalesce(a.label, t.label) as label,
                coalesce(cast(cast(t.is_valid as integer) as double), a.score) as score
            from aggregated as a
            full join truths as t on a.image_id = t.image_id and a.label = t.label
        )
        """,  # noqa: S608, ours
        {"name": name},
    )
    own.close()


def use_campaign(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Create the tables votes, raters and labels from a campaign, on `con` without these tables.

    The table campaign_raters maps rater_id to rater. A golden answer counts as the answer of all
    experts. A rater's votes on golden questions are also votes of the golden round. The labels are
    the correct labels of the label set.
    """
    con.execute(
        """
        create temp table own_votes as
        select * exclude (label_set) from campaign_votes where label_set = $1
        """,
        [name],
    )
    con.execute(
        """
        create temp table campaign_raters as
        select
            cast(row_number() over (order by rater) - 1 as integer) as rater_id,
            rater
        from (select distinct rater from own_votes where not is_golden)
        """
    )
    con.execute(
        """
        create table votes as
        with of_raters as (
            select v.image_id, v.label, r.rater_id, v.answer
            from own_votes as v
            inner join campaign_raters as r on v.rater = r.rater
            where not v.is_golden
        ),

        golden as (
            select image_id, label, max(answer) as answer
            from own_votes
            where is_golden
            group by image_id, label
        )

        select 'main' as round, image_id, label, rater_id, answer
        from of_raters
        union all
        select 'golden' as round, o.image_id, o.label, o.rater_id, o.answer
        from of_raters as o
        semi join golden as g on o.image_id = g.image_id and o.label = g.label
        union all
        select
            'expert' as round,
            g.image_id,
            g.label,
            cast((select count(*) from campaign_raters) + e.expert as integer) as rater_id,
            g.answer
        from golden as g
        cross join (select unnest(range(5)) as expert) as e
        """
    )
    con.execute("create table raters as select rater_id, false as is_expert from campaign_raters")
    con.execute(
        """
        create table labels as
        select distinct
            image_id,
            label,
            cast(0 as smallint) as position
        from stored_assessments
        where label_set = $1 and verdict = 'correct'
        """,
        [name],
    )


_VOTES = """
    select
        'main' as round,
        image_id,
        label,
        cast(dense_rank() over (order by rater) - 1 as integer) as rater_id,
        answer
    from campaign_votes
    where not is_golden
"""
_TRUTHS = """
    select
        image_id,
        label,
        max(answer) = 'yes' as is_valid
    from campaign_votes
    where is_golden
    group by image_id, label
    order by image_id, label
"""
