-- The mistakes that experts reviewed, by category and severity.
--
-- grain: one row per label set, category and severity
-- key: label_set, category, severity
-- reads: stored_assessments, image_flags, labels
-- rule: a mistake is a label that is called wrong, on an image with the flags category and severity
--   of the same label set
-- source: Vasudevan et al. 2022 (vit3b-mistakes, greedy-soups-mistakes)
-- label_set: the label set
-- category: why it is a mistake
-- severity: how bad it is
-- mistakes: how many there are
-- real_mistakes: how many of them are ReaL labels, so that ReaL accuracy counts them as right
with flagged as (
    select
        f.label_set,
        f.image_id,
        max(case when f.flag = 'category' then f.value end) as category,
        max(case when f.flag = 'severity' then f.value end) as severity
    from image_flags as f
    where f.flag in ('category', 'severity')
    group by f.label_set, f.image_id
)

select
    f.label_set,
    f.category,
    f.severity,
    count(*) as mistakes,
    count(l.label) as real_mistakes
from flagged as f
inner join stored_assessments as a on f.label_set = a.label_set and f.image_id = a.image_id
left join labels as l on a.image_id = l.image_id and a.label = l.label
where a.verdict = 'wrong'
group by f.label_set, f.category, f.severity
