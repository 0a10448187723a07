-- The labels, and with them every class that shares a group with one of them.
--
-- grain: one row per image and label
-- key: image_id, label
-- reads: labels, class_groups
-- rule: an image has the labels that it has, and each class that is in a group of one of these; a
--   label in no group stays alone. So a prediction is right if it shares a group with a label
-- source: the idea of judging by metaclasses is ImageNet-X's
-- $grouping: the grouping of classes, such as metaclass
-- image_id: the image
-- label: the class id
-- position: its place in the image's list, from 0: the labels in their order, then the others,
--   ascending
with members as (
    select
        g.label,
        g.group_name
    from class_groups as g
    where g.grouping = $grouping
),

sharing as (
    select distinct
        l.image_id,
        o.label
    from labels as l
    inner join members as m on l.label = m.label
    inner join members as o on m.group_name = o.group_name
    union
    select
        l.image_id,
        l.label
    from labels as l
)

select
    s.image_id,
    s.label,
    cast(
        row_number() over (
            partition by s.image_id
            order by case when l.position is null then 1 else 0 end, l.position, s.label
        ) - 1 as smallint
    ) as position
from sharing as s
left join labels as l on s.image_id = l.image_id and s.label = l.label
