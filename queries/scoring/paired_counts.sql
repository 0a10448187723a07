-- How often two models are right on the same images: both, only one of them, or neither.
--
-- grain: one row per label set and pair of models that have scored images in common
-- key: label_set, model_a, model_b
-- reads: scored_predictions
-- rule: only images count that both models predict and that have labels. The counts are the cells
--   of the table that McNemar's test reads (table paired_tests)
-- source: Q. McNemar (1947), Psychometrika 12, 153-157
-- label_set: real for the ReaL labels, original for the ILSVRC 2012 labels
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- images: images that both models were scored on
-- both_right: those on which both are right
-- only_a_right: those on which only model_a is right
-- only_b_right: those on which only model_b is right
-- both_wrong: those on which both are wrong

-- How it is made fast: 60 images at a time are packed into the bits of a whole number. A pair is
-- counted by the bits that its numbers share. To join the models on each image takes 20 times as
-- long for 50 models.
with marked as (
    select
        model,
        image_id - image_id % 60 as block,
        cast(1 as bigint) << (image_id % 60) as flag,
        is_real_correct,
        is_original_correct
    from scored_predictions
),

packed as (
    select
        model,
        block,
        bit_or(case when is_real_correct is null then 0 else flag end) as real_scored,
        bit_or(case when is_real_correct then flag else 0 end) as real_right,
        bit_or(case when is_original_correct is null then 0 else flag end) as original_scored,
        bit_or(case when is_original_correct then flag else 0 end) as original_right
    from marked
    group by model, block
),

blocks as (
    select
        'real' as label_set,
        model,
        block,
        real_scored as scored,
        real_right as is_right
    from packed
    union all
    select
        'original' as label_set,
        model,
        block,
        original_scored as scored,
        original_right as is_right
    from packed
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
