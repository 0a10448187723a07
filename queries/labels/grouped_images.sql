-- The images in groups: by class, by animal or object, and by the number of their labels.
--
-- grain: one row per grouping and image that it groups
-- key: grouping, image_id
-- reads: images, labels
-- rule: the class of an image is its original label; an image without one is in no group by class,
--   nor by animal
-- source: the original labels, and real.json
-- grouping: class, animal or label-count
-- image_id: the image
-- group_name: its group: a class id, animal or object, or how many ReaL labels it has
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
    image_id,
    cast(original_label as varchar) as group_name
from images
where original_label is not null
union all
select
    'animal' as grouping,
    image_id,
    case when original_label < 398 then 'animal' else 'object' end as group_name
from images
where original_label is not null
union all
select
    'label-count' as grouping,
    image_id,
    cast(label_count as varchar) as group_name
from counted
