-- The verdicts of the added label sets on labels of images.
--
-- grain: one row per label set, image, label and verdict; only multilabel-v3 has two verdicts on a
--   label, for 442 labels
-- key: label_set, image_id, label, verdict
-- references: label_set -> stored_label_sets; image_id -> images; label -> classes
-- source: the files in the store's folder label_sets, which realdb labels add writes
-- label_set: the label set
-- image_id: the image
-- label: the judged class id
-- verdict: correct, unclear or wrong; an image with only wrong labels is judged, but has no label
-- score: how likely the label is correct, between 0 and 1; NULL if the label set has no scores
create table stored_assessments (
    label_set varchar not null,
    image_id integer not null check (image_id between 1 and 50000),
    label smallint not null check (label between 0 and 999),
    verdict varchar not null check (verdict in ('correct', 'unclear', 'wrong')),
    score double check (score between 0 and 1)
);
