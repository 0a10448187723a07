-- The rules by which the paper's raters' votes became scores and labels: its constants, in one row.
--
-- grain: one row
-- key: none
-- rule: the values that reproduce every published score; all views of the pipeline read them here,
--   and each has a macro of its name and `_if` that takes others: recomputed_labels_if(threshold
--   := 0.5)
-- source: found from the published files, which they reproduce (see recomputed_scores); Section 3
--   of the paper describes the procedure without these numbers
-- golden_majority: a golden question is valid if at least so many experts said yes, of 5
-- original_majority: the same, where the original label is judged as a rater
-- smoothing: what is added to each count of answers before it becomes a probability
-- original_label_for: the questions on which the original label counts as one more rater:
--   animals (class ids 0-397), all or none
-- maybe_as: what an answer 'maybe' is taken for: maybe, yes or no
-- left_out_raters: raters whose votes are not counted
-- threshold: the lowest score that makes a label
select
    3 as golden_majority,
    2 as original_majority,
    cast(1 as double) as smoothing,
    'animals' as original_label_for,
    'maybe' as maybe_as,
    cast([] as integer[]) as left_out_raters,
    cast(0.8 as double) as threshold
