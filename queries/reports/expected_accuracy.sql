-- The ReaL accuracy of each model with uncertain labels: each label counts by its score.
--
-- grain: one row per model
-- key: model
-- reads: label_probabilities
-- rule: expected accuracy is the sum of the scores of the first choices, divided by the sum over
--   images of the probability that the image has a label. The standard error from labels is that of
--   labels drawn by their scores, the one from images that of a sample of images; the total adds
--   their squares. Caveat: against independent labels the scores are overconfident (of scores from
--   0.97 to 0.999 Shankar et al. confirm 76 %), so that the true error from labels is larger
-- source: ours; W. G. Cochran (1977), Sampling Techniques, chapter 6, for the ratio of two sums
-- model: the prediction set's name
-- expected_accuracy: expected_correct_images / expected_scored_images; NULL where nothing is scored
-- error_from_labels: the standard error from labels
-- error_from_images: the standard error from images
-- total_error: the standard error from both
-- expected_correct_images: the sum of the scores of the first choices
-- expected_scored_images: the sum of the probabilities that an image has a label
-- predicted_images: predicted images that have scores or were not rated
with shares as (
    select
        model,
        sum(probability) / nullif(sum(any_probability), 0) as ratio
    from label_probabilities
    group by model
),

summed as (
    select
        p.model,
        max(s.ratio) as ratio,
        sum(p.probability) as correct,
        sum(p.any_probability) as scored,
        count(*) as images,
        -- Var(X - ratio * W), where the choice is right (X) only if the image has a label (W)
        sum(
            p.probability * (1e0 - p.probability)
            + s.ratio * s.ratio * p.any_probability * (1e0 - p.any_probability)
            - 2e0 * s.ratio * p.probability * (1e0 - p.any_probability)
        ) as label_variance,
        sum(
            (p.probability - s.ratio * p.any_probability)
            * (p.probability - s.ratio * p.any_probability)
        ) as image_variance
    from label_probabilities as p
    inner join shares as s on p.model = s.model
    group by p.model
)

select
    model,
    ratio as expected_accuracy,
    sqrt(greatest(label_variance, 0e0)) / nullif(scored, 0) as error_from_labels,
    sqrt(image_variance) / nullif(scored, 0) as error_from_images,
    sqrt(greatest(label_variance, 0e0) + image_variance) / nullif(scored, 0) as total_error,
    correct as expected_correct_images,
    scored as expected_scored_images,
    images as predicted_images
from summed
