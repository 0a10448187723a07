-- The images whose original label is not among their ReaL labels.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels
-- rule: the image has ReaL labels and the original one is none of them; an image that was left
--   without any label stands in no_label
-- source: real.json and the original labels
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label
-- label_count: how many ReaL labels it has
-- first_label: the first of them in real.json's order; NULL where it has none
select
    image_id,
    file_name,
    original_label,
    label_count,
    first_label
from image_labels
where not is_original_real
