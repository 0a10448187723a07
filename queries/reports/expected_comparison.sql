-- How two models differ with uncertain labels: each label counts by its score.
--
-- grain: one row per pair of models that predict an image in common
-- key: model_a, model_b
-- reads: label_probabilities
-- rule: as in expected_accuracy, with its caveat: the difference of the sums of the scores of both
--   first choices, divided by the sum of the probabilities that an image has a label, on the images
--   that both models predict. Where both choose the same label it cannot make them differ
-- source: ours; the view expected_accuracy
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- expected_difference: the expected accuracy of model_a less that of model_b
-- error_from_labels: its standard error from labels
-- error_from_images: its standard error from images
-- total_error: its standard error from both
-- images: images that both models predict, with scores or not rated
with pairs as (
    select
        a.model as model_a,
        b.model as model_b,
        a.any_probability,
        a.probability - b.probability as gain,
        case
            when a.label = b.label then 0e0
            else a.probability * (1e0 - a.probability) + b.probability * (1e0 - b.probability)
        end as gain_variance
    from label_probabilities as a
    inner join label_probabilities as b on a.image_id = b.image_id and a.model < b.model
),

shares as (
    select
        model_a,
        model_b,
        sum(gain) / nullif(sum(any_probability), 0) as ratio
    from pairs
    group by model_a, model_b
),

summed as (
    select
        p.model_a,
        p.model_b,
        max(s.ratio) as ratio,
        sum(p.any_probability) as scored,
        count(*) as images,
        sum(
            p.gain_variance
            + s.ratio * s.ratio * p.any_probability * (1e0 - p.any_probability)
            - 2e0 * s.ratio * p.gain * (1e0 - p.any_probability)
        ) as label_variance,
        sum(
            (p.gain - s.ratio * p.any_probability) * (p.gain - s.ratio * p.any_probability)
        ) as image_variance
    from pairs as p
    inner join shares as s on p.model_a = s.model_a and p.model_b = s.model_b
    group by p.model_a, p.model_b
)

select
    model_a,
    model_b,
    ratio as expected_difference,
    sqrt(greatest(label_variance, 0e0)) / nullif(scored, 0) as error_from_labels,
    sqrt(image_variance) / nullif(scored, 0) as error_from_images,
    sqrt(greatest(label_variance, 0e0) + image_variance) / nullif(scored, 0) as total_error,
    images
from summed
