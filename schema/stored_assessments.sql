-- Verdicts on labels of images, of the label sets that were added to the store.
--
-- grain: one row per label set, image, label and verdict; multilabel-v3 has two verdicts on 442
--   labels, and no other label set has
-- key: label_set, image_id, label, verdict
-- references: label_set -> stored_label_sets; image_id -> images; label -> classes
-- source: the files in the store's folder label_sets, which realdb labels add writes
-- label_set: the label set
-- image_id: the image
-- label: the class id that is judged
-- verdict: correct, unclear or wrong; an image whose labels are all wrong is judged, and has no
--   label
-- score: how likely the label is correct, between 0 and 1; NULL where the set has no scores
create table stored_assessments (
    label_set varchar not null,
    image_id integer not null check (image_id between 1 and 50000),
    label smallint not null check (label between 0 and 999),
    verdict varchar not null check (verdict in ('correct', 'unclear', 'wrong')),
    score double check (score between 0 and 1)
);
