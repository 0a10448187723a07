-- The models in order of their ReaL accuracy, beside their order by the original labels.
--
-- grain: one row per model
-- key: model
-- reads: accuracy
-- rule: equal accuracies share a rank, and the ranks after them are left out: 1, 2, 2, 4
-- source: the view accuracy
-- model: the prediction set's name
-- real_rank: the place by real_accuracy, from 1; NULL where nothing was scored
-- real_accuracy: share of the scored images whose first choice is among their ReaL labels
-- real_accuracy_low: the lower end of its 95 % interval (Wilson)
-- real_accuracy_high: the upper end
-- scored_images: predicted images that have ReaL labels
-- original_accuracy: share of the predicted images whose first choice is the original label; NULL
--   where the store has no original labels
-- original_rank: the place by original_accuracy, from 1; NULL where that is
-- rank_change: original_rank - real_rank, the places won by judging with the ReaL labels
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
