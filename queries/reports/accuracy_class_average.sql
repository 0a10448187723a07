-- How often each model is right, as the mean of the classes' accuracies.
--
-- grain: one row per model
-- key: model
-- reads: scored_predictions
-- rule: as in accuracy, but each class counts the same: the accuracies of the images of a class,
--   which is their original label, are averaged over the classes with such images. Images without
--   an original label are left out of the means. Wilson's interval is one of a share, and does not
--   hold for a mean of shares: there is none
-- source: TensorFlow Datasets averages multilabel-v3 in this way (imagenet2012_multilabel)
-- model: the prediction set's name
-- real_accuracy: the mean of the classes' correct_images / scored_images; NULL where nothing was
--   scored
-- real_accuracy_low: NULL
-- real_accuracy_high: NULL
-- correct_images: scored images whose first choice is among their ReaL labels, of all classes
-- scored_images: predicted images that have ReaL labels, of all classes
-- original_accuracy: the mean of the classes' shares of predicted images whose first choice is the
--   original label; NULL where the store has no original labels
-- real_top5_accuracy: the mean of the classes' shares of scored images with a ReaL label among
--   ranks 1-5; NULL unless every scored image has all five
-- original_top5_accuracy: the same for the original label, over the predicted images
-- predicted_images: how many of the 50,000 images the model gives a prediction for
with counted as (
    select
        model,
        original_label,
        count(*) as predicted_images,
        count(is_real_correct) as scored_images,
        -- count_if is faster than count(case when ...). Of nothing but NULLs it is NULL in DuckDB
        -- and 0 in Spark.
        cast(coalesce(count_if(is_real_correct), 0) as bigint) as correct_images,
        coalesce(count_if(is_original_correct), 0) as original_correct_images,
        count(is_real_top5_correct) as top5_images,
        coalesce(count_if(is_real_top5_correct), 0) as top5_correct_images,
        count(is_original_top5_correct) as original_top5_images,
        coalesce(count_if(is_original_top5_correct), 0) as original_top5_correct_images
    from scored_predictions
    group by model, original_label
),

shares as (
    select
        model,
        predicted_images,
        scored_images,
        correct_images,
        top5_images,
        original_top5_images,
        original_label is not null as has_class,
        cast(correct_images as double) / nullif(scored_images, 0) as correct_share,
        cast(original_correct_images as double) / nullif(predicted_images, 0) as original_share,
        cast(top5_correct_images as double) / nullif(top5_images, 0) as top5_share,
        cast(original_top5_correct_images as double) / nullif(original_top5_images, 0)
            as original_top5_share
    from counted
)

select
    model,
    avg(case when has_class then correct_share end) as real_accuracy,
    cast(null as double) as real_accuracy_low,
    cast(null as double) as real_accuracy_high,
    cast(sum(correct_images) as bigint) as correct_images,
    cast(sum(scored_images) as bigint) as scored_images,
    avg(case when has_class then original_share end) as original_accuracy,
    case
        when sum(top5_images) = sum(scored_images)
            then avg(case when has_class then top5_share end)
    end as real_top5_accuracy,
    case
        when sum(original_top5_images) = sum(case when has_class then predicted_images else 0 end)
            then avg(case when has_class then original_top5_share end)
    end as original_top5_accuracy,
    cast(sum(predicted_images) as bigint) as predicted_images
from shares
group by model
