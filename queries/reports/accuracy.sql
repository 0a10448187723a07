-- The accuracy of each model with the ReaL labels and with the original labels.
--
-- grain: one row per model
-- key: model
-- reads: scored_predictions
-- rule: ReaL accuracy is the share of images whose first choice is among the ReaL labels, of the
--   predicted images that have ReaL labels. Its interval is Wilson's,
--   (2np + z^2 -+ z sqrt(z^2 + 4np(1-p))) / (2n + 2z^2) with z = 1.959963984540054
-- source: Section 4 of the paper for ReaL accuracy; E. B. Wilson (1927), JASA 22, 209-212
-- model: the name of the model
-- real_accuracy: correct_images / scored_images; NULL if scored_images is 0
-- real_accuracy_low: the lower end of its 95 % interval
-- real_accuracy_high: the upper end of its 95 % interval
-- correct_images: the number of scored images whose first choice is among their ReaL labels
-- scored_images: the number of predicted images that have ReaL labels (46,837 of all 50,000 have)
-- original_accuracy: the share of the predicted images whose first choice is the original label;
--   NULL if the store has no original labels
-- real_top5_accuracy: the share of the scored images with a ReaL label among ranks 1-5; NULL unless
--   every scored image has all five ranks
-- original_top5_accuracy: the share of the predicted images with the original label among ranks
--   1-5; NULL unless every predicted image has all five ranks, or if the store has no original
--   labels
-- predicted_images: the number of images with a prediction, of the 50,000
with counted as (
    select
        model,
        count(*) as predicted_images,
        count(is_real_correct) as scored_images,
        -- count_if is faster than count(case when ...). If all values are NULL, it is NULL in
        -- DuckDB and 0 in Spark.
        cast(coalesce(count_if(is_real_correct), 0) as bigint) as correct_images,
        count(is_original_correct) as original_images,
        coalesce(count_if(is_original_correct), 0) as original_correct_images,
        count(is_real_top5_correct) as top5_images,
        coalesce(count_if(is_real_top5_correct), 0) as top5_correct_images,
        count(is_original_top5_correct) as original_top5_images,
        coalesce(count_if(is_original_top5_correct), 0) as original_top5_correct_images
    from scored_predictions
    group by model
),

shares as (
    select
        model,
        predicted_images,
        scored_images,
        correct_images,
        cast(scored_images as double) as n,
        1.959963984540054e0 as z,
        cast(correct_images as double) / nullif(scored_images, 0) as p,
        cast(original_correct_images as double) / nullif(original_images, 0) as original_accuracy,
        case
            when top5_images = scored_images
                then cast(top5_correct_images as double) / nullif(top5_images, 0)
        end as real_top5_accuracy,
        case
            when original_top5_images = original_images
                then cast(original_top5_correct_images as double) / nullif(original_top5_images, 0)
        end as original_top5_accuracy
    from counted
)

select
    model,
    p as real_accuracy,
    (2e0 * n * p + z * z - z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as real_accuracy_low,
    (2e0 * n * p + z * z + z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as real_accuracy_high,
    correct_images,
    scored_images,
    original_accuracy,
    real_top5_accuracy,
    original_top5_accuracy,
    predicted_images
from shares
