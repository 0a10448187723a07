-- The labels that one or more label sets make, for the images that they judge.
--
-- grain: one row per image and label; an image that is judged and has no label has one row, whose
--   label is NULL
-- key: image_id, label
-- reads: stored_assessments, image_flags, images, labels
-- rule: an image has a label if at least `votes` of the label sets call it correct. It is judged if
--   at least `judges` of them judge it; with `needs_labels`, if at least so many have a label for
--   it. ReaL judges every image, the original labels those that have one, and any other set those
--   that it has a verdict on. A set does not judge the images that `unclear` or `problematic`
--   leave out
-- source: the label sets (view assessments)
-- $label_sets: the names of the label sets, a list
-- $votes: how many of them must call a label correct
-- $judges: how many of them must judge an image
-- $needs_labels: whether only a set that has a label for an image counts among these
-- $unclear: what an unclear label counts as: right, wrong, or skip, which leaves out the images
--   that have one
-- $problematic: skip, which leaves out the images with the flag problematic, or keep
-- image_id: the image
-- label: the class id of a label that the image has; NULL where it has none
-- position: the label's place in the image's list, ascending from 0; NULL where there is no label
with real_images as (
    select i.image_id
    from images as i
    where list_contains(cast($label_sets as varchar[]), 'real')
),

verdicts as (
    select
        a.label_set,
        a.image_id,
        a.label,
        a.verdict = 'correct' or (a.verdict = 'unclear' and $unclear = 'right') as is_right,
        a.verdict = 'unclear' and $unclear = 'skip' as is_left_out
    from stored_assessments as a
    where list_contains(cast($label_sets as varchar[]), a.label_set)
    union all
    select
        'real' as label_set,
        i.image_id,
        l.label,
        l.label is not null as is_right,
        false as is_left_out
    from real_images as i
    left join labels as l on i.image_id = l.image_id
    union all
    select
        'original' as label_set,
        i.image_id,
        i.original_label as label,
        true as is_right,
        false as is_left_out
    from images as i
    where i.original_label is not null and list_contains(cast($label_sets as varchar[]), 'original')
),

left_out as (
    select
        v.label_set,
        v.image_id
    from verdicts as v
    where v.is_left_out
    union
    select
        f.label_set,
        f.image_id
    from image_flags as f
    where f.flag = 'problematic' and $problematic = 'skip'
),

kept as (
    select
        v.label_set,
        v.image_id,
        v.label,
        v.is_right
    from verdicts as v
    left join left_out as o on v.label_set = o.label_set and v.image_id = o.image_id
    where o.image_id is null
),

judging as (
    select
        k.image_id,
        count(distinct k.label_set) as judging_sets,
        count(distinct case when k.is_right then k.label_set end) as labelling_sets
    from kept as k
    group by k.image_id
),

judged as (
    select c.image_id
    from judging as c
    where
        case when cast($needs_labels as boolean) then c.labelling_sets else c.judging_sets end
        >= cast($judges as bigint)
),

correct as (
    select
        k.image_id,
        k.label,
        count(distinct k.label_set) as agreeing_sets
    from kept as k
    where k.is_right
    group by k.image_id, k.label
),

agreed as (
    select
        c.image_id,
        c.label
    from correct as c
    where c.agreeing_sets >= cast($votes as bigint)
)

select
    j.image_id,
    a.label,
    case
        when a.label is not null
            then cast(
                row_number() over (partition by j.image_id order by a.label) - 1 as smallint
            )
    end as position
from judged as j
left join agreed as a on j.image_id = a.image_id
