-- What the experts hold true: the golden questions, and whether their label is valid.
--
-- grain: one row per golden question, an (image, label) pair
-- key: image_id, label
-- reads: votes, images, pipeline_rules
-- rule: valid if at least 3 of the 5 experts say yes: 248 of the 1,135; where the original label is
--   judged as a rater, if at least 2 do: 303
-- source: golden.npz; the majorities are those that reproduce scores.npz
-- image_id: the image asked about
-- label: the class id asked about
-- experts: how many experts answered
-- yes_experts: how many of them said yes
-- is_valid: the label is right, for judging a rater
-- is_valid_for_original: the label is right, for judging the original label
-- is_original: the label is the image's ILSVRC 2012 label; NULL where the store has none
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
