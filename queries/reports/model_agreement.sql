-- How often two models choose the same label, and the same wrong label.
--
-- grain: one row per pair of models that predict an image in common
-- key: model_a, model_b
-- reads: scored_predictions
-- rule: the first choices are compared, on all images that both models predict; those of which both
--   are wrong by the ReaL labels are counted apart
-- source: ours
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- images: images that both models predict
-- same_label_images: those on which both choose the same label
-- same_label_share: same_label_images / images
-- both_wrong_images: images on which both are wrong by the ReaL labels
-- same_wrong_images: those on which both choose the same wrong label
-- same_wrong_share: same_wrong_images / both_wrong_images; NULL where both are wrong on none
with counted as (
    select
        a.model as model_a,
        b.model as model_b,
        count(*) as images,
        count(case when a.label = b.label then 1 end) as same_label_images,
        count(case when not a.is_real_correct and not b.is_real_correct then 1 end)
            as both_wrong_images,
        count(case when a.label = b.label and not a.is_real_correct then 1 end)
            as same_wrong_images
    from scored_predictions as a
    inner join scored_predictions as b on a.image_id = b.image_id and a.model < b.model
    group by a.model, b.model
)

select
    model_a,
    model_b,
    images,
    same_label_images,
    cast(same_label_images as double) / nullif(images, 0) as same_label_share,
    both_wrong_images,
    same_wrong_images,
    cast(same_wrong_images as double) / nullif(both_wrong_images, 0) as same_wrong_share
from counted
