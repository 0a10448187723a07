-- Two label sets compared: their labels on the images that both label, and the verdicts of the
-- second on the labels of the first.
--
-- grain: one row
-- key: none
-- reads: assessments
-- rule: an image's labels in a set are those with the verdict correct; images counts the images for
--   which both sets have a label; it is the sum of equal, larger, smaller, overlapping and disjoint
--   images; a label with two verdicts counts for both
-- source: ours
-- $first_set: the first label set
-- $second_set: the second label set
-- images: images for which both have a label
-- equal_images: both have the same labels
-- larger_images: the first has all labels of the second, and more
-- smaller_images: the second has all labels of the first, and more
-- overlapping_images: they share labels, and each also has a label that the other does not have
-- disjoint_images: they share no label
-- jaccard: labels in both sets / labels in either set, on these images; NULL if there are none
-- only_first_images: images that both judge, but only the first has a label; real judges all images
-- only_second_images: the same, but only the second has a label
-- labels: labels of the first on images that the second judges
-- correct_labels: those of them with the verdict correct in the second
-- unclear_labels: those with the verdict unclear
-- wrong_labels: those with the verdict wrong
-- not_judged_labels: those without a verdict
with firsts as (
    select distinct
        a.image_id,
        a.label
    from assessments as a
    where a.label_set = $first_set and a.verdict = 'correct'
),

seconds as (
    select distinct
        a.image_id,
        a.label
    from assessments as a
    where a.label_set = $second_set and a.verdict = 'correct'
),

judged as (
    select
        a.image_id,
        max(case when a.label_set = $first_set or $first_set = 'real' then 1 else 0 end)
            as by_first,
        max(case when a.label_set = $second_set or $second_set = 'real' then 1 else 0 end)
            as by_second
    from assessments as a
    where a.label_set = $first_set or a.label_set = $second_set
    group by a.image_id
),

pairs as (
    select
        coalesce(f.image_id, s.image_id) as image_id,
        case when f.label is not null then 1 else 0 end as in_first,
        case when s.label is not null then 1 else 0 end as in_second
    from firsts as f
    full outer join seconds as s on f.image_id = s.image_id and f.label = s.label
),

of_images as (
    select
        p.image_id,
        sum(p.in_first) as first_labels,
        sum(p.in_second) as second_labels,
        sum(p.in_first * p.in_second) as common_labels
    from pairs as p
    group by p.image_id
),

counted as (
    select
        count(case when o.first_labels > 0 and o.second_labels > 0 then 1 end) as images,
        count(
            case
                when o.common_labels = o.first_labels and o.common_labels = o.second_labels then 1
            end
        ) as equal_images,
        count(
            case
                when
                    o.second_labels > 0 and o.common_labels = o.second_labels
                    and o.first_labels > o.second_labels
                    then 1
            end
        ) as larger_images,
        count(
            case
                when
                    o.first_labels > 0 and o.common_labels = o.first_labels
                    and o.first_labels < o.second_labels
                    then 1
            end
        ) as smaller_images,
        count(
            case
                when
                    o.common_labels > 0 and o.common_labels < o.first_labels
                    and o.common_labels < o.second_labels
                    then 1
            end
        ) as overlapping_images,
        count(
            case
                when o.first_labels > 0 and o.second_labels > 0 and o.common_labels = 0 then 1
            end
        ) as disjoint_images,
        sum(case when o.first_labels > 0 and o.second_labels > 0 then o.common_labels end)
            as common_labels,
        sum(
            case
                when o.first_labels > 0 and o.second_labels > 0
                    then o.first_labels + o.second_labels - o.common_labels
            end
        ) as all_labels,
        count(case when o.second_labels = 0 and j.by_second = 1 then 1 end) as only_first_images,
        count(case when o.first_labels = 0 and j.by_first = 1 then 1 end) as only_second_images
    from of_images as o
    inner join judged as j on o.image_id = j.image_id
),

seconds_verdicts as (
    select
        a.image_id,
        a.label,
        a.verdict
    from assessments as a
    where a.label_set = $second_set
),

called as (
    select
        f.image_id,
        f.label,
        max(case when v.verdict = 'correct' then 1 else 0 end) as is_correct,
        max(case when v.verdict = 'unclear' then 1 else 0 end) as is_unclear,
        max(case when v.verdict = 'wrong' then 1 else 0 end) as is_wrong
    from firsts as f
    inner join judged as j on f.image_id = j.image_id
    left join seconds_verdicts as v on f.image_id = v.image_id and f.label = v.label
    where j.by_second = 1
    group by f.image_id, f.label
),

summed as (
    select
        count(*) as labels,
        coalesce(sum(c.is_correct), 0) as correct_labels,
        coalesce(sum(c.is_unclear), 0) as unclear_labels,
        coalesce(sum(c.is_wrong), 0) as wrong_labels,
        count(case when c.is_correct + c.is_unclear + c.is_wrong = 0 then 1 end)
            as not_judged_labels
    from called as c
)

select
    c.images,
    c.equal_images,
    c.larger_images,
    c.smaller_images,
    c.overlapping_images,
    c.disjoint_images,
    cast(c.common_labels as double) / nullif(c.all_labels, 0) as jaccard,
    c.only_first_images,
    c.only_second_images,
    s.labels,
    cast(s.correct_labels as bigint) as correct_labels,
    cast(s.unclear_labels as bigint) as unclear_labels,
    cast(s.wrong_labels as bigint) as wrong_labels,
    s.not_judged_labels
from counted as c
cross join summed as s
