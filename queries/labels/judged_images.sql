-- The images that the labels are about.
--
-- grain: one row per image
-- key: image_id
-- reads: images
-- rule: the ReaL labels are about every image: one without a label had all its labels rejected.
--   Where another label set judges (`labels` of accuracy, leaderboard and sql), these are the
--   images that it judges, with a correct label or without
-- source: Section 4 of the paper; view labels_by for other label sets
-- image_id: the image
select i.image_id
from images as i
