-- Everyone who answered: the raters, and the experts of the golden questions.
--
-- grain: one row per rater
-- key: rater_id
-- source: ids in raters.npz, raters_golden.npz and golden.npz
-- rater_id: the rater's number in the files
-- position: the place in ids of raters.npz, from 0, or for an expert in ids of golden.npz; NULL for
--   a rater of raters_golden.npz where no raters.npz was given (ids are not sorted)
-- is_expert: the rater is one of the experts of golden.npz
-- answered_golden: the rater answered the golden questions (an expert always did); NULL where
--   raters_golden.npz was not given
-- golden_position: the place in ids of raters_golden.npz, from 0; NULL where not in it
create table raters (
    rater_id smallint not null check (rater_id >= 0),
    position smallint check (position >= 0),
    is_expert boolean not null,
    answered_golden boolean,
    golden_position smallint check (golden_position >= 0)
);
