-- The labels that at least k label sets call correct.
--
-- grain: one row per image and label
-- key: image_id, label
-- reads: assessments
-- rule: each label set of the store counts once, `real` and `original` too; imagenet-m, a part of
--   multilabel-v3, does not count. Problematic images are not left out. To judge predictions by a
--   consensus of chosen sets, use `labels` of accuracy: consensus:K:A,B,…
-- source: the label sets (view assessments)
-- $k: how many label sets must call a label correct
-- image_id: the image
-- label: the class id
-- correct_sets: how many label sets call it correct
-- wrong_sets: how many call it wrong
with counted as (
    select
        a.image_id,
        a.label,
        count(distinct case when a.verdict = 'correct' then a.label_set end) as correct_sets,
        count(distinct case when a.verdict = 'wrong' then a.label_set end) as wrong_sets
    from assessments as a
    where a.label_set <> 'imagenet-m'
    group by a.image_id, a.label
)

select
    image_id,
    label,
    correct_sets,
    wrong_sets
from counted
where correct_sets >= cast($k as bigint)
