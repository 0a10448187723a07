-- How many labels change if the votes are counted again: label_changes, counted in one row.
--
-- grain: one row
-- key: none
-- reads: labels, recomputed_labels, label_changes
-- rule: with the published rules nothing changes. It is about labels only; recomputation compares
--   the scores too
-- source: real.json against the votes (view label_changes)
-- published_labels: labels in real.json
-- recomputed_labels: labels that the votes give
-- added_labels: labels that only the votes give
-- removed_labels: labels that only real.json has
-- changed_images: images with any of these
-- published_images: images that have a label in real.json
-- recomputed_images: images that have a label from the votes
with published as (
    select
        count(*) as labels,
        count(distinct image_id) as images
    from labels
),

recomputed as (
    select
        count(*) as labels,
        count(distinct image_id) as images
    from recomputed_labels
),

changed as (
    select
        count(case when is_added then 1 end) as added,
        count(case when not is_added then 1 end) as removed,
        count(distinct image_id) as images
    from label_changes
)

select
    p.labels as published_labels,
    r.labels as recomputed_labels,
    c.added as added_labels,
    c.removed as removed_labels,
    c.images as changed_images,
    p.images as published_images,
    r.images as recomputed_images
from published as p
cross join recomputed as r
cross join changed as c
