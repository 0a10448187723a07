-- The ReaL labels, as published.
--
-- grain: one row per image and label; an image without labels has no row
-- key: image_id, label
-- references: image_id -> images; label -> classes
-- source: real.json
-- image_id: the image
-- label: the class id of one of the image's labels
-- position: the position of the label in the image's list in real.json, from 0; the lists are not
--   sorted
create table labels (
    image_id integer not null check (image_id between 1 and 50000),
    label smallint not null check (label between 0 and 999),
    position smallint not null check (position >= 0)
);
