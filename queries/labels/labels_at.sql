-- The labels at another operating point: what real.json would hold with another threshold.
--
-- grain: one row per image and label; an image left without labels has no row
-- key: image_id, label
-- reads: images, scores, labels
-- rule: a rated image has the labels with score >= threshold, both rounded to 12 decimals, so that
--   a score equal to the threshold counts whatever its last digits; an image that was not rated
--   keeps what real.json has, its original label; 0.8 gives real.json exactly
-- source: scores.npz; Section 3 of the paper for the operating point
-- $threshold: the lowest score that makes a label, between 0 and 1
-- image_id: the image
-- label: the class id of a label that the image has
-- position: its place in the image's list, from 0: the published labels in their order, then the
--   others, ascending
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
