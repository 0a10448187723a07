-- The predictions of scored_predictions, judged with another rule for images without ReaL labels.
--
-- grain: one row per model and predicted image
-- key: model, image_id
-- reads: scored_predictions, judged_images
-- rule: an image without ReaL labels is left out (skip, the paper's rule), counts as wrong (wrong),
--   or is judged by its original label (original). Images that the label
--   set does not judge are always left out
-- source: Section 4 of the paper for skip; wrong and original are common mistakes in evaluation
--   code
-- $empty: skip, wrong or original
-- model: the name of the model
-- image_id: the image
-- label: the model's first choice (rank 1)
-- confidence: the model's confidence in its first choice; NULL if the file has none
-- original_label: the image's ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of ReaL labels of the image
-- is_original_correct: the first choice is the original label; NULL if the store has no original
--   labels
-- is_real_correct: the first choice is right under the rule; NULL if the rule leaves the image out,
--   or if it judges by the original label and the store has none
-- is_original_top5_correct: one of ranks 1-5 is the original label; NULL without all five ranks, or
--   if the store has no original labels
-- is_real_top5_correct: one of ranks 1-5 is right under the rule; NULL without all five ranks, if
--   the rule leaves the image out, or if it judges by the original label and the store has none
-- has_five_ranks: the image has all of ranks 1-5 from the model, which top-5 needs
with known as (
    select
        s.model,
        s.image_id,
        s.label,
        s.confidence,
        s.original_label,
        s.label_count,
        s.is_original_correct,
        s.is_real_correct,
        s.is_original_top5_correct,
        s.is_real_top5_correct,
        s.has_five_ranks,
        j.image_id is not null as is_judged
    from scored_predictions as s
    left join judged_images as j on s.image_id = j.image_id
)

select
    model,
    image_id,
    label,
    confidence,
    original_label,
    label_count,
    is_original_correct,
    case
        when label_count > 0 then is_real_correct
        when not is_judged then null
        when $empty = 'wrong' then false
        when $empty = 'original' then is_original_correct
    end as is_real_correct,
    is_original_top5_correct,
    case
        when label_count > 0 then is_real_top5_correct
        when not is_judged then null
        when $empty = 'wrong' and has_five_ranks then false
        when $empty = 'original' then is_original_top5_correct
    end as is_real_top5_correct,
    has_five_ranks
from known
