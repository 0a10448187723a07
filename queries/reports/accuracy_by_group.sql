-- How often each model is right, group by group, and how that compares with the whole grouping.
--
-- grain: one row per model, grouping and group that it gives a prediction for
-- key: model, grouping, group_name
-- reads: scored_predictions, class_groups, image_groups, image_flags
-- rule: as in accuracy, within the images of a group: the share of right first choices
--   among the predicted images that have ReaL labels; its interval is Wilson's,
--   (2np + z^2 -+ z sqrt(z^2 + 4np(1-p))) / (2n + 2z^2) with z = 1.959963984540054; a grouping of
--   classes groups images by their original label. The images of a grouping are those in any of
--   its groups; those of ImageNet-X's factor and top_factor are the annotated ones, with factors or
--   without, and no prototypes. The error ratio's interval is the delta method's on its logarithm,
--   with the images inside and outside the group as independent samples
-- source: Idrissi et al. 2022 (ImageNet-X) for the error ratio and for leaving prototypes out;
--   E. B. Wilson (1927), JASA 22, 209-212
-- model: the prediction set's name
-- grouping: the grouping, such as metaclass or factor
-- group_name: the group
-- real_accuracy: correct_images / scored_images; NULL where nothing was scored
-- real_accuracy_low: the lower end of its 95 % interval
-- real_accuracy_high: the upper end
-- correct_images: scored images whose first choice is among their ReaL labels
-- scored_images: predicted images of the group that have ReaL labels
-- original_accuracy: share of the predicted images whose first choice is the original label; NULL
--   where the store has no original labels
-- predicted_images: how many images of the group the model gives a prediction for
-- error_ratio: (1 - real_accuracy) / (1 - grouping_accuracy): above 1 the model errs more often in
--   this group; NULL where the grouping has no error
-- error_ratio_low: the lower end of its 95 % interval; NULL where the group has no error
-- error_ratio_high: the upper end
-- grouping_accuracy: the accuracy over all images of the grouping
-- grouping_images: how many images of the grouping are scored
with factored as (
    select distinct g.grouping
    from image_groups as g
    where g.grouping in ('factor', 'top_factor')
),

members as (
    select
        g.grouping,
        s.model,
        s.image_id,
        g.group_name,
        s.is_real_correct,
        s.is_original_correct
    from scored_predictions as s
    inner join class_groups as g on s.original_label = g.label
    union all
    select
        g.grouping,
        s.model,
        s.image_id,
        g.group_name,
        s.is_real_correct,
        s.is_original_correct
    from scored_predictions as s
    inner join image_groups as g on s.image_id = g.image_id
    left join image_flags as f on s.image_id = f.image_id and f.flag = 'prototype'
    where f.image_id is null or g.grouping not in ('factor', 'top_factor')
    union all
    -- The annotated images, of which some have no factor.
    select
        g.grouping,
        s.model,
        s.image_id,
        cast(null as varchar) as group_name,
        s.is_real_correct,
        s.is_original_correct
    from scored_predictions as s
    inner join image_flags as a on s.image_id = a.image_id and a.flag = 'annotated'
    left join image_flags as f on s.image_id = f.image_id and f.flag = 'prototype'
    cross join factored as g
    where f.image_id is null
),

judged as (
    select distinct
        m.model,
        m.grouping,
        m.image_id,
        m.is_real_correct
    from members as m
),

whole as (
    select
        j.model,
        j.grouping,
        count(j.is_real_correct) as scored_images,
        coalesce(count_if(j.is_real_correct), 0) as correct_images
    from judged as j
    group by j.model, j.grouping
),

counted as (
    select
        m.model,
        m.grouping,
        m.group_name,
        count(*) as predicted_images,
        count(m.is_real_correct) as scored_images,
        -- count_if is faster than count(case when ...). Of nothing but NULLs it is NULL in DuckDB
        -- and 0 in Spark.
        cast(coalesce(count_if(m.is_real_correct), 0) as bigint) as correct_images,
        count(m.is_original_correct) as original_images,
        coalesce(count_if(m.is_original_correct), 0) as original_correct_images
    from members as m
    where m.group_name is not null
    group by m.model, m.grouping, m.group_name
),

shares as (
    select
        c.model,
        c.grouping,
        c.group_name,
        c.predicted_images,
        c.scored_images,
        c.correct_images,
        w.scored_images as grouping_images,
        cast(c.scored_images as double) as n,
        1.959963984540054e0 as z,
        cast(c.correct_images as double) / nullif(c.scored_images, 0) as p,
        cast(c.original_correct_images as double) / nullif(c.original_images, 0)
            as original_accuracy,
        cast(w.correct_images as double) / nullif(w.scored_images, 0) as grouping_accuracy,
        cast(w.scored_images - w.correct_images as double) as errors,
        cast(w.scored_images - c.scored_images as double) as outside_images,
        cast(w.correct_images - c.correct_images as double) as outside_correct
    from counted as c
    inner join whole as w on c.model = w.model and c.grouping = w.grouping
),

-- The ratio's logarithm is ln(1 - p) - ln(errors / grouping_images). Its derivative by the errors
-- of the group is 1 / (n (1 - p)) - 1 / errors, by those outside it - 1 / errors.
derived as (
    select
        s.model,
        s.grouping,
        s.group_name,
        s.predicted_images,
        s.scored_images,
        s.correct_images,
        s.grouping_images,
        s.n,
        s.z,
        s.p,
        s.original_accuracy,
        s.grouping_accuracy,
        (1e0 - s.p) / nullif(1e0 - s.grouping_accuracy, 0) as error_ratio,
        1e0 / nullif(s.errors, 0) as outside_weight,
        1e0 / nullif(s.n * (1e0 - s.p), 0) - 1e0 / nullif(s.errors, 0) as inside_weight,
        s.n * s.p * (1e0 - s.p) as inside_variance,
        coalesce(
            s.outside_correct * (s.outside_images - s.outside_correct)
            / nullif(s.outside_images, 0),
            0
        ) as outside_variance
    from shares as s
),

deviations as (
    select
        d.model,
        d.grouping,
        d.group_name,
        d.predicted_images,
        d.scored_images,
        d.correct_images,
        d.grouping_images,
        d.n,
        d.z,
        d.p,
        d.original_accuracy,
        d.grouping_accuracy,
        d.error_ratio,
        sqrt(
            d.inside_weight * d.inside_weight * d.inside_variance
            + d.outside_weight * d.outside_weight * d.outside_variance
        ) as deviation
    from derived as d
)

select
    model,
    grouping,
    group_name,
    p as real_accuracy,
    (2e0 * n * p + z * z - z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as real_accuracy_low,
    (2e0 * n * p + z * z + z * sqrt(z * z + 4e0 * n * p * (1e0 - p)))
    / (2e0 * n + z * z + z * z) as real_accuracy_high,
    correct_images,
    scored_images,
    original_accuracy,
    predicted_images,
    error_ratio,
    error_ratio / nullif(exp(z * deviation), 0) as error_ratio_low,
    error_ratio * exp(z * deviation) as error_ratio_high,
    grouping_accuracy,
    grouping_images
from deviations
