-- The images that no rater was asked about.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, questions
-- rule: the store has no question about the image, because the paper's models agreed with its
--   original label. Its only ReaL label is the original label
-- source: scores.npz and raters.npz; Section 3 of the paper
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of its ReaL labels
-- first_label: its first ReaL label in the order of real.json; NULL if it has none
select
    i.image_id,
    i.file_name,
    i.original_label,
    i.label_count,
    i.first_label
from image_labels as i
anti join questions as q on i.image_id = q.image_id
