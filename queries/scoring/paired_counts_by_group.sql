-- The counts of the view paired_counts, within the groups of images.
--
-- grain: one row per grouping, group, label set and pair of models with scored images in common
-- key: grouping, group_name, label_set, model_a, model_b
-- reads: scored_predictions, grouped_images
-- rule: only images of the group count that both models predict and that have labels
-- source: the view paired_counts; the groups are those of the view grouped_images
-- grouping: class, animal, label-count, or the name of a stored grouping
-- group_name: the group
-- label_set: real for the ReaL labels, original for the ILSVRC 2012 labels
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- images: images of the group that both models were scored on
-- both_right: those on which both are right
-- only_a_right: those on which only model_a is right
-- only_b_right: those on which only model_b is right
-- both_wrong: those on which both are wrong
with judged as (
    select
        'real' as label_set,
        model,
        image_id,
        is_real_correct as is_right
    from scored_predictions
    where is_real_correct is not null
    union all
    select
        'original' as label_set,
        model,
        image_id,
        is_original_correct as is_right
    from scored_predictions
    where is_original_correct is not null
)

select
    g.grouping,
    g.group_name,
    a.label_set,
    a.model as model_a,
    b.model as model_b,
    count(*) as images,
    count(case when a.is_right and b.is_right then 1 end) as both_right,
    count(case when a.is_right and not b.is_right then 1 end) as only_a_right,
    count(case when not a.is_right and b.is_right then 1 end) as only_b_right,
    count(case when not a.is_right and not b.is_right then 1 end) as both_wrong
from judged as a
inner join judged as b
    on a.label_set = b.label_set and a.image_id = b.image_id and a.model < b.model
inner join grouped_images as g on a.image_id = g.image_id
group by g.grouping, g.group_name, a.label_set, a.model, b.model
