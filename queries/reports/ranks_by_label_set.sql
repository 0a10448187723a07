-- The models in order of their accuracy by each label set.
--
-- grain: one row per label set and model, for sets that have a label for a predicted image
-- key: label_set, model
-- reads: predictions, assessments, image_flags
-- rule: as accuracy with `labels`: a first choice is right if the set calls it correct or unclear,
--   among the predicted images that have such a label and that the set does not call problematic.
--   Equal accuracies share a rank, and the ranks after them are left out: 1, 2, 2, 4
-- source: the label sets (view assessments)
-- label_set: the label set
-- model: the prediction set's name
-- label_set_rank: the place by accuracy, from 1
-- accuracy: correct_images / scored_images
-- correct_images: scored images whose first choice is a label of the set
-- scored_images: predicted images that have a label in the set
-- real_rank: the model's place by the ReaL labels; NULL where nothing was scored by them
with problematic as (
    select
        f.label_set,
        f.image_id
    from image_flags as f
    where f.flag = 'problematic'
),

valid as (
    select distinct
        a.label_set,
        a.image_id,
        a.label
    from assessments as a
    left join problematic as p on a.label_set = p.label_set and a.image_id = p.image_id
    where a.verdict <> 'wrong' and p.image_id is null
),

labelled as (
    select distinct
        v.label_set,
        v.image_id
    from valid as v
),

counted as (
    select
        l.label_set,
        p.model,
        count(*) as scored_images,
        count(v.label) as correct_images
    from predictions as p
    inner join labelled as l on p.image_id = l.image_id
    left join valid as v
        on l.label_set = v.label_set and p.image_id = v.image_id and p.label = v.label
    where p.rank = 1
    group by l.label_set, p.model
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
)

select
    r.label_set,
    r.model,
    r.label_set_rank,
    r.accuracy,
    r.correct_images,
    r.scored_images,
    o.label_set_rank as real_rank
from ranked as r
left join ranked as o on r.model = o.model and o.label_set = 'real'
