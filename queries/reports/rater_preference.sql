-- Where a model contradicts the original label: which of the two do the raters prefer?
--
-- grain: one row per model
-- key: model
-- reads: preferred_labels
-- rule: model_preference is a share of the decided images, ties are left out; above one half the
--   raters hold the model's labels the better ones; its interval is Wilson's,
--   (2np + z^2 -+ z sqrt(z^2 + 4np(1-p))) / (2n + 2z^2) with z = 1.959963984540054
-- source: the question is that of the paper's Figure 1, the definition is ours (view
--   preferred_labels); E. B. Wilson (1927), JASA 22, 209-212
-- model: the prediction set's name
-- model_preference: model_images / (model_images + original_images); NULL where that is 0 / 0
-- model_preference_low: the lower end of its 95 % interval
-- model_preference_high: the upper end
-- model_images: images where the raters' votes speak more for the model's first choice
-- original_images: images where they speak more for the original label
-- tied_images: images where they speak for both alike
-- compared_images: all three: the raters were asked about both labels
-- differing_images: predicted images whose first choice is not the original label
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
