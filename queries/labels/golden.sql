-- The images that the experts were asked about as well.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, questions
-- rule: at least one of the image's questions is golden: it stands in golden.npz
-- source: golden.npz
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels it has
-- first_label: the first of them in real.json's order; NULL where it has none
-- golden_questions: how many of them do
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
