-- Which ranks each model may have, as far as the tests distinguish the models.
--
-- grain: one row per label set and model that is compared with another
-- key: label_set, model
-- reads: paired_tests
-- rule: a model is better than another where its accuracy on their common images is higher and
--   holm_p is below 0.05. The best rank is 1 + the number of better models, the worst the number of
--   models that are not worse. With a chance of at least 95 % the intervals of all models together
--   hold the true ranks; among equal models every rank of the tie is true
-- source: ours, from S. Holm (1979), Scandinavian Journal of Statistics 6, 65-70
-- label_set: real for the ReaL labels, original for the ILSVRC 2012 labels
-- model: the prediction set's name
-- compared_models: how many models have a rank, this one included
-- better_models: how many of them are better
-- worse_models: how many are worse
-- rank_low: the best rank that the model may have
-- rank_high: the worst
with sides as (
    select
        label_set,
        model_a as model,
        case when holm_p < 5e-2 then difference end as difference
    from paired_tests
    union all
    select
        label_set,
        model_b as model,
        case when holm_p < 5e-2 then -difference end as difference
    from paired_tests
),

counted as (
    select
        label_set,
        model,
        count(case when difference < 0 then 1 end) as better_models,
        count(case when difference > 0 then 1 end) as worse_models
    from sides
    group by label_set, model
)

select
    label_set,
    model,
    count(*) over (partition by label_set) as compared_models,
    better_models,
    worse_models,
    better_models + 1 as rank_low,
    count(*) over (partition by label_set) - worse_models as rank_high
from counted
