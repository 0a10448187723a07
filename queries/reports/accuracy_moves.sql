-- How each model's ReaL accuracy, and its rank, move with the recomputed labels.
--
-- grain: one row per model
-- key: model
-- reads: accuracy, predictions, recomputed_labels
-- rule: real_accuracy judges by real.json, recomputed_accuracy by the labels that the votes give
--   under the rules in force, each on the images that have labels there; equal accuracies share a
--   rank; with the published rules nothing moves
-- source: Section 4 of the paper (ReaL accuracy)
-- model: the prediction set's name
-- real_accuracy: share of the scored images whose first choice is among their ReaL labels
-- recomputed_accuracy: the same share with the recomputed labels
-- accuracy_change: recomputed_accuracy - real_accuracy
-- scored_images: predicted images that have ReaL labels
-- recomputed_images: predicted images that have recomputed labels
-- real_rank: the place by real_accuracy, from 1; NULL where nothing was scored
-- recomputed_rank: the place by recomputed_accuracy, from 1; NULL where nothing was scored
-- rank_change: real_rank - recomputed_rank, the places won
with labelled as (
    select distinct image_id
    from recomputed_labels
),

recomputed as (
    select
        p.model,
        count(*) as recomputed_images,
        cast(count(l.label) as double) / nullif(count(*), 0) as recomputed_accuracy
    from predictions as p
    inner join labelled as i on p.image_id = i.image_id
    left join recomputed_labels as l on p.image_id = l.image_id and p.label = l.label
    where p.rank = 1
    group by p.model
),

ranked as (
    select
        a.model,
        a.real_accuracy,
        r.recomputed_accuracy,
        a.scored_images,
        coalesce(r.recomputed_images, 0) as recomputed_images,
        case
            when a.real_accuracy is not null
                then rank() over (order by a.real_accuracy desc nulls last)
        end as real_rank,
        case
            when r.recomputed_accuracy is not null
                then rank() over (order by r.recomputed_accuracy desc nulls last)
        end as recomputed_rank
    from accuracy as a
    left join recomputed as r on a.model = r.model
)

select
    model,
    real_accuracy,
    recomputed_accuracy,
    recomputed_accuracy - real_accuracy as accuracy_change,
    scored_images,
    recomputed_images,
    real_rank,
    recomputed_rank,
    real_rank - recomputed_rank as rank_change
from ranked
