-- The images that no rater was asked about.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, questions
-- rule: raters were asked nothing about the image, because the paper's models agreed with its
--   original label; it keeps that as its only ReaL label
-- source: scores.npz and raters.npz; Section 3 of the paper
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
anti join questions as q on i.image_id = q.image_id
