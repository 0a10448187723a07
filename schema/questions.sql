-- The questions that raters answered: is this label right for this image?
--
-- grain: one row per question, an (image, label) pair
-- key: image_id, label
-- references: image_id -> images; label -> classes
-- source: info in scores.npz or raters.npz, equal in both; golden_position from golden.npz or
--   raters_golden.npz
-- image_id: the image asked about
-- label: the class id asked about
-- position: the position of the question in scores.npz and raters.npz, from 0
-- golden_position: its position in golden.npz and raters_golden.npz, from 0; NULL if it is not a
--   golden question
create table questions (
    image_id integer not null check (image_id between 1 and 50000),
    label smallint not null check (label between 0 and 999),
    position integer not null check (position >= 0),
    golden_position integer check (golden_position >= 0)
);
