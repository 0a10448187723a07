-- The raters' answers that the pipeline counts, without those of the experts.
--
-- grain: one row per answer of a rater, in the main round or to a golden question
-- key: round, image_id, label, rater_id
-- reads: votes, pipeline_rules
-- rule: by default all raters count, and a maybe stays a maybe. left_out_raters and maybe_as in
--   pipeline_rules change this
-- source: raters.npz and raters_golden.npz
-- round: main or golden
-- image_id: the image asked about
-- label: the class id asked about
-- rater_id: the rater
-- answer: no, maybe or yes
select
    v.round,
    v.image_id,
    v.label,
    v.rater_id,
    case when v.answer = 'maybe' then r.maybe_as else v.answer end as answer
from votes as v
cross join pipeline_rules as r
where v.round <> 'expert' and not list_contains(r.left_out_raters, v.rater_id)
