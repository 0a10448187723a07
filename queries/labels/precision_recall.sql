-- What each threshold keeps and misses, against the experts: precision and recall on golden.
--
-- grain: one row per method and threshold: each distinct score that a golden question has
-- key: method, threshold
-- reads: golden_truths, scores, recomputed_scores, counted_votes
-- rule: a question is kept if its score is at least the threshold, both rounded to 12 decimals as
--   in labels_at, and truly kept if golden_truths has it as valid; scores that are equal when
--   rounded are one threshold, the lowest of them (the same votes summed up in another order differ
--   in the last digit); the recomputed and the published scores weigh the raters by these very
--   golden questions, so they look better here than on others; a golden question without a score is
--   left out of the method's curve
-- source: golden.npz against scores.npz, raters.npz and the original labels; operating_points has
--   the point at the paper's threshold
-- method: published (scores.npz), recomputed (recomputed_scores), majority (share of yes among the
--   votes of the main round, where a maybe is half a yes) or original (the original label, 1, and
--   any other, 0: one point, the original labels themselves)
-- threshold: the lowest score that is kept
-- kept_questions: golden questions with at least that score
-- true_positives: valid ones among them
-- precision: true_positives / kept_questions
-- recall: true_positives / the valid golden questions with a score; NULL where none is
with votes_shares as (
    select
        v.image_id,
        v.label,
        avg(case v.answer when 'yes' then 1e0 when 'maybe' then 5e-1 else 0e0 end) as yes_share
    from counted_votes as v
    where v.round = 'main'
    group by v.image_id, v.label
),

scored as (
    select
        'published' as method,
        g.is_valid,
        s.score
    from golden_truths as g
    inner join scores as s on g.image_id = s.image_id and g.label = s.label
    union all
    select
        'recomputed' as method,
        g.is_valid,
        s.recomputed_score as score
    from golden_truths as g
    inner join recomputed_scores as s on g.image_id = s.image_id and g.label = s.label
    where s.recomputed_score is not null
    union all
    select
        'majority' as method,
        g.is_valid,
        s.yes_share as score
    from golden_truths as g
    inner join votes_shares as s on g.image_id = s.image_id and g.label = s.label
    union all
    select
        'original' as method,
        g.is_valid,
        case when g.is_original then 1e0 else 0e0 end as score
    from golden_truths as g
    where g.is_original is not null
),

steps as (
    select
        s.method,
        min(s.score) as threshold,
        count(*) as questions,
        count(case when s.is_valid then 1 end) as valid_questions
    from scored as s
    group by s.method, round(s.score, 12)
),

curves as (
    select
        s.method,
        s.threshold,
        cast(sum(s.questions) over from_the_top as bigint) as kept_questions,
        cast(sum(s.valid_questions) over from_the_top as bigint) as true_positives,
        cast(sum(s.valid_questions) over whole as double) as valid_questions
    from steps as s
    window
        from_the_top as (
            partition by s.method
            order by s.threshold desc
            rows between unbounded preceding and current row
        ),
        whole as (
            partition by s.method
            rows between unbounded preceding and unbounded following
        )
)

select
    c.method,
    c.threshold,
    c.kept_questions,
    c.true_positives,
    cast(c.true_positives as double) / nullif(c.kept_questions, 0) as precision,
    c.true_positives / nullif(c.valid_questions, 0) as recall
from curves as c
-- The original labels are no ranking: at 0 they would keep everything.
where c.method <> 'original' or c.threshold = 1
