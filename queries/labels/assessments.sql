-- The verdicts of all label sets on labels of images: the added ones, `real` and `original`.
--
-- grain: one row per label set, image, label and verdict; only multilabel-v3 has two verdicts on a
--   label, for 442 labels
-- key: label_set, image_id, label, verdict
-- reads: stored_assessments, labels, images, scores
-- rule: the label set real has the ReaL labels, and original has the original labels; all of these
--   are correct; the ReaL labels of rated images have a score
-- source: real.json, scores.npz, the original labels, and the added label sets
-- label_set: the label set
-- image_id: the image
-- label: the judged class id
-- verdict: correct, unclear or wrong
-- score: how likely the label is correct, between 0 and 1; NULL if the label set has none
select
    a.label_set,
    a.image_id,
    a.label,
    a.verdict,
    a.score
from stored_assessments as a
union all
select
    'real' as label_set,
    l.image_id,
    l.label,
    'correct' as verdict,
    s.score
from labels as l
left join scores as s on l.image_id = s.image_id and l.label = s.label
union all
select
    'original' as label_set,
    i.image_id,
    i.original_label as label,
    'correct' as verdict,
    cast(null as double) as score
from images as i
where i.original_label is not null
