-- The images that most of the models get wrong.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, scored_predictions
-- rule: of the models with a prediction for the image more than half have a first choice that is
--   none of its ReaL labels; an image without ReaL labels is not judged. All of them have, where
--   wrong_models = models
-- source: Section 4 of the paper for what is wrong; the definition is ours
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels it has
-- first_label: the first of them in real.json's order; NULL where it has none
-- models: how many models have a prediction for it
-- wrong_models: how many of them are wrong
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
