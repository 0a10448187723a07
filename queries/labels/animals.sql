-- The images of animals, by their original label.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, classes
-- rule: the class of the original label is an animal: class ids 0 to 397
-- source: the original labels
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label
-- label_count: how many ReaL labels it has
-- first_label: the first of them in real.json's order; NULL where it has none
select
    i.image_id,
    i.file_name,
    i.original_label,
    i.label_count,
    i.first_label
from image_labels as i
inner join classes as c on i.original_label = c.label
where c.is_animal
