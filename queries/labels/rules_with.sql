-- The rules of the pipeline, with some of them replaced.
--
-- grain: one row
-- key: none
-- reads: pipeline_rules
-- rule: a parameter that is NULL keeps the published value
-- source: our definition: how the results depend on the authors' choices
-- $golden_majority: the smallest number of yes answers, from 5 experts, that makes a golden
--   question valid
-- $original_majority: the same number, for weighing the original label as a rater
-- $smoothing: the number added to each count of answers, above 0
-- $original_label_for: animals, all or none
-- $maybe_as: maybe, yes or no
-- $left_out_raters: a list of rater ids
-- $threshold: the lowest score of a label, between 0 and 1
-- golden_majority: as above
-- original_majority: as above
-- smoothing: as above
-- original_label_for: as above
-- maybe_as: as above
-- left_out_raters: as above
-- threshold: as above
select
    coalesce(cast($golden_majority as integer), r.golden_majority) as golden_majority,
    coalesce(cast($original_majority as integer), r.original_majority) as original_majority,
    coalesce(cast($smoothing as double), r.smoothing) as smoothing,
    coalesce(cast($original_label_for as varchar), r.original_label_for) as original_label_for,
    coalesce(cast($maybe_as as varchar), r.maybe_as) as maybe_as,
    coalesce(cast($left_out_raters as integer[]), r.left_out_raters) as left_out_raters,
    coalesce(cast($threshold as double), r.threshold) as threshold
from pipeline_rules as r
