-- The labels on which label sets contradict each other: who says what.
--
-- grain: one row per image, label, label set and verdict, for labels that one set calls correct and
--   another wrong
-- key: image_id, label, label_set, verdict
-- reads: assessments, questions, labels, images
-- rule: a label is in conflict if a set calls it correct and another set wrong. ReaL calls a label
--   wrong if its raters were asked about it and it is not among the ReaL labels. A set that does
--   not mention a label says nothing about it
-- source: the label sets (view assessments)
-- image_id: the image
-- label: the class id
-- label_set: the label set
-- verdict: what it says: correct, unclear or wrong
-- score: its score; NULL where it has none
-- is_original: the label is the image's ILSVRC 2012 label; NULL where the store has none
with verdicts as (
    select
        a.image_id,
        a.label,
        a.label_set,
        a.verdict,
        a.score
    from assessments as a
    union all
    select
        q.image_id,
        q.label,
        'real' as label_set,
        'wrong' as verdict,
        cast(null as double) as score
    from questions as q
    left join labels as l on q.image_id = l.image_id and q.label = l.label
    where l.label is null
),

supported as (
    select
        v.image_id,
        v.label,
        v.label_set
    from verdicts as v
    where v.verdict = 'correct'
),

rejected as (
    select
        v.image_id,
        v.label,
        v.label_set
    from verdicts as v
    where v.verdict = 'wrong'
),

conflicting as (
    select distinct
        s.image_id,
        s.label
    from supported as s
    inner join rejected as r on s.image_id = r.image_id and s.label = r.label
    where s.label_set <> r.label_set
)

select
    v.image_id,
    v.label,
    v.label_set,
    v.verdict,
    v.score,
    v.label = i.original_label as is_original
from verdicts as v
inner join conflicting as c on v.image_id = c.image_id and v.label = c.label
inner join images as i on v.image_id = i.image_id
