-- The raters, and the experts who answered the golden questions.
--
-- grain: one row per rater
-- key: rater_id
-- source: ids in raters.npz, raters_golden.npz and golden.npz
-- rater_id: the number of the rater in the files
-- position: the position in ids of raters.npz, or for an expert in ids of golden.npz, from 0; ids
--   are not sorted. NULL for a rater of raters_golden.npz if the store has no raters.npz
-- is_expert: true for the experts of golden.npz
-- answered_golden: the rater answered the golden questions; true for each expert; NULL if the store
--   has no raters_golden.npz
-- golden_position: the position in ids of raters_golden.npz, from 0; NULL if the rater is not in it
create table raters (
    rater_id smallint not null check (rater_id >= 0),
    position smallint check (position >= 0),
    is_expert boolean not null,
    answered_golden boolean,
    golden_position smallint check (golden_position >= 0)
);
