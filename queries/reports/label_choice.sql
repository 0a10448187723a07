-- On images with several labels: how often a model chooses the original one, against chance.
--
-- grain: one row per model and number of labels
-- key: model, label_count
-- reads: scored_predictions, image_labels
-- rule: images with several ReaL labels, of which one is the original label, where the model's
--   first choice is one of them. A model that does not know which is meant chooses the original
--   label on one in label_count
-- source: Section 4 of the paper asks how models choose among several labels
-- model: the prediction set's name
-- label_count: how many ReaL labels the images have
-- original_share: original_images / images
-- chance: 1 / label_count
-- original_images: how many of the images the model gives the original label
-- images: how many such images there are
with chosen as (
    select
        s.model,
        s.label_count,
        s.is_original_correct
    from scored_predictions as s
    inner join image_labels as i on s.image_id = i.image_id
    where s.label_count > 1 and s.is_real_correct and i.is_original_real
),

counted as (
    select
        c.model,
        c.label_count,
        count(*) as images,
        count(case when c.is_original_correct then 1 end) as original_images
    from chosen as c
    group by c.model, c.label_count
)

select
    model,
    label_count,
    cast(original_images as double) / nullif(images, 0) as original_share,
    1e0 / nullif(label_count, 0) as chance,
    original_images,
    images
from counted
