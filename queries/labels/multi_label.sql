-- The images with more than one ReaL label.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels
-- rule: label_count > 1
-- source: real.json
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of its ReaL labels
-- first_label: its first ReaL label in the order of real.json
select
    image_id,
    file_name,
    original_label,
    label_count,
    first_label
from image_labels
where label_count > 1
