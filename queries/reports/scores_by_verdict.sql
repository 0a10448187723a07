-- The distribution of ReaL's scores among the labels that another label set calls correct, unclear
-- or wrong.
--
-- grain: one row per label set, verdict and range of scores that holds a question
-- key: label_set, verdict, score_from
-- reads: scores, stored_assessments
-- rule: the questions that the label set has a verdict on, in 20 ranges of scores of equal width; a
--   question that it calls both correct and wrong counts as each, as in the published multilabel-v3
-- source: scores.npz and the added label sets
-- label_set: the label set
-- verdict: correct, unclear or wrong
-- score_from: the lowest score of the range
-- score_to: the end of the range, which belongs to the next one; the last range includes 1
-- questions: the number of (image, label) pairs of the verdict with a score in the range
-- verdict_questions: the number of all pairs of the verdict that have a score
-- verdict_share: questions / verdict_questions
with judged as (
    select
        a.label_set,
        a.verdict,
        -- A score that equals the end of a range may be off by its last digit.
        least(floor(round(s.score, 12) * 2e1), 19e0) as step
    from scores as s
    inner join stored_assessments as a on s.image_id = a.image_id and s.label = a.label
),

counted as (
    select
        label_set,
        verdict,
        step,
        count(*) as questions
    from judged
    group by label_set, verdict, step
)

select
    label_set,
    verdict,
    step / 2e1 as score_from,
    (step + 1e0) / 2e1 as score_to,
    questions,
    cast(sum(questions) over (partition by label_set, verdict) as bigint) as verdict_questions,
    cast(questions as double)
    / nullif(sum(questions) over (partition by label_set, verdict), 0) as verdict_share
from counted
