-- Each choice of each model for an image, judged by the ReaL labels and by the original label.
--
-- grain: one row per model, predicted image and rank
-- key: model, image_id, rank
-- reads: predictions, images, labels
-- rule: a choice is right by the ReaL labels if it is any of the image's ReaL labels. It is right
--   by the original label if it is equal to it
-- source: Section 4 of the paper (ReaL accuracy); the ILSVRC 2012 rule for the original labels
-- model: the name of the model
-- image_id: the image
-- rank: the rank of the choice, from 1
-- label: the class id of the choice
-- confidence: the model's confidence in the choice; NULL if the file has none
-- original_label: the image's ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of ReaL labels of the image
-- is_original_correct: the choice is the original label; NULL if the store has no original labels
-- is_real_correct: the choice is among the ReaL labels; NULL if the image has none, and then it
--   counts only in the original accuracy

-- How it is made fast: there may be many predictions, but there are few images.
-- 1. `known` has one row per image, with one of its labels. The join on image_id decides most
--    choices. A choice stays open if it is not this label and the image has other labels.
-- 2. Only the open choices are looked up among all labels. The others have NULL as their key,
--    which no engine looks up. A join on image and label for every row takes twice as long.
with labelled as (
    select
        image_id,
        count(*) as label_count,
        min(label) as one_label
    from labels
    group by image_id
),

known as (
    select
        i.image_id,
        i.original_label,
        coalesce(l.label_count, 0) as label_count,
        l.one_label
    from images as i
    left join labelled as l on i.image_id = l.image_id
),

compared as (
    select
        p.model,
        p.image_id,
        p.rank,
        p.label,
        p.confidence,
        k.original_label,
        k.label_count,
        k.one_label,
        case when k.label_count > 1 and p.label <> k.one_label then p.image_id end as open_image_id
    from predictions as p
    inner join known as k on p.image_id = k.image_id
)

select
    c.model,
    c.image_id,
    c.rank,
    c.label,
    c.confidence,
    c.original_label,
    c.label_count,
    c.label = c.original_label as is_original_correct,
    -- `NULL or false` is NULL, as it must be for an image without labels.
    (c.label = c.one_label or l.label is not null) as is_real_correct
from compared as c
left join labels as l on c.open_image_id = l.image_id and c.label = l.label
