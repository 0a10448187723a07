-- The images in groups: by class, by animal, by the number of labels, and by the stored groupings.
--
-- grain: one row per grouping, group and image of the group
-- key: grouping, group_name, image_id
-- reads: images, labels, class_groups, image_groups, image_flags
-- rule: the class of an image is its original label. An image without one is in no group of
--   classes. In a stored grouping an image can be in several groups. As in ImageNet-X, prototypes
--   are in no group of factor and top_factor
-- source: the original labels, real.json, and the stored groupings
-- grouping: class, animal, label-count, or the name of a stored grouping
-- group_name: its group: a class id, animal or object, the number of ReaL labels, or the group's
--   name
-- image_id: the image
with counted as (
    select
        i.image_id,
        count(l.label) as label_count
    from images as i
    left join labels as l on i.image_id = l.image_id
    group by i.image_id
)

select
    'class' as grouping,
    cast(original_label as varchar) as group_name,
    image_id
from images
where original_label is not null
union all
select
    'animal' as grouping,
    case when original_label < 398 then 'animal' else 'object' end as group_name,
    image_id
from images
where original_label is not null
union all
select
    'label-count' as grouping,
    cast(label_count as varchar) as group_name,
    image_id
from counted
union all
select
    g.grouping,
    g.group_name,
    i.image_id
from images as i
inner join class_groups as g on i.original_label = g.label
union all
select
    g.grouping,
    g.group_name,
    g.image_id
from image_groups as g
left join image_flags as f on g.image_id = f.image_id and f.flag = 'prototype'
where f.image_id is null or g.grouping not in ('factor', 'top_factor')
