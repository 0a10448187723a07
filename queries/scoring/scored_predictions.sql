-- Each prediction judged against both label sets.
--
-- grain: one row per model and predicted image
-- key: model, image_id
-- reads: predictions, images, labels
-- rule: a prediction is right if its label is among the image's ReaL labels, whichever; top-5
--   counts any hit among ranks 1-5 and is known only where the model gives all five
-- source: Section 4 of the paper (ReaL accuracy); the ILSVRC 2012 rule for the original labels
-- model: the prediction set's name
-- image_id: the image
-- label: the model's first choice (rank 1)
-- confidence: its confidence in it; NULL where the file has none
-- original_label: the image's ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels the image has
-- is_original_correct: the first choice is the original label; NULL where the store has none
-- is_real_correct: the first choice is among the ReaL labels; NULL where the image has none, so
--   that original accuracy keeps its own denominator
-- is_original_top5_correct: one of ranks 1-5 is the original label; NULL without all five, or
--   where the store has no original label
-- is_real_top5_correct: one of ranks 1-5 is among the ReaL labels; NULL without all five, or where
--   the image has none
-- has_five_ranks: the model gives the image all of ranks 1-5, so that top-5 can be judged
with counted as (
    select
        image_id,
        count(*) as label_count
    from labels
    group by image_id
),

-- Only where there is a rank 5: a model without ranks costs nothing here.
fives as (
    select
        model,
        image_id
    from predictions
    where rank = 5
),

top5 as (
    select
        p.model,
        p.image_id,
        bool_or(l.label is not null) as is_real_hit,
        bool_or(p.label = i.original_label) as is_original_hit
    from fives as f
    inner join predictions as p on f.model = p.model and f.image_id = p.image_id
    inner join images as i on p.image_id = i.image_id
    left join labels as l on p.image_id = l.image_id and p.label = l.label
    where p.rank <= 5
    group by p.model, p.image_id
    having count(*) = 5
)

select
    p.model,
    p.image_id,
    p.label,
    p.confidence,
    i.original_label,
    coalesce(c.label_count, 0) as label_count,
    p.label = i.original_label as is_original_correct,
    case when c.label_count > 0 then l.label is not null end as is_real_correct,
    t.is_original_hit as is_original_top5_correct,
    case when c.label_count > 0 then t.is_real_hit end as is_real_top5_correct,
    t.image_id is not null as has_five_ranks
from predictions as p
inner join images as i on p.image_id = i.image_id
left join counted as c on p.image_id = c.image_id
left join labels as l on p.image_id = l.image_id and p.label = l.label
left join top5 as t on p.model = t.model and p.image_id = t.image_id
where p.rank = 1
