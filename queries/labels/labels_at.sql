-- The labels at another threshold: the content of real.json if the threshold were not 0.8.
--
-- grain: one row per image and label; an image left without labels has no row
-- key: image_id, label
-- reads: images, scores, labels
-- rule: a rated image has the labels with score >= threshold. Both numbers are rounded to 12
--   decimals, because the last digits of a floating-point number are not exact. An image that was
--   not rated keeps its label in real.json, which is the original label. With 0.8 the labels are
--   those of real.json
-- source: scores.npz; Section 3 of the paper for the threshold
-- $threshold: the lowest score of a label, between 0 and 1
-- image_id: the image
-- label: the class id of one of the image's labels
-- position: its position in the image's list, from 0: first the labels of real.json in their order
--   there, then the others by class id
with kept as (
    select
        s.image_id,
        s.label
    from scores as s
    where round(s.score, 12) >= round(cast($threshold as double), 12)
    union all
    select
        l.image_id,
        l.label
    from labels as l
    inner join images as i on l.image_id = i.image_id
    where not i.is_rated
)

select
    k.image_id,
    k.label,
    cast(
        row_number() over (
            partition by k.image_id
            order by case when l.position is null then 1 else 0 end, l.position, k.label
        ) - 1 as smallint
    ) as position
from kept as k
left join labels as l on k.image_id = l.image_id and k.label = l.label
