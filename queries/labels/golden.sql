-- The images that the experts were asked about.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, questions
-- rule: the image has at least one golden question, which is a question in golden.npz
-- source: golden.npz
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of its ReaL labels
-- first_label: its first ReaL label in the order of real.json; NULL if it has none
-- golden_questions: the number of golden questions about the image
select
    i.image_id,
    i.file_name,
    i.original_label,
    i.label_count,
    i.first_label,
    count(*) as golden_questions
from image_labels as i
inner join questions as q on i.image_id = q.image_id
where q.golden_position is not null
group by i.image_id, i.file_name, i.original_label, i.label_count, i.first_label
