-- How far two label sets agree: their labels as sets, image by image, and label by label.
--
-- grain: one row per ordered pair of different label sets that judge an image in common
-- key: label_set, other_set
-- reads: assessments, images
-- rule: the labels of a set are those that it calls correct. Problematic images are not left out.
--   ReaL judges every image, any other set those that it has a verdict on. equal_images to
--   disjoint_images are disjoint cases of the labelled_images, and what is left are images where
--   each set has a label of its own beside common ones. A label with two verdicts of other_set
--   counts under both
-- source: Jaccard's index is the number of common labels through that of all labels, over all
--   labelled_images
-- label_set: a label set
-- other_set: the label set that it is compared with
-- judged_images: images that both judge
-- labelled_images: images for which both have labels
-- equal_images: of these, those with the same labels
-- larger_images: those where label_set has the labels of other_set, and more
-- smaller_images: those where other_set has the labels of label_set, and more
-- disjoint_images: those without a common label
-- only_images: judged_images for which only label_set has labels
-- only_other_images: judged_images for which only other_set has labels
-- jaccard: common labels / all labels on the labelled_images; NULL where there are none
-- correct_labels: labels of label_set, on judged_images, that other_set calls correct
-- unclear_labels: those that it calls unclear
-- wrong_labels: those that it calls wrong
-- unjudged_labels: those that it has no verdict on
with judging as (
    select
        a.label_set,
        a.image_id
    from assessments as a
    union
    select
        'real' as label_set,
        i.image_id
    from images as i
),

labelled as (
    select distinct
        a.label_set,
        a.image_id,
        a.label
    from assessments as a
    where a.verdict = 'correct'
),

sizes as (
    select
        j.label_set,
        j.image_id,
        count(l.label) as labels
    from judging as j
    left join labelled as l on j.label_set = l.label_set and j.image_id = l.image_id
    group by j.label_set, j.image_id
),

shared as (
    select
        l.label_set,
        o.label_set as other_set,
        l.image_id,
        count(*) as labels
    from labelled as l
    inner join labelled as o on l.image_id = o.image_id and l.label = o.label
    where l.label_set <> o.label_set
    group by l.label_set, o.label_set, l.image_id
),

compared as (
    select
        s.label_set,
        o.label_set as other_set,
        s.labels,
        o.labels as other_labels,
        coalesce(c.labels, 0) as common_labels,
        s.labels > 0 and o.labels > 0 as is_labelled
    from sizes as s
    inner join sizes as o on s.image_id = o.image_id and s.label_set <> o.label_set
    left join shared as c
        on s.label_set = c.label_set and o.label_set = c.other_set and s.image_id = c.image_id
),

by_image as (
    select
        c.label_set,
        c.other_set,
        count(*) as judged_images,
        count(case when c.is_labelled then 1 end) as labelled_images,
        count(
            case
                when c.is_labelled and c.common_labels = c.labels and c.labels = c.other_labels
                    then 1
            end
        ) as equal_images,
        count(
            case
                when
                    c.is_labelled
                    and c.common_labels = c.other_labels
                    and c.labels > c.other_labels
                    then 1
            end
        ) as larger_images,
        count(
            case
                when c.is_labelled and c.common_labels = c.labels and c.labels < c.other_labels
                    then 1
            end
        ) as smaller_images,
        count(case when c.is_labelled and c.common_labels = 0 then 1 end) as disjoint_images,
        count(case when c.labels > 0 and c.other_labels = 0 then 1 end) as only_images,
        count(case when c.labels = 0 and c.other_labels > 0 then 1 end) as only_other_images,
        sum(case when c.is_labelled then c.common_labels end) as common_labels,
        sum(case when c.is_labelled then c.labels + c.other_labels - c.common_labels end)
            as all_labels
    from compared as c
    group by c.label_set, c.other_set
),

by_label as (
    select
        l.label_set,
        j.label_set as other_set,
        count(case when a.verdict = 'correct' then 1 end) as correct_labels,
        count(case when a.verdict = 'unclear' then 1 end) as unclear_labels,
        count(case when a.verdict = 'wrong' then 1 end) as wrong_labels,
        count(case when a.verdict is null then 1 end) as unjudged_labels
    from labelled as l
    inner join judging as j on l.image_id = j.image_id and l.label_set <> j.label_set
    left join assessments as a
        on j.label_set = a.label_set and l.image_id = a.image_id and l.label = a.label
    group by l.label_set, j.label_set
)

select
    i.label_set,
    i.other_set,
    i.judged_images,
    i.labelled_images,
    i.equal_images,
    i.larger_images,
    i.smaller_images,
    i.disjoint_images,
    i.only_images,
    i.only_other_images,
    cast(i.common_labels as double) / nullif(i.all_labels, 0) as jaccard,
    coalesce(l.correct_labels, 0) as correct_labels,
    coalesce(l.unclear_labels, 0) as unclear_labels,
    coalesce(l.wrong_labels, 0) as wrong_labels,
    coalesce(l.unjudged_labels, 0) as unjudged_labels
from by_image as i
left join by_label as l on i.label_set = l.label_set and i.other_set = l.other_set
