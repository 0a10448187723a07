-- The pairs of classes that are right for the same image, and those that are mistaken for each
-- other.
--
-- grain: one row per unordered pair of classes that raters were asked about on the same image
-- key: label_a, label_b
-- reads: rated_questions, classes
-- rule: label_a < label_b. Only images with a question about each of the two classes count. A class
--   is mistaken for the other on an image if it is a ReaL label, the other is not, and the other is
--   the original label. An image that was not rated has one label, and is in no pair
-- source: raters.npz, real.json and the original labels; our definition
-- label_a: the lower class id
-- name_a: the names of label_a
-- label_b: the higher class id
-- name_b: the names of label_b
-- asked_images: the number of images with a question about each of the two classes
-- both_real_images: the number of these images where both are ReaL labels
-- only_a_real_images: the number where label_a is a ReaL label and label_b is not
-- only_b_real_images: the number where label_b is a ReaL label and label_a is not
-- neither_real_images: the number where neither is a ReaL label
-- both_real_share: both_real_images as a share of the images where at least one of the two is a
--   ReaL label: 1 if they always occur together, 0 if they never do; NULL if there is no such image
-- original_a_images: the number of asked images whose original label is label_a
-- original_b_images: the number of asked images whose original label is label_b
-- b_mistaken_for_a_images: the number of original_a_images where label_b is a ReaL label and
--   label_a is not
-- a_mistaken_for_b_images: the number of original_b_images where label_a is a ReaL label and
--   label_b is not
-- b_mistaken_for_a_share: b_mistaken_for_a_images / original_a_images; NULL if the divisor is 0
-- a_mistaken_for_b_share: a_mistaken_for_b_images / original_b_images; NULL if the divisor is 0
with counted as (
    select
        a.label as label_a,
        b.label as label_b,
        count(*) as asked_images,
        count(case when a.is_real and b.is_real then 1 end) as both_real_images,
        count(case when a.is_real and not b.is_real then 1 end) as only_a_real_images,
        count(case when b.is_real and not a.is_real then 1 end) as only_b_real_images,
        count(case when not a.is_real and not b.is_real then 1 end) as neither_real_images,
        count(case when a.is_original then 1 end) as original_a_images,
        count(case when b.is_original then 1 end) as original_b_images,
        count(case when a.is_original and not a.is_real and b.is_real then 1 end)
            as b_mistaken_for_a_images,
        count(case when b.is_original and not b.is_real and a.is_real then 1 end)
            as a_mistaken_for_b_images
    from rated_questions as a
    inner join rated_questions as b on a.image_id = b.image_id and a.label < b.label
    group by a.label, b.label
)

select
    c.label_a,
    ka.name as name_a,
    c.label_b,
    kb.name as name_b,
    c.asked_images,
    c.both_real_images,
    c.only_a_real_images,
    c.only_b_real_images,
    c.neither_real_images,
    cast(c.both_real_images as double)
    / nullif(c.asked_images - c.neither_real_images, 0) as both_real_share,
    c.original_a_images,
    c.original_b_images,
    c.b_mistaken_for_a_images,
    c.a_mistaken_for_b_images,
    cast(c.b_mistaken_for_a_images as double)
    / nullif(c.original_a_images, 0) as b_mistaken_for_a_share,
    cast(c.a_mistaken_for_b_images as double)
    / nullif(c.original_b_images, 0) as a_mistaken_for_b_share
from counted as c
left join classes as ka on c.label_a = ka.label
left join classes as kb on c.label_b = kb.label
