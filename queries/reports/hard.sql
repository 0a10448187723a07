-- The images that more than half of the models get wrong.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, scored_predictions
-- rule: a model is wrong if its first choice is none of the image's ReaL labels. Only models with a
--   prediction for the image count, and images without ReaL labels are left out. For the images
--   that all models get wrong, add: where wrong_models = models
-- source: Section 4 of the paper for what is wrong; the rest is our definition
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of its ReaL labels
-- first_label: its first ReaL label in the order of real.json; NULL if it has none
-- models: the number of models with a prediction for the image
-- wrong_models: the number of these models that are wrong
with judged as (
    select
        image_id,
        count(*) as models,
        count(case when not is_real_correct then 1 end) as wrong_models
    from scored_predictions
    where is_real_correct is not null
    group by image_id
)

select
    i.image_id,
    i.file_name,
    i.original_label,
    i.label_count,
    i.first_label,
    j.models,
    j.wrong_models
from image_labels as i
inner join judged as j on i.image_id = j.image_id
where j.wrong_models * 2 > j.models
