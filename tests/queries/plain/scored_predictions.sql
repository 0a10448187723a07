with images_choices as (
    select
        model,
        image_id,
        count(*) = 5 as has_five_ranks,
        bool_or(is_original_correct) as is_any_original_correct,
        bool_or(is_real_correct) as is_any_real_correct
    from scored_choices
    where rank between 1 and 5
    group by model, image_id
)

select
    s.model,
    s.image_id,
    s.label,
    s.confidence,
    s.original_label,
    s.label_count,
    s.is_original_correct,
    s.is_real_correct,
    case when c.has_five_ranks then c.is_any_original_correct end as is_original_top5_correct,
    case when c.has_five_ranks then c.is_any_real_correct end as is_real_top5_correct,
    c.has_five_ranks
from scored_choices as s
inner join images_choices as c on s.model = c.model and s.image_id = c.image_id
where s.rank = 1
