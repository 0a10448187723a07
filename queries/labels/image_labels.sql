-- Each image with what is known of its labels.
--
-- grain: one row per validation image
-- key: image_id
-- reads: images, labels
-- rule: label_count = 0 takes the image out of every ReaL denominator (Section 4 of the paper)
-- source: real.json and the original labels
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- is_rated: raters were asked about it; NULL where the store does not know
-- label_count: how many ReaL labels it has
-- first_label: the first of them in real.json's order; NULL where it has none
-- is_original_real: the original label is one of them; NULL where it has none
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
