-- The weight of each answer of each rater: how much it raises the log-odds that a label is valid.
--
-- grain: one row per rater and answer, without experts and without the raters left out in
--   pipeline_rules
-- key: rater_id, answer
-- reads: counted_votes, golden_truths, raters, pipeline_rules
-- rule: count the rater's answers no, maybe and yes to the valid and to the invalid golden
--   questions; add 1 to each of the six counts; divide by the sum over the three answers. A rater
--   without golden answers gets the mean of the other raters' probabilities
-- source: golden.npz and raters_golden.npz; this formula reproduces scores.npz
-- rater_id: the rater
-- answer: no, maybe or yes
-- valid_answers: how often the rater gave this answer to a valid golden question
-- invalid_answers: how often the rater gave this answer to an invalid golden question
-- probability_if_valid: P(answer | the label is valid)
-- probability_if_invalid: P(answer | the label is invalid)
-- log_likelihood_ratio: ln probability_if_valid - ln probability_if_invalid, in nats
-- is_average: the rater answered no golden question, and the probabilities are the mean of the
--   others
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
