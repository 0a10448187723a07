-- The constants of the paper's pipeline, which computes scores and labels from the votes.
--
-- grain: one row
-- key: none
-- rule: these values reproduce every published score. All views of the pipeline read them here. For
--   other values, each of these views has a macro with the suffix `_if`:
--   recomputed_labels_if(threshold := 0.5)
-- source: derived from the published files, which they reproduce (see recomputed_scores); Section 3
--   of the paper describes the procedure without these numbers
-- golden_majority: the smallest number of yes answers, from 5 experts, that makes a golden question
--   valid
-- original_majority: the same number, for weighing the original label as a rater
-- smoothing: the number added to each count of answers before it becomes a probability
-- original_label_for: the questions on which the original label counts as one more rater: animals
--   (questions about the class ids 0-397), all or none
-- maybe_as: how an answer maybe counts: as maybe, yes or no
-- left_out_raters: the ids of raters whose votes do not count
-- threshold: the lowest score of a label
select
    3 as golden_majority,
    2 as original_majority,
    cast(1 as double) as smoothing,
    'animals' as original_label_for,
    'maybe' as maybe_as,
    cast([] as integer[]) as left_out_raters,
    cast(0.8 as double) as threshold
