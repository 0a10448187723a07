-- How well each method ranks the golden questions: the area below its curve, in one number.
--
-- grain: one row per method that ranks (the original labels do not: see precision_recall)
-- key: method
-- reads: precision_recall
-- rule: the sum, over the thresholds from the highest down, of what recall gains times the
--   precision there, nothing interpolated; a random order reaches about valid_share
-- source: the usual definition, scikit-learn's average_precision_score among others
-- method: published, recomputed or majority
-- average_precision: between 0 and 1; NULL where no golden question is valid
-- questions: golden questions that the method scores
-- valid_share: share of them that are valid
-- thresholds: how many thresholds the curve has
with steps as (
    select
        c.method,
        c.kept_questions,
        c.precision,
        -- Without lag's default: written back by DuckDB 2.0, older ones do not take it.
        c.recall - coalesce(lag(c.recall) over by_kept, 0) as recall_gain
    from precision_recall as c
    where c.method <> 'original'
    window by_kept as (partition by c.method order by c.kept_questions)
)

select
    s.method,
    sum(s.precision * s.recall_gain) as average_precision,
    max(s.kept_questions) as questions,
    max_by(s.precision, s.kept_questions) as valid_share,
    count(*) as thresholds
from steps as s
group by s.method
