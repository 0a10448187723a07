-- The golden questions, and whether the experts consider the label valid.
--
-- grain: one row per golden question, an (image, label) pair
-- key: image_id, label
-- reads: votes, images, pipeline_rules
-- rule: a question is valid if at least 3 of the 5 experts answer yes: 248 of 1,135. To weigh the
--   original label as a rater, it is valid if at least 2 answer yes: 303. Both majorities are in
--   pipeline_rules
-- source: golden.npz; the two majorities are those that reproduce scores.npz
-- image_id: the image asked about
-- label: the class id asked about
-- experts: the number of experts who answered
-- yes_experts: the number of experts who answered yes
-- is_valid: the label is valid, for weighing the raters
-- is_valid_for_original: the label is valid, for weighing the original label
-- is_original: the label is the image's ILSVRC 2012 label; NULL if the store has no original labels
with counted as (
    select
        v.image_id,
        v.label,
        count(*) as experts,
        count(case when v.answer = 'yes' then 1 end) as yes_experts
    from votes as v
    where v.round = 'expert'
    group by v.image_id, v.label
)

select
    c.image_id,
    c.label,
    c.experts,
    c.yes_experts,
    c.yes_experts >= r.golden_majority as is_valid,
    c.yes_experts >= r.original_majority as is_valid_for_original,
    c.label = i.original_label as is_original
from counted as c
inner join images as i on c.image_id = i.image_id
cross join pipeline_rules as r
