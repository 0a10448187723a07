-- The change of each model's accuracy in each class from the original labels to the ReaL labels.
--
-- grain: one row per model and class with a scored image
-- key: model, label
-- reads: scored_predictions, classes
-- rule: both accuracies are on the same images: the predicted images whose original label is the
--   class and that have ReaL labels. accuracy_change is
--   (gained_images - lost_images) / scored_images
-- source: Section 4 of the paper for ReaL accuracy
-- model: the name of the model
-- label: the class id: the original label of the images in this row
-- wordnet_id: the WordNet id of the class
-- name: the names of the class
-- scored_images: the number of predicted images of the class that have ReaL labels
-- original_accuracy: the share of them whose first choice is the original label
-- real_accuracy: the share of them whose first choice is among the ReaL labels
-- accuracy_change: real_accuracy - original_accuracy
-- gained_images: the number of them that are right by the ReaL labels alone
-- lost_images: the number of them that are right by the original label alone
with counted as (
    select
        s.model,
        c.label,
        c.wordnet_id,
        c.name,
        count(*) as scored_images,
        count(case when s.is_original_correct then 1 end) as original_images,
        count(case when s.is_real_correct then 1 end) as real_images,
        count(case when s.is_real_correct and not s.is_original_correct then 1 end)
            as gained_images,
        count(case when s.is_original_correct and not s.is_real_correct then 1 end)
            as lost_images
    from scored_predictions as s
    inner join classes as c on s.original_label = c.label
    where s.is_real_correct is not null
    group by s.model, c.label, c.wordnet_id, c.name
)

select
    model,
    label,
    wordnet_id,
    name,
    scored_images,
    cast(original_images as double) / nullif(scored_images, 0) as original_accuracy,
    cast(real_images as double) / nullif(scored_images, 0) as real_accuracy,
    cast(gained_images - lost_images as double) / nullif(scored_images, 0) as accuracy_change,
    gained_images,
    lost_images
from counted
