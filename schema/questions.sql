-- What the raters were asked: is this label right for this image?
--
-- grain: one row per question, an (image, label) pair
-- key: image_id, label
-- references: image_id -> images; label -> classes
-- source: info in scores.npz and raters.npz (equal); golden_position from golden.npz
-- image_id: the image asked about
-- label: the class id asked about
-- position: the question's place in scores.npz and raters.npz, from 0
-- golden_position: its place in golden.npz and raters_golden.npz, from 0; NULL where it is not one
--   of the golden questions
create table questions (
    image_id integer not null check (image_id between 1 and 50000),
    label smallint not null check (label between 0 and 999),
    position integer not null check (position >= 0),
    golden_position integer check (golden_position >= 0)
);
