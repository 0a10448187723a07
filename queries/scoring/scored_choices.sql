-- Each of a model's choices for an image judged against both label sets.
--
-- grain: one row per model, predicted image and rank
-- key: model, image_id, rank
-- reads: predictions, images, labels
-- rule: a choice is right if its label is among the image's ReaL labels, whichever
-- source: Section 4 of the paper (ReaL accuracy); the ILSVRC 2012 rule for the original labels
-- model: the prediction set's name
-- image_id: the image
-- rank: the place of this choice, from 1
-- label: the class id chosen
-- confidence: the model's confidence in it; NULL where the file has none
-- original_label: the image's ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels the image has
-- is_original_correct: the choice is the original label; NULL where the store has none
-- is_real_correct: the choice is among the ReaL labels; NULL where the image has none, so that
--   original accuracy keeps its own denominator

-- How it is made fast: there may be many predictions, but there are few images.
-- 1. `known` has one row per image, with one of its labels. The join on image_id alone settles all
--    choices but those that miss this label where the image has others.
-- 2. Only these open choices are looked up among all labels. The others have NULL as their key,
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
    -- NULL or false is NULL: without labels there is nothing to look up, either
    (c.label = c.one_label or l.label is not null) as is_real_correct
from compared as c
left join labels as l on c.open_image_id = l.image_id and c.label = l.label
