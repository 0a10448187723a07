-- Precision and recall of the published and the recomputed scores at the pipeline's threshold.
--
-- grain: one row per method with scores that the threshold applies to
-- key: method
-- reads: precision_recall, pipeline_rules
-- rule: the point of the curve in precision_recall with the lowest threshold that is at least that
--   of the pipeline (0.8 as published), both rounded to 12 decimals as in labels_at. Both
--   thresholds keep the same golden questions. A method without such a point has no row
-- source: Section 3 of the paper for the threshold; golden.npz and scores.npz
-- method: published or recomputed
-- threshold: the lowest score among the golden questions that are kept
-- kept_questions: the number of golden questions with at least this score
-- true_positives: the number of valid questions among the kept ones
-- precision: true_positives / kept_questions
-- recall: true_positives / (number of valid golden questions with a score); NULL if there are none
select
    c.method,
    min(c.threshold) as threshold,
    min_by(c.kept_questions, c.threshold) as kept_questions,
    min_by(c.true_positives, c.threshold) as true_positives,
    min_by(c.precision, c.threshold) as precision,
    min_by(c.recall, c.threshold) as recall
from precision_recall as c
cross join pipeline_rules as r
where
    c.method in ('published', 'recomputed')
    and round(c.threshold, 12) >= round(r.threshold, 12)
group by c.method
