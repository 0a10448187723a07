-- The images whose original label is an animal.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, classes
-- rule: the class id of the original label is between 0 and 397
-- source: the original labels
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label
-- label_count: the number of its ReaL labels
-- first_label: its first ReaL label in the order of real.json; NULL if it has none
select
    i.image_id,
    i.file_name,
    i.original_label,
    i.label_count,
    i.first_label
from image_labels as i
inner join classes as c on i.original_label = c.label
where c.is_animal
