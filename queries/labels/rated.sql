-- The images that raters were asked about.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, questions
-- rule: raters were asked at least one question about the image; its ReaL labels come from their
--   votes
-- source: scores.npz and raters.npz
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels it has
-- first_label: the first of them in real.json's order; NULL where it has none
select
    i.image_id,
    i.file_name,
    i.original_label,
    i.label_count,
    i.first_label
from image_labels as i
semi join questions as q on i.image_id = q.image_id
