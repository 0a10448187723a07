select
    p.model,
    p.image_id,
    p.rank,
    p.label,
    p.confidence,
    i.original_label,
    (select count(*) from labels as l where l.image_id = p.image_id) as label_count,
    p.label = i.original_label as is_original_correct,
    case
        when exists (select 1 from labels as l where l.image_id = p.image_id)
            then exists (
                select 1 from labels as l where l.image_id = p.image_id and l.label = p.label
            )
    end as is_real_correct
from predictions as p
inner join images as i on p.image_id = i.image_id
