-- The weight of the original ImageNet label, which the pipeline counts as one more rater.
--
-- grain: one row per answer: yes if the question is about the original label, no otherwise
-- key: answer
-- reads: golden_truths, pipeline_rules
-- rule: computed as in rater_evidence, with two differences: all golden questions count as
--   answered, and a question is valid if at least 2 experts answer yes. The smoothing counts three
--   answers, although the original label never answers maybe
-- source: golden.npz and the original labels; this formula reproduces scores.npz. With the
--   published rules the weight is +2.766192 nats for yes and -0.552758 for no
-- answer: yes or no
-- valid_answers: the number of valid golden questions with this answer
-- invalid_answers: the number of invalid golden questions with this answer
-- probability_if_valid: P(answer | the label is valid)
-- probability_if_invalid: P(answer | the label is invalid)
-- log_likelihood_ratio: ln probability_if_valid - ln probability_if_invalid, in nats
with answers as (
    select
        'yes' as answer,
        true as is_original
    union all
    select
        'no' as answer,
        false as is_original
),

counted as (
    select
        a.answer,
        count(case when g.is_valid_for_original and g.is_original = a.is_original then 1 end)
            as valid_answers,
        count(case when not g.is_valid_for_original and g.is_original = a.is_original then 1 end)
            as invalid_answers,
        count(case when g.is_valid_for_original and g.is_original is not null then 1 end)
            as all_valid,
        count(case when not g.is_valid_for_original and g.is_original is not null then 1 end)
            as all_invalid
    from answers as a
    cross join golden_truths as g
    group by a.answer
),

estimated as (
    select
        c.answer,
        c.valid_answers,
        c.invalid_answers,
        (c.valid_answers + r.smoothing) / (c.all_valid + 3 * r.smoothing) as probability_if_valid,
        (c.invalid_answers + r.smoothing) / (c.all_invalid + 3 * r.smoothing)
            as probability_if_invalid
    from counted as c
    cross join pipeline_rules as r
)

select
    e.answer,
    e.valid_answers,
    e.invalid_answers,
    e.probability_if_valid,
    e.probability_if_invalid,
    ln(e.probability_if_valid) - ln(e.probability_if_invalid) as log_likelihood_ratio
from estimated as e
