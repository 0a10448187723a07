-- The labels that only real.json or only recomputed_labels has: none, with the published rules.
--
-- grain: one row per image and label that only one of the two has
-- key: image_id, label
-- reads: labels, recomputed_scores, images, pipeline_rules
-- rule: a rated image's recomputed labels (recomputed_score >= 0.8, the rules' threshold, both
--   rounded to 12 decimals as in labels_at) are compared with the published ones; an image that was
--   not rated keeps its label. relabelling counts these rows
-- source: real.json against the votes (view recomputed_labels)
-- image_id: the image
-- label: the class id of the label
-- is_added: only the recomputed labels have it; otherwise only real.json has it
-- published_score: what scores.npz has
-- recomputed_score: what the votes give
-- is_original: the label is the image's ILSVRC 2012 label; NULL where the store has none
with published as (
    select
        l.image_id,
        l.label
    from labels as l
    inner join images as i on l.image_id = i.image_id
    where i.is_rated
),

-- Each question once: recomputed_labels would ask for all the scores a second time.
compared as (
    select
        coalesce(s.image_id, l.image_id) as image_id,
        coalesce(s.label, l.label) as label,
        s.published_score,
        s.recomputed_score,
        coalesce(round(s.recomputed_score, 12) >= round(r.threshold, 12), false)
            as is_recomputed,
        l.image_id is not null as is_published
    from recomputed_scores as s
    full outer join published as l on s.image_id = l.image_id and s.label = l.label
    cross join pipeline_rules as r
)

select
    c.image_id,
    c.label,
    c.is_recomputed as is_added,
    c.published_score,
    c.recomputed_score,
    c.label = i.original_label as is_original
from compared as c
inner join images as i on c.image_id = i.image_id
where c.is_recomputed <> c.is_published
