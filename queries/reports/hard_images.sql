-- How many models get each image right, and what those that get it wrong choose.
--
-- grain: one row per image that has labels and that a model predicts
-- key: image_id
-- reads: scored_predictions, images
-- rule: of the wrong first choices the most frequent is shown, of equally frequent ones the lowest
--   class id. The view hard lists the images that most of the models get wrong
-- source: Section 4 of the paper for what is wrong; the definition is ours
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels it has
-- models: how many models have a prediction for it
-- wrong_models: how many of them are wrong
-- wrong_share: wrong_models / models
-- wrong_label: the most frequent wrong first choice; NULL where no model is wrong
-- wrong_label_models: how many models choose it
with chosen as (
    select
        image_id,
        label,
        count(*) as models
    from scored_predictions
    where not is_real_correct
    group by image_id, label
),

placed as (
    select
        image_id,
        label,
        models,
        row_number() over (partition by image_id order by models desc, label asc) as place
    from chosen
),

judged as (
    select
        image_id,
        max(label_count) as label_count,
        count(*) as models,
        count(case when not is_real_correct then 1 end) as wrong_models
    from scored_predictions
    where is_real_correct is not null
    group by image_id
)

select
    j.image_id,
    i.file_name,
    i.original_label,
    j.label_count,
    j.models,
    j.wrong_models,
    cast(j.wrong_models as double) / nullif(j.models, 0) as wrong_share,
    p.label as wrong_label,
    p.models as wrong_label_models
from judged as j
inner join images as i on j.image_id = i.image_id
left join placed as p on j.image_id = p.image_id and p.place = 1
