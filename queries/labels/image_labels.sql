-- The validation images with their original label and their number of ReaL labels.
--
-- grain: one row per validation image
-- key: image_id
-- reads: images, labels
-- rule: an image with label_count = 0 counts in no ReaL accuracy (Section 4 of the paper)
-- source: real.json and the original labels
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL if the store has no original labels
-- is_rated: raters were asked about the image; NULL if the store has neither scores.npz nor
--   raters.npz
-- label_count: the number of its ReaL labels
-- first_label: its first ReaL label in the order of real.json; NULL if it has none
-- is_original_real: the original label is one of the ReaL labels; NULL if the image has no ReaL
--   labels or the store has no original labels
select
    i.image_id,
    i.file_name,
    i.original_label,
    i.is_rated,
    count(l.label) as label_count,
    max(case when l.position = 0 then l.label end) as first_label,
    bool_or(l.label = i.original_label) as is_original_real
from images as i
left join labels as l on i.image_id = l.image_id
group by i.image_id, i.file_name, i.original_label, i.is_rated
