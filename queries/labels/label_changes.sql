-- The labels on which real.json and the recomputed labels differ: none, with the published rules.
--
-- grain: one row per image and label that only one of the two has
-- key: image_id, label
-- reads: labels, recomputed_labels, recomputed_scores, images
-- rule: the labels under the rules in force, against the published ones
-- source: real.json against the votes (view recomputed_labels)
-- image_id: the image
-- label: the class id of the label
-- is_added: only the recomputed labels have it; otherwise only real.json has it
-- published_score: what scores.npz has
-- recomputed_score: what the votes give under the rules in force
-- is_original: the label is the image's ILSVRC 2012 label; NULL where the store has none
with changed as (
    select
        coalesce(n.image_id, l.image_id) as image_id,
        coalesce(n.label, l.label) as label,
        l.image_id is null as is_added
    from labels as l
    full outer join recomputed_labels as n on l.image_id = n.image_id and l.label = n.label
    where l.image_id is null or n.image_id is null
)

select
    c.image_id,
    c.label,
    c.is_added,
    s.published_score,
    s.recomputed_score,
    c.label = i.original_label as is_original
from changed as c
inner join images as i on c.image_id = i.image_id
left join recomputed_scores as s on c.image_id = s.image_id and c.label = s.label
