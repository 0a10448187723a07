-- The images that only one of two models gets right, with both choices.
--
-- grain: one row per pair of models and image that only one of them gets right
-- key: model_a, model_b, image_id
-- reads: scored_predictions, images
-- rule: right is what the ReaL labels say; an image without them is not judged
-- source: ours
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels it has
-- right_model: which of the two models is right
-- label_a: the first choice of model_a
-- confidence_a: its confidence in it; NULL where the file has none
-- label_b: the first choice of model_b
-- confidence_b: its confidence in it; NULL where the file has none
select
    a.model as model_a,
    b.model as model_b,
    a.image_id,
    i.file_name,
    i.original_label,
    a.label_count,
    case when a.is_real_correct then a.model else b.model end as right_model,
    a.label as label_a,
    a.confidence as confidence_a,
    b.label as label_b,
    b.confidence as confidence_b
from scored_predictions as a
inner join scored_predictions as b on a.image_id = b.image_id and a.model < b.model
inner join images as i on a.image_id = i.image_id
where a.is_real_correct <> b.is_real_correct
