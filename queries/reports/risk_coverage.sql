-- How often a model is wrong on the images that it is most confident about.
--
-- grain: one row per model and confidence that it has in a scored first choice
-- key: model, confidence
-- reads: scored_predictions
-- rule: a model that answers only where its confidence is at least that of the row covers a share
--   of the images (coverage) and is wrong on a share of those (risk), by the ReaL labels. Images of
--   equal confidence are covered together. Confidences of any kind are taken, logits too; images
--   without one are left out
-- source: R. El-Yaniv and Y. Wiener (2010), Journal of Machine Learning Research 11, 1605-1641
-- model: the prediction set's name
-- confidence: the lowest confidence that is covered
-- covered_images: scored images with at least this confidence
-- coverage: covered_images as a share of the scored images that have a confidence
-- wrong_images: covered images on which the model is wrong
-- risk: wrong_images / covered_images
with steps as (
    select
        model,
        confidence,
        count(*) as images,
        count(case when not is_real_correct then 1 end) as wrong_images
    from scored_predictions
    where is_real_correct is not null and confidence is not null
    group by model, confidence
),

covered as (
    select
        model,
        confidence,
        cast(
            sum(images) over (
                partition by model
                order by confidence desc
                rows between unbounded preceding and current row
            ) as bigint
        ) as covered_images,
        cast(
            sum(wrong_images) over (
                partition by model
                order by confidence desc
                rows between unbounded preceding and current row
            ) as bigint
        ) as wrong_images,
        cast(sum(images) over (partition by model) as bigint) as images
    from steps
)

select
    model,
    confidence,
    covered_images,
    cast(covered_images as double) / nullif(images, 0) as coverage,
    wrong_images,
    cast(wrong_images as double) / nullif(covered_images, 0) as risk
from covered
