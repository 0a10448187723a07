-- Each prediction judged against both label sets.
--
-- grain: one row per model and predicted image
-- key: model, image_id
-- reads: predictions, labels, image_labels
-- rule: a prediction is right if its label is among the image's ReaL labels, whichever; top-5 counts
--   any hit among ranks 1-5 and is known only where the model gives all five
-- source: Section 4 of the paper (ReaL accuracy); the ILSVRC 2012 rule for the original labels
-- model: the prediction set's name
-- image_id: the image
-- label: the model's first choice (rank 1)
-- confidence: its confidence in it; NULL where the file has none
-- original_label: the image's ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels the image has
-- is_original_correct: the first choice is the original label; NULL where the store has none
-- is_real_correct: the first choice is among the ReaL labels; NULL where the image has none, so that
--   original accuracy keeps its own denominator
-- is_original_top5_correct: one of ranks 1-5 is the original label; NULL without all five, or
--   where the store has no original label
-- is_real_top5_correct: one of ranks 1-5 is among the ReaL labels; NULL without all five, or where
--   the image has none
with judged as (
    select
        p.model,
        p.image_id,
        max(case when p.rank = 1 then p.label end) as label,
        max(case when p.rank = 1 then p.confidence end) as confidence,
        bool_or(p.rank = 1 and l.label is not null) as is_hit,
        bool_or(l.label is not null) as is_top5_hit,
        bool_or(p.label = i.original_label) as is_original_top5_hit,
        count(*) = 5 as has_top5,
        max(i.original_label) as original_label,
        max(i.label_count) as label_count
    from predictions as p
    inner join image_labels as i on p.image_id = i.image_id
    left join labels as l on p.image_id = l.image_id and p.label = l.label
    where p.rank <= 5
    group by p.model, p.image_id
)

select
    model,
    image_id,
    label,
    confidence,
    original_label,
    label_count,
    label = original_label as is_original_correct,
    case when label_count > 0 then is_hit end as is_real_correct,
    case when has_top5 then is_original_top5_hit end as is_original_top5_correct,
    case when has_top5 and label_count > 0 then is_top5_hit end as is_real_top5_correct
from judged
