-- Verdicts on labels of images, of every label set: those in the store, `real` and `original`.
--
-- grain: one row per label set, image, label and verdict; multilabel-v3 has two verdicts on 442
--   labels, and no other label set has
-- key: label_set, image_id, label, verdict
-- reads: stored_assessments, labels, images, scores
-- rule: the label set real has the ReaL labels, each correct, with its score where the image was
--   rated; the label set original has the original labels, each correct
-- source: real.json, scores.npz, the original labels, and the label sets that were added
-- label_set: the label set
-- image_id: the image
-- label: the class id that is judged
-- verdict: correct, unclear or wrong
-- score: how likely the label is correct, between 0 and 1; NULL where the set has none
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
