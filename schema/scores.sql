-- The published score of each question: the estimated probability that its label is right.
--
-- grain: one row per question, an (image, label) pair
-- key: image_id, label
-- references: image_id -> images; label -> classes; image_id, label -> questions
-- source: scores.npz
-- image_id: the image asked about
-- label: the class id asked about
-- score: between 0 and 1. For a rated image, real.json has the labels with score >= 0.8 (Section 3
--   of the paper)
create table scores (
    image_id integer not null check (image_id between 1 and 50000),
    label smallint not null check (label between 0 and 999),
    score double not null check (score between 0 and 1)
);
