-- The ReaL accuracy of each model at 99 thresholds, 0.01 to 0.99, in one pass.
--
-- grain: one row per model and threshold
-- key: model, threshold
-- reads: predictions, images, scores, labels
-- rule: at each threshold the labels are those of the view labels_at, and images without labels are
--   left out. A score that equals the threshold counts, both rounded to 12 decimals
-- source: Section 3 of the paper for the operating point
-- model: the prediction set's name
-- threshold: the lowest score that makes a label
-- real_accuracy: correct_images / scored_images; NULL where nothing was scored
-- correct_images: scored images whose first choice is among their labels
-- scored_images: predicted images that have labels

-- How it is made fast: of each label the highest of the 99 thresholds that keeps it is found, of
-- each image that of its labels. A prediction is scored up to one, and right up to the other:
-- counts of both give all thresholds.
with steps as (
    select
        image_id,
        label,
        round(score, 12) as score,
        floor(score * 1e2) as step
    from scores
    union all
    -- An image that was not rated keeps its labels at every threshold.
    select
        l.image_id,
        l.label,
        1e0 as score,
        1e2 as step
    from labels as l
    inner join images as i on l.image_id = i.image_id
    where not i.is_rated
),

kept as (
    select
        image_id,
        label,
        -- The product may be off by its last digit: the neighbours decide.
        max(
            case
                when score >= round((step + 1e0) / 1e2, 12) then step + 1e0
                when score >= round(step / 1e2, 12) then step
                else step - 1e0
            end
        ) as step
    from steps
    group by image_id, label
),

image_steps as (
    select
        image_id,
        max(step) as step
    from kept
    group by image_id
),

counted as (
    select
        p.model,
        i.step as scored_step,
        k.step as right_step,
        count(*) as images
    from predictions as p
    inner join image_steps as i on p.image_id = i.image_id
    left join kept as k on p.image_id = k.image_id and p.label = k.label
    where p.rank = 1
    group by p.model, i.step, k.step
),

thresholds as (
    select unnest(range(1, 100)) as step
),

models as (
    select distinct model
    from predictions
    where rank = 1
),

summed as (
    select
        m.model,
        t.step / 1e2 as threshold,
        cast(
            coalesce(sum(case when c.scored_step >= t.step then c.images end), 0) as bigint
        ) as scored_images,
        cast(
            coalesce(sum(case when c.right_step >= t.step then c.images end), 0) as bigint
        ) as correct_images
    from models as m
    cross join thresholds as t
    left join counted as c on m.model = c.model
    group by m.model, t.step
)

select
    model,
    threshold,
    cast(correct_images as double) / nullif(scored_images, 0) as real_accuracy,
    correct_images,
    scored_images
from summed
