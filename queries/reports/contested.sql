-- The images whose raters contradict each other, as a list of images.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, contested_images
-- rule: on at least one question, two raters or more say no and two or more say yes. These are the
--   images of contested_images, which also has the measures and the question behind them
-- source: raters.npz; the definition is ours
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels it has
-- first_label: the first of them in real.json's order; NULL where it has none
-- contested_questions: how many of its questions are contested
select
    i.image_id,
    i.file_name,
    i.original_label,
    i.label_count,
    i.first_label,
    c.contested_questions
from image_labels as i
inner join contested_images as c on i.image_id = c.image_id
