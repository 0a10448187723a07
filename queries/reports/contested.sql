-- The images whose raters contradict each other.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, contested_images
-- rule: for at least one question, at least two raters answer no and at least two answer yes. The
--   view contested_images has the same images, with measures and with the most contested question
-- source: raters.npz; our definition
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of its ReaL labels
-- first_label: its first ReaL label in the order of real.json; NULL if it has none
-- contested_questions: the number of contested questions about the image
select
    i.image_id,
    i.file_name,
    i.original_label,
    i.label_count,
    i.first_label,
    c.contested_questions
from image_labels as i
inner join contested_images as c on i.image_id = c.image_id
