-- What each answer of each rater weighs: how much likelier it makes the label valid.
--
-- grain: one row per rater (no expert, none left out) and answer
-- key: rater_id, answer
-- reads: counted_votes, golden_truths, raters, pipeline_rules
-- rule: the rater's answers to the valid and to the invalid golden questions are counted, 1 is
--   added to each of the six counts, and each is divided by its three's sum; a rater without golden
--   answers gets the plain average of the others' probabilities
-- source: golden.npz and raters_golden.npz; the formula is the one that reproduces scores.npz
-- rater_id: the rater
-- answer: no, maybe or yes
-- valid_answers: how often the rater gave it to a valid golden question
-- invalid_answers: how often to an invalid one
-- probability_if_valid: P(answer | the label is valid)
-- probability_if_invalid: P(answer | it is not)
-- log_likelihood_ratio: ln probability_if_valid - ln probability_if_invalid, in nats
-- is_average: the rater answered no golden question: the probabilities are the others' average
with answers as (
    select 'no' as answer
    union all
    select 'maybe' as answer
    union all
    select 'yes' as answer
),

raters_answers as (
    select
        t.rater_id,
        a.answer
    from raters as t
    cross join answers as a
    cross join pipeline_rules as r
    where not t.is_expert and not list_contains(r.left_out_raters, t.rater_id)
),

counted as (
    select
        v.rater_id,
        v.answer,
        count(case when g.is_valid then 1 end) as valid_answers,
        count(case when not g.is_valid then 1 end) as invalid_answers
    from counted_votes as v
    inner join golden_truths as g on v.image_id = g.image_id and v.label = g.label
    where v.round = 'golden'
    group by v.rater_id, v.answer
),

totals as (
    select
        a.rater_id,
        a.answer,
        coalesce(c.valid_answers, 0) as valid_answers,
        coalesce(c.invalid_answers, 0) as invalid_answers,
        coalesce(sum(c.valid_answers) over same_rater, 0) as all_valid,
        coalesce(sum(c.invalid_answers) over same_rater, 0) as all_invalid
    from raters_answers as a
    left join counted as c on a.rater_id = c.rater_id and a.answer = c.answer
    window
        same_rater as (
            partition by a.rater_id rows between unbounded preceding and unbounded following
        )
),

own as (
    select
        t.rater_id,
        t.answer,
        t.valid_answers,
        t.invalid_answers,
        t.all_valid + t.all_invalid = 0 as is_average,
        case
            when t.all_valid + t.all_invalid > 0
                then (t.valid_answers + r.smoothing) / (t.all_valid + 3 * r.smoothing)
        end as probability_if_valid,
        case
            when t.all_valid + t.all_invalid > 0
                then (t.invalid_answers + r.smoothing) / (t.all_invalid + 3 * r.smoothing)
        end as probability_if_invalid
    from totals as t
    cross join pipeline_rules as r
),

filled as (
    select
        o.rater_id,
        o.answer,
        o.valid_answers,
        o.invalid_answers,
        o.is_average,
        coalesce(o.probability_if_valid, avg(o.probability_if_valid) over same_answer)
            as probability_if_valid,
        coalesce(o.probability_if_invalid, avg(o.probability_if_invalid) over same_answer)
            as probability_if_invalid
    from own as o
    window
        same_answer as (
            partition by o.answer rows between unbounded preceding and unbounded following
        )
)

select
    f.rater_id,
    f.answer,
    f.valid_answers,
    f.invalid_answers,
    f.probability_if_valid,
    f.probability_if_invalid,
    ln(f.probability_if_valid) - ln(f.probability_if_invalid) as log_likelihood_ratio,
    f.is_average
from filled as f
