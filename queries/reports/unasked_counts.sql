-- The number of each model's errors that are predictions no rater was asked about.
--
-- grain: one row per model
-- key: model
-- reads: scored_predictions, unasked_predictions
-- rule: ReaL accuracy counts an unasked prediction (view unasked_predictions) as wrong, although
--   nobody judged it. This puts models with many of them at a disadvantage. asked_accuracy leaves
--   them out, which favours these models instead
-- source: our definition; Section 3 of the paper names the models that proposed the labels
-- model: the name of the model
-- scored_images: the number of predicted images that have ReaL labels
-- wrong_images: the number of scored images whose first choice is not among their ReaL labels
-- unasked_images: the number of scored images whose first choice is unasked
-- unasked_share_of_wrong: unasked_images / wrong_images; NULL if wrong_images is 0
-- asked_images: scored_images - unasked_images
-- asked_accuracy: the share of the asked_images whose first choice is among their ReaL labels; NULL
--   if asked_images is 0
-- predicted_images: the number of images with a prediction, of the 50,000
-- unasked_predicted_images: the number of predicted images, with or without ReaL labels, whose
--   first choice is unasked
with judged as (
    select
        s.model,
        s.is_real_correct,
        u.image_id is not null as is_unasked
    from scored_predictions as s
    left join unasked_predictions as u on s.model = u.model and s.image_id = u.image_id
),

counted as (
    select
        model,
        count(*) as predicted_images,
        count(is_real_correct) as scored_images,
        count(case when not is_real_correct then 1 end) as wrong_images,
        count(case when is_unasked then is_real_correct end) as unasked_images,
        count(case when not is_unasked then is_real_correct end) as asked_images,
        count(case when not is_unasked and is_real_correct then 1 end) as asked_correct_images,
        count(case when is_unasked then 1 end) as unasked_predicted_images
    from judged
    group by model
)

select
    model,
    scored_images,
    wrong_images,
    unasked_images,
    cast(unasked_images as double) / nullif(wrong_images, 0) as unasked_share_of_wrong,
    asked_images,
    cast(asked_correct_images as double) / nullif(asked_images, 0) as asked_accuracy,
    predicted_images,
    unasked_predicted_images
from counted
