-- The change of each model's ReaL accuracy and rank if the labels are the recomputed ones.
--
-- grain: one row per model
-- key: model
-- reads: scored_predictions, recomputed_labels
-- rule: common_change compares the two label sets on the images that have labels in both. Each of
--   the two accuracies is over the images of its own label set. Do not subtract them: other rules
--   leave other images without labels. Equal accuracies share a rank. With the published rules
--   nothing changes
-- source: Section 4 of the paper (ReaL accuracy)
-- model: the name of the model
-- common_images: the number of predicted images with both ReaL labels and recomputed labels
-- common_change: the share of the common_images whose first choice is among the recomputed labels,
--   minus the share whose first choice is among the ReaL labels; NULL if common_images is 0
-- scored_images: the number of predicted images that have ReaL labels
-- accuracy_on_scored_images: the share of the scored_images whose first choice is among their ReaL
--   labels: real_accuracy in the view accuracy
-- recomputed_images: the number of predicted images that have recomputed labels
-- accuracy_on_recomputed_images: the share of the recomputed_images whose first choice is among
--   their recomputed labels
-- real_rank: the rank by accuracy_on_scored_images, from 1; NULL if scored_images is 0
-- recomputed_rank: the rank by accuracy_on_recomputed_images, from 1; NULL if recomputed_images is
--   0
-- rank_change: real_rank - recomputed_rank: positive if the model has a better rank with the
--   recomputed labels
with labelled as (
    select distinct image_id
    from recomputed_labels
),

judged as (
    select
        s.model,
        s.is_real_correct,
        case when i.image_id is not null then l.label is not null end as is_recomputed_correct
    from scored_predictions as s
    left join labelled as i on s.image_id = i.image_id
    left join recomputed_labels as l on s.image_id = l.image_id and s.label = l.label
),

counted as (
    select
        model,
        count(is_real_correct) as scored_images,
        count(case when is_real_correct then 1 end) as scored_hits,
        count(is_recomputed_correct) as recomputed_images,
        count(case when is_recomputed_correct then 1 end) as recomputed_hits,
        count(case when is_recomputed_correct is not null then is_real_correct end)
            as common_images,
        count(case when is_recomputed_correct and is_real_correct is not null then 1 end)
        - count(case when is_real_correct and is_recomputed_correct is not null then 1 end)
            as common_gain
    from judged
    group by model
),

shares as (
    select
        model,
        common_images,
        cast(common_gain as double) / nullif(common_images, 0) as common_change,
        scored_images,
        cast(scored_hits as double) / nullif(scored_images, 0) as accuracy_on_scored_images,
        recomputed_images,
        cast(recomputed_hits as double) / nullif(recomputed_images, 0)
            as accuracy_on_recomputed_images
    from counted
),

ranked as (
    select
        model,
        common_images,
        common_change,
        scored_images,
        accuracy_on_scored_images,
        recomputed_images,
        accuracy_on_recomputed_images,
        case
            when accuracy_on_scored_images is not null
                then rank() over (order by accuracy_on_scored_images desc nulls last)
        end as real_rank,
        case
            when accuracy_on_recomputed_images is not null
                then rank() over (order by accuracy_on_recomputed_images desc nulls last)
        end as recomputed_rank
    from shares
)

select
    model,
    common_images,
    common_change,
    scored_images,
    accuracy_on_scored_images,
    recomputed_images,
    accuracy_on_recomputed_images,
    real_rank,
    recomputed_rank,
    real_rank - recomputed_rank as rank_change
from ranked
