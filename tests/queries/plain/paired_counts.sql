with judged as (
    select 'real' as label_set, model, image_id, is_real_correct as is_right
    from scored_predictions
    union all
    select 'original', model, image_id, is_original_correct
    from scored_predictions
)

select
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
where a.is_right is not null and b.is_right is not null
group by all
