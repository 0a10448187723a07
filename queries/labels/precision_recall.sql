-- The precision and recall of each method on the golden questions, at each threshold.
--
-- grain: one row per method and threshold; the thresholds are the distinct scores of the golden
--   questions
-- key: method, threshold
-- reads: golden_truths, scores, recomputed_scores, counted_votes
-- rule: a question is kept if score >= threshold. A kept question is a true positive if it is valid
--   in golden_truths. Scores are compared after rounding to 12 decimals, as in labels_at; equal
--   scores are one threshold, the lowest of them. A golden question without a score is left out of
--   the method's curve. Both the published and the recomputed scores weigh the raters by the same
--   golden questions, so their figures here are too favourable
-- source: golden.npz, scores.npz, raters.npz and the original labels; the view operating_points has
--   the points at the paper's threshold
-- method: published (scores.npz), recomputed (recomputed_scores), majority (share of yes among the
--   votes of the main round; a maybe counts as half a yes) or original (1 for the original label
--   and 0 for others, with the one threshold 1)
-- threshold: the lowest score that is kept
-- kept_questions: the number of golden questions with at least this score
-- true_positives: the number of valid questions among the kept ones
-- precision: true_positives / kept_questions
-- recall: true_positives / (number of valid golden questions with a score); NULL if there are none
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
-- The original labels have only the threshold 1. At 0 they would keep every question.
where c.method <> 'original' or c.threshold = 1
