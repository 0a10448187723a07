-- The answers of the raters and the experts, one by one.
--
-- grain: one row per answer; a rater answers a question at most once per round
-- key: round, image_id, label, rater_id
-- references: image_id -> images; label -> classes; image_id, label -> questions;
--   rater_id -> raters
-- source: raters.npz, raters_golden.npz, golden.npz
-- round: main (raters.npz), golden (the raters' answers to the golden questions, raters_golden.npz)
--   or expert (the experts' answers to the same questions, golden.npz)
-- image_id: the image asked about
-- label: the class id asked about
-- rater_id: the rater or expert who answered
-- answer: no, maybe or yes
create table votes (
    round varchar not null check (round in ('expert', 'golden', 'main')),
    image_id integer not null check (image_id between 1 and 50000),
    label smallint not null check (label between 0 and 999),
    rater_id smallint not null check (rater_id >= 0),
    answer varchar not null check (answer in ('no', 'maybe', 'yes'))
);
