-- The models in order of their accuracy by each label set.
--
-- grain: one row per label set and model, for sets that have a label for a predicted image
-- key: label_set, model
-- reads: choices_by_label_set, paired_tests_by_label_set
-- rule: the accuracy is the share of right choices (view choices_by_label_set). Equal accuracies
--   share a rank, and the ranks after them are left out: 1, 2, 2, 4. rank_low and rank_high are as
--   in rank_intervals, with Holm's correction over the pairs of the label set
-- source: the label sets (view assessments)
-- label_set: the label set
-- model: the prediction set's name
-- label_set_rank: the place by accuracy, from 1
-- accuracy: correct_images / scored_images
-- correct_images: scored images whose first choice is a label of the set
-- scored_images: predicted images that have a label in the set
-- real_rank: the model's place by the ReaL labels; NULL where nothing was scored by them
-- rank_low: the best rank that the tests allow; NULL where the model is compared with no other
-- rank_high: the worst
-- is_change_supported: whether real_rank is outside of them; NULL where the rank does not change
with counted as (
    select
        label_set,
        model,
        count(*) as scored_images,
        count(case when is_right then 1 end) as correct_images
    from choices_by_label_set
    group by label_set, model
),

shares as (
    select
        label_set,
        model,
        correct_images,
        scored_images,
        cast(correct_images as double) / nullif(scored_images, 0) as accuracy
    from counted
),

ranked as (
    select
        label_set,
        model,
        correct_images,
        scored_images,
        accuracy,
        rank() over (partition by label_set order by accuracy desc) as label_set_rank
    from shares
),

sides as (
    select
        label_set,
        model_a as model,
        case when holm_p < 5e-2 then difference end as difference
    from paired_tests_by_label_set
    union all
    select
        label_set,
        model_b as model,
        case when holm_p < 5e-2 then -difference end as difference
    from paired_tests_by_label_set
),

tested as (
    select
        label_set,
        model,
        count(case when difference < 0 then 1 end) + 1 as rank_low,
        count(*) over (partition by label_set) - count(case when difference > 0 then 1 end)
            as rank_high
    from sides
    group by label_set, model
)

select
    r.label_set,
    r.model,
    r.label_set_rank,
    r.accuracy,
    r.correct_images,
    r.scored_images,
    o.label_set_rank as real_rank,
    t.rank_low,
    t.rank_high,
    case
        when r.label_set_rank <> o.label_set_rank
            then o.label_set_rank not between t.rank_low and t.rank_high
    end as is_change_supported
from ranked as r
left join ranked as o on r.model = o.model and o.label_set = 'real'
left join tested as t on r.label_set = t.label_set and r.model = t.model
