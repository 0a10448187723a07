-- Each model's first choice for an image, judged by each label set.
--
-- grain: one row per label set, model and image that the model predicts and that has a label
-- key: label_set, model, image_id
-- reads: predictions, assessments, image_flags
-- rule: as accuracy with `labels`: a first choice is right if the set calls it correct or unclear.
--   Images that the set calls problematic, or that have no such label, have no row
-- source: the label sets (view assessments)
-- label_set: the label set
-- model: the prediction set's name
-- image_id: the image
-- is_right: whether the first choice is a label of the set
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
)

select
    l.label_set,
    p.model,
    p.image_id,
    v.label is not null as is_right
from predictions as p
inner join labelled as l on p.image_id = l.image_id
left join valid as v
    on l.label_set = v.label_set and p.image_id = v.image_id and p.label = v.label
where p.rank = 1
