-- Each model's prediction for an image, judged by the ReaL labels and by the original label.
--
-- grain: one row per model and predicted image
-- key: model, image_id
-- reads: predictions, scored_choices
-- rule: a prediction is right by the ReaL labels if it is any of the image's ReaL labels. Top-5
--   counts a hit among ranks 1-5, and needs all five ranks
-- source: Section 4 of the paper (ReaL accuracy); the ILSVRC 2012 rule for the original labels
-- model: the name of the model
-- image_id: the image
-- label: the model's first choice (rank 1)
-- confidence: the model's confidence in its first choice; NULL if the file has none
-- original_label: the image's ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of ReaL labels of the image
-- is_original_correct: the first choice is the original label; NULL if the store has no original
--   labels
-- is_real_correct: the first choice is among the ReaL labels; NULL if the image has none, and then
--   it counts only in the original accuracy
-- is_original_top5_correct: one of ranks 1-5 is the original label; NULL without all five ranks, or
--   if the store has no original labels
-- is_real_top5_correct: one of ranks 1-5 is among the ReaL labels; NULL without all five ranks, or
--   if the image has no ReaL labels
-- has_five_ranks: the image has all of ranks 1-5 from the model, which top-5 needs

-- How it is made fast:
-- 1. Most models have five ranks for all images or for none. Every image has a rank 1, so a model
--    with five times as many rows as images has five ranks for each. The ranks of each image are
--    counted only for the other models.
-- 2. If no row has rank 5, nothing is counted. The statistics of a Parquet file show this.
-- 3. Of the later ranks, only the hits are grouped by image.
with ranked as (
    select
        p.model,
        count_if(p.rank = 1) as images,
        count(*) as choices
    from predictions as p
    where
        p.rank <= 5
        and exists (
            select f.rank
            from predictions as f
            where f.rank = 5
        )
    group by p.model
    having max(p.rank) = 5
),

-- The complete models go through a list. DuckDB expects one row from it, and builds the hash table
-- of the join below from the models. Without the list it cannot estimate the number of models:
-- DuckDB 2.0.1 expected millions, and built a hash table of all first choices instead.
complete_list as (
    select list(r.model) as models
    from ranked as r
    where r.choices = 5 * r.images
),

complete as (
    select unnest(c.models) as model
    from complete_list as c
),

fives as (
    select
        p.model,
        p.image_id
    from predictions as p
    inner join ranked as r on p.model = r.model
    where p.rank <= 5 and r.choices < 5 * r.images
    group by p.model, p.image_id
    having count(*) = 5
),

later_hits as (
    select
        model,
        image_id,
        bool_or(is_original_correct) as is_original_hit,
        bool_or(is_real_correct) as is_real_hit
    from scored_choices
    where rank between 2 and 5 and (is_original_correct or is_real_correct)
    group by model, image_id
),

firsts as (
    select
        s.model,
        s.image_id,
        s.label,
        s.confidence,
        s.original_label,
        s.label_count,
        s.is_original_correct,
        s.is_real_correct,
        c.model is not null or f.image_id is not null as has_five_ranks
    from scored_choices as s
    left join complete as c on s.model = c.model
    left join fives as f on s.model = f.model and s.image_id = f.image_id
    where s.rank = 1
)

select
    f.model,
    f.image_id,
    f.label,
    f.confidence,
    f.original_label,
    f.label_count,
    f.is_original_correct,
    f.is_real_correct,
    case
        when f.has_five_ranks then f.is_original_correct or coalesce(h.is_original_hit, false)
    end as is_original_top5_correct,
    case
        when f.has_five_ranks then f.is_real_correct or coalesce(h.is_real_hit, false)
    end as is_real_top5_correct,
    f.has_five_ranks
from firsts as f
left join later_hits as h on f.model = h.model and f.image_id = h.image_id
