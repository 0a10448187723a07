-- How often the raters prefer a model's first choice to a different original label.
--
-- grain: one row per model
-- key: model
-- reads: preferred_labels
-- rule: model_preference is the share of images on which the raters prefer the model's first
--   choice, without ties. Above one half the raters prefer the model's labels to the original ones.
--   Its interval is Wilson's,
--   (2np + z^2 -+ z sqrt(z^2 + 4np(1-p))) / (2n + 2z^2) with z = 1.959963984540054
-- source: the question of the paper's Figure 1, with our definition (view preferred_labels); E. B.
--   Wilson (1927), JASA 22, 209-212
-- model: the name of the model
-- model_preference: model_images / (model_images + original_images); NULL if both are 0
-- model_preference_low: the lower end of its 95 % interval
-- model_preference_high: the upper end of its 95 % interval
-- model_images: the number of images where the votes support the model's first choice more
-- original_images: the number of images where the votes support the original label more
-- tied_images: the number of images where the votes support both equally
-- compared_images: model_images + original_images + tied_images: the images with questions about
--   both labels
-- differing_images: the number of predicted images whose first choice is not the original label
with counted as (
    select
        model,
        count(case when preferred = 'model' then 1 end) as model_images,
        count(case when preferred = 'original' then 1 end) as original_images,
        count(case when preferred = 'tie' then 1 end) as tied_images,
        count(preferred) as compared_images,
        count(*) as differing_images
    from preferred_labels
    group by model
),

shares as (
    select
        model,
        model_images,
        original_images,
        tied_images,
        compared_images,
        differing_images,
        cast(model_images + original_images as double) as n,
        1.959963984540054e0 as z,
        cast(model_images as double) / nullif(model_images + original_images, 0) as p
    from counted
)

select
    model,
    p as model_preference,
    (2e0 * n * p + z * z - z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as model_preference_low,
    (2e0 * n * p + z * z + z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as model_preference_high,
    model_images,
    original_images,
    tied_images,
    compared_images,
    differing_images
from shares
