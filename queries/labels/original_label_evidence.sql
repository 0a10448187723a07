-- What the original ImageNet label weighs, counted as one more rater.
--
-- grain: one row per answer: yes where the label asked about is the original one, else no
-- key: answer
-- reads: golden_truths, pipeline_rules
-- rule: as for a rater, on all golden questions, but valid if at least 2 experts say yes; 1 is
--   added to each of three answers, although the original label never says 'maybe'
-- source: golden.npz and the original labels; the formula is the one that reproduces scores.npz,
--   where it is +2.766192 nats for yes and -0.552758 for no
-- answer: yes or no
-- valid_answers: valid golden questions with that answer
-- invalid_answers: invalid ones
-- probability_if_valid: P(answer | the label is valid)
-- probability_if_invalid: P(answer | it is not)
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
