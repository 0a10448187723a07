-- All labels that the votes give: with the published rules they are the labels of real.json.
--
-- grain: one row per image and label; an image left without labels has no row
-- key: image_id, label
-- reads: images, labels, recomputed_scores, pipeline_rules
-- rule: a rated image has the labels with recomputed_score >= 0.8, the rules' threshold, both
--   rounded to 12 decimals as in labels_at; an image that was not rated keeps what real.json has,
--   its original label. label_changes lists only the labels that differ from real.json, and
--   relabelling counts them
-- source: the votes (view recomputed_scores); Section 3 of the paper for the operating point
-- image_id: the image
-- label: the class id of a label that the image has
-- position: its place in the image's list, from 0: the published labels in their order, then the
--   others, ascending
with kept as (
    select
        s.image_id,
        s.label
    from recomputed_scores as s
    cross join pipeline_rules as r
    where round(s.recomputed_score, 12) >= round(r.threshold, 12)
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
