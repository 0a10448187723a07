-- The number of labels and images that change if the labels are computed from the votes.
--
-- grain: one row
-- key: none
-- reads: labels, recomputed_labels, label_changes
-- rule: with the published rules nothing changes. This view is about labels only; the view
--   recomputation compares the scores too
-- source: real.json and the votes (view label_changes)
-- published_labels: the number of labels in real.json
-- recomputed_labels: the number of labels computed from the votes
-- added_labels: the number of labels that only recomputed_labels has
-- removed_labels: the number of labels that only real.json has
-- changed_images: the number of images with an added or removed label
-- published_images: the number of images with a label in real.json
-- recomputed_images: the number of images with a label computed from the votes
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
