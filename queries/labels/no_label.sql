-- The images without a ReaL label. They count in no ReaL accuracy.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels
-- rule: label_count = 0
-- source: real.json; Section 4 of the paper
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of its ReaL labels, always 0
-- first_label: always NULL, as the image has no ReaL label
select
    image_id,
    file_name,
    original_label,
    label_count,
    first_label
from image_labels
where label_count = 0
