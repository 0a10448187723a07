-- The models ranked by ReaL accuracy, with their ranks by the original labels.
--
-- grain: one row per model
-- key: model
-- reads: accuracy
-- rule: equal accuracies share a rank, and the next ranks are left out: 1, 2, 2, 4
-- source: the view accuracy
-- model: the name of the model
-- real_rank: the rank by real_accuracy, from 1; NULL if scored_images is 0
-- real_accuracy: the share of the scored images whose first choice is among their ReaL labels
-- real_accuracy_low: the lower end of its 95 % interval (Wilson)
-- real_accuracy_high: the upper end of its 95 % interval
-- scored_images: the number of predicted images that have ReaL labels
-- original_accuracy: the share of the predicted images whose first choice is the original label;
--   NULL if the store has no original labels
-- original_rank: the rank by original_accuracy, from 1; NULL if original_accuracy is NULL
-- rank_change: original_rank - real_rank: positive if the model has a better rank with the ReaL
--   labels
with ranked as (
    select
        model,
        real_accuracy,
        real_accuracy_low,
        real_accuracy_high,
        scored_images,
        original_accuracy,
        case
            when real_accuracy is not null
                then rank() over (order by real_accuracy desc nulls last)
        end as real_rank,
        case
            when original_accuracy is not null
                then rank() over (order by original_accuracy desc nulls last)
        end as original_rank
    from accuracy
)

select
    model,
    real_rank,
    real_accuracy,
    real_accuracy_low,
    real_accuracy_high,
    scored_images,
    original_accuracy,
    original_rank,
    original_rank - real_rank as rank_change
from ranked
