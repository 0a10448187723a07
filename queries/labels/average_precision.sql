-- The average precision of each method on the golden questions: the area below its precision-recall
-- curve.
--
-- grain: one row per method that gives a ranking; the original labels give none (see
--   precision_recall)
-- key: method
-- reads: precision_recall
-- rule: sum of (increase of recall) x (precision) over the thresholds, from the highest to the
--   lowest, without interpolation. A random order reaches about valid_share
-- source: the usual definition, as in scikit-learn's average_precision_score
-- method: published, recomputed or majority (see precision_recall)
-- average_precision: between 0 and 1; NULL if no golden question is valid
-- questions: the number of golden questions with a score from the method
-- valid_share: the share of these questions that are valid
-- thresholds: the number of thresholds of the curve
with steps as (
    select
        c.method,
        c.kept_questions,
        c.precision,
        -- No default in lag: older DuckDB versions cannot read how DuckDB 2.0 stores it.
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
