-- The standard error of the difference of two models, by what is resampled.
--
-- grain: one row per label set and pair of models with scored images in common
-- key: label_set, model_a, model_b
-- reads: paired_counts_by_group
-- rule: images are resampled from all images (images), within each class (within-classes), or with
--   the whole class that they belong to (classes). A class with one image adds nothing to the
--   second. Images without an original label have no class and are left out
-- source: W. G. Cochran (1977), Sampling Techniques, chapters 2, 5 and 9
-- label_set: real for the ReaL labels, original for the ILSVRC 2012 labels
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- images: images with a class that both models were scored on
-- classes: how many classes they belong to
-- difference: the accuracy of model_a less that of model_b
-- error_of_images: its standard error where images are resampled
-- error_within_classes: where they are resampled within each class
-- error_of_classes: where classes are
with classes as (
    select
        g.label_set,
        g.model_a,
        g.model_b,
        g.images,
        cast(g.only_a_right - g.only_b_right as double) as gain,
        cast(g.only_a_right + g.only_b_right as double) as squares
    from paired_counts_by_group as g
    where g.grouping = 'class'
),

totals as (
    select
        label_set,
        model_a,
        model_b,
        sum(images) as images,
        sum(gain) as gain,
        sum(squares) as squares
    from classes
    group by label_set, model_a, model_b
)

select
    t.label_set,
    t.model_a,
    t.model_b,
    cast(sum(c.images) as bigint) as images,
    count(*) as classes,
    max(t.gain / nullif(t.images, 0)) as difference,
    sqrt(max(t.squares - t.gain * t.gain / nullif(t.images, 0)))
    / nullif(max(t.images), 0) as error_of_images,
    sqrt(
        sum(
            coalesce(
                (c.squares - c.gain * c.gain / nullif(c.images, 0))
                * c.images / nullif(c.images - 1, 0),
                0e0
            )
        )
    ) / nullif(max(t.images), 0) as error_within_classes,
    sqrt(
        sum(
            (c.gain - c.images * t.gain / nullif(t.images, 0))
            * (c.gain - c.images * t.gain / nullif(t.images, 0))
        )
    ) / nullif(max(t.images), 0) as error_of_classes
from totals as t
inner join classes as c
    on t.label_set = c.label_set and t.model_a = c.model_a and t.model_b = c.model_b
group by t.label_set, t.model_a, t.model_b
