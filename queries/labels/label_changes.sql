-- The labels that differ between real.json and recomputed_labels. With the published rules there
-- are none.
--
-- grain: one row per image and label that only one of the two has
-- key: image_id, label
-- reads: labels, recomputed_scores, images, pipeline_rules
-- rule: a rated image has the recomputed labels with recomputed_score >= threshold, both rounded to
--   12 decimals as in labels_at. The published threshold is 0.8. Images that were not rated keep
--   their labels. The view relabelling counts these rows
-- source: real.json and the votes (view recomputed_labels)
-- image_id: the image
-- label: the class id of the label
-- is_added: true if only the recomputed labels have it, false if only real.json has it
-- published_score: the score in scores.npz
-- recomputed_score: the score computed from the votes
-- is_original: the label is the image's ILSVRC 2012 label; NULL if the store has no original labels
with published as (
    select
        l.image_id,
        l.label
    from labels as l
    inner join images as i on l.image_id = i.image_id
    where i.is_rated
),

-- This reads recomputed_scores once. With recomputed_labels it would be computed twice.
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
