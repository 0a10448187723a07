-- The images whose original label is not among their ReaL labels.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels
-- rule: the image has ReaL labels, and the original label is not one of them. Images without ReaL
--   labels are in no_label
-- source: real.json and the original labels
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label
-- label_count: the number of its ReaL labels
-- first_label: its first ReaL label in the order of real.json
select
    image_id,
    file_name,
    original_label,
    label_count,
    first_label
from image_labels
where not is_original_real
