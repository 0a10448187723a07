-- ReaL's scores against other label sets: how often a label of a score is correct.
--
-- grain: one row per label set and range of scores
-- key: label_set, score_from
-- reads: scores, stored_assessments
-- rule: the questions that the label set calls correct or wrong; a question that it calls both
--   counts as each, as in the published multilabel-v3. A well calibrated score is the share of
--   correct labels: mean_score equals correct_share. The share's interval is Wilson's,
--   (2np + z^2 -+ z sqrt(z^2 + 4np(1-p))) / (2n + 2z^2) with z = 1.959963984540054; auc is the
--   area below the ROC curve over all ranges: the chance that a correct label has a higher score
--   than a wrong one, equal scores counting half
-- source: E. B. Wilson (1927), JASA 22, 209-212, for the interval
-- label_set: the label set
-- score_from: the lowest score of the range
-- score_to: the end of the range, which belongs to the next one; the last range includes 1
-- mean_score: the mean of ReaL's scores in the range
-- correct_share: correct_questions / questions
-- correct_share_low: the lower end of its 95 % interval
-- correct_share_high: the upper end
-- correct_questions: how many of them the label set calls correct
-- questions: how many (image, label) pairs of the range the label set calls correct or wrong
-- auc: of the label set; NULL where all its questions are correct, or all wrong
with judged as (
    select
        a.label_set,
        s.score,
        case when a.verdict = 'correct' then 1 else 0 end as is_correct,
        case
            when s.score < 5e-2 then 0e0
            when s.score < 2e-1 then 5e-2
            when s.score < 5e-1 then 2e-1
            when s.score < 8e-1 then 5e-1
            when s.score < 9e-1 then 8e-1
            when s.score < 9.7e-1 then 9e-1
            when s.score < 9.99e-1 then 9.7e-1
            else 9.99e-1
        end as score_from
    from scores as s
    inner join stored_assessments as a on s.image_id = a.image_id and s.label = a.label
    where a.verdict <> 'unclear'
),

by_score as (
    select
        j.label_set,
        j.score,
        sum(j.is_correct) as correct_questions,
        sum(1 - j.is_correct) as wrong_questions
    from judged as j
    group by j.label_set, j.score
),

-- Each correct question is compared with the wrong ones that have a lower score, or the same.
below as (
    select
        b.label_set,
        b.correct_questions,
        b.wrong_questions,
        sum(b.wrong_questions) over (
            partition by b.label_set
            order by b.score
            rows between unbounded preceding and current row
        ) - cast(b.wrong_questions as double) / 2 as wrong_below
    from by_score as b
),

areas as (
    select
        w.label_set,
        sum(w.correct_questions * w.wrong_below)
        / nullif(cast(sum(w.correct_questions) as double) * sum(w.wrong_questions), 0) as auc
    from below as w
    group by w.label_set
),

counted as (
    select
        j.label_set,
        j.score_from,
        avg(j.score) as mean_score,
        sum(j.is_correct) as correct_questions,
        count(*) as questions
    from judged as j
    group by j.label_set, j.score_from
),

shares as (
    select
        c.label_set,
        c.score_from,
        case
            when c.score_from < 5e-2 then 5e-2
            when c.score_from < 2e-1 then 2e-1
            when c.score_from < 5e-1 then 5e-1
            when c.score_from < 8e-1 then 8e-1
            when c.score_from < 9e-1 then 9e-1
            when c.score_from < 9.7e-1 then 9.7e-1
            when c.score_from < 9.99e-1 then 9.99e-1
            else 1e0
        end as score_to,
        c.mean_score,
        c.correct_questions,
        c.questions,
        cast(c.questions as double) as n,
        1.959963984540054e0 as z,
        cast(c.correct_questions as double) / nullif(c.questions, 0) as p,
        a.auc
    from counted as c
    inner join areas as a on c.label_set = a.label_set
)

select
    label_set,
    score_from,
    score_to,
    mean_score,
    p as correct_share,
    (2e0 * n * p + z * z - z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as correct_share_low,
    (2e0 * n * p + z * z + z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as correct_share_high,
    cast(correct_questions as bigint) as correct_questions,
    questions,
    auc
from shares
