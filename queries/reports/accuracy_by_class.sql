-- The accuracy of each model in each class.
--
-- grain: one row per model and class with a predicted image
-- key: model, label
-- reads: scored_predictions, classes
-- rule: as in accuracy, within the images whose original label is the class: the share of images
--   whose first choice is among the ReaL labels, of the predicted images that have ReaL labels. Its
--   interval is Wilson's,
--   (2np + z^2 -+ z sqrt(z^2 + 4np(1-p))) / (2n + 2z^2) with z = 1.959963984540054
-- source: Section 4 of the paper for ReaL accuracy; E. B. Wilson (1927), JASA 22, 209-212
-- model: the name of the model
-- label: the class id: the original label of the images in this row
-- wordnet_id: the WordNet id of the class
-- name: the names of the class
-- real_accuracy: correct_images / scored_images; NULL if scored_images is 0
-- real_accuracy_low: the lower end of its 95 % interval
-- real_accuracy_high: the upper end of its 95 % interval
-- correct_images: the number of scored images whose first choice is among their ReaL labels
-- scored_images: the number of predicted images of the class that have ReaL labels
-- original_accuracy: the share of the predicted images whose first choice is the original label
-- predicted_images: the number of images of the class with a prediction
with counted as (
    select
        s.model,
        c.label,
        c.wordnet_id,
        c.name,
        count(*) as predicted_images,
        count(s.is_real_correct) as scored_images,
        -- count_if is faster than count(case when ...). If all values are NULL, it is NULL in
        -- DuckDB and 0 in Spark.
        cast(coalesce(count_if(s.is_real_correct), 0) as bigint) as correct_images,
        count(s.is_original_correct) as original_images,
        coalesce(count_if(s.is_original_correct), 0) as original_correct_images
    from scored_predictions as s
    inner join classes as c on s.original_label = c.label
    group by s.model, c.label, c.wordnet_id, c.name
),

shares as (
    select
        model,
        label,
        wordnet_id,
        name,
        predicted_images,
        scored_images,
        correct_images,
        cast(scored_images as double) as n,
        1.959963984540054e0 as z,
        cast(correct_images as double) / nullif(scored_images, 0) as p,
        cast(original_correct_images as double) / nullif(original_images, 0) as original_accuracy
    from counted
)

select
    model,
    label,
    wordnet_id,
    name,
    p as real_accuracy,
    (2e0 * n * p + z * z - z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as real_accuracy_low,
    (2e0 * n * p + z * z + z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as real_accuracy_high,
    correct_images,
    scored_images,
    original_accuracy,
    predicted_images
from shares
