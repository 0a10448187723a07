-- How often two models are right on the same images, by each label set.
--
-- grain: one row per label set and pair of models that have scored images in common
-- key: label_set, model_a, model_b
-- reads: choices_by_label_set
-- rule: only images count that both models predict and that have a label in the set. The counts are
--   the cells of the table that McNemar's test reads (table paired_tests_by_label_set)
-- source: Q. McNemar (1947), Psychometrika 12, 153-157
-- label_set: the label set
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- images: images that both models were scored on
-- both_right: those on which both are right
-- only_a_right: those on which only model_a is right
-- only_b_right: those on which only model_b is right
-- both_wrong: those on which both are wrong

-- How it is made fast: as in paired_counts, 60 images are packed into the bits of a whole number.
with blocks as (
    select
        label_set,
        model,
        image_id - image_id % 60 as block,
        bit_or(cast(1 as bigint) << (image_id % 60)) as scored,
        bit_or(case when is_right then cast(1 as bigint) << (image_id % 60) else 0 end) as is_right
    from choices_by_label_set
    group by label_set, model, image_id - image_id % 60
),

counted as (
    select
        a.label_set,
        a.model as model_a,
        b.model as model_b,
        sum(bit_count(a.scored & b.scored)) as images,
        sum(bit_count(a.is_right & b.is_right)) as both_right,
        sum(bit_count(a.is_right & b.scored)) as a_right,
        sum(bit_count(a.scored & b.is_right)) as b_right
    from blocks as a
    inner join blocks as b
        on a.label_set = b.label_set and a.block = b.block and a.model < b.model
    group by a.label_set, a.model, b.model
)

select
    label_set,
    model_a,
    model_b,
    cast(images as bigint) as images,
    cast(both_right as bigint) as both_right,
    cast(a_right - both_right as bigint) as only_a_right,
    cast(b_right - both_right as bigint) as only_b_right,
    cast(images - a_right - b_right + both_right as bigint) as both_wrong
from counted
where images > 0
