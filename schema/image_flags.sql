-- Flags of images, which are not labels: problematic, blurry, prototype, and others.
--
-- grain: one row per label set, image and flag; an image without the flag has no row
-- key: label_set, image_id, flag
-- references: label_set -> stored_label_sets; image_id -> images
-- source: the files in the store's folder label_sets, which realdb labels add writes
-- label_set: the label set that has the flag
-- image_id: the image
-- flag: the flag's name: problematic and imagenet-m (multilabel-v3); category and severity
--   (vit3b-mistakes, greedy-soups-mistakes); annotated and prototype (imagenet-x); blurry, humans,
--   other_animals, not_real and collage (biodiversity, if the experts' mean is above 0)
-- value: the flag's value; NULL if the flag has none
create table image_flags (
    label_set varchar not null,
    image_id integer not null check (image_id between 1 and 50000),
    flag varchar not null,
    value varchar
);
