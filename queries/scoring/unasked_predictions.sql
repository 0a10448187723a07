-- The first choices that no rater was asked about. ReaL counts them as wrong, although nobody
-- judged them.
--
-- grain: one row per model and image whose first choice no rater was asked about
-- key: model, image_id
-- reads: predictions, images, labels, questions
-- rule: a first choice is unasked if the image was rated and no question asks about this label for
--   it. For an image that was not rated, the first choice is unasked if it is not the original
--   label, which is the only label that the image can have. Unrated images without a known original
--   label are left out
-- source: Section 3 of the paper: its models proposed the labels of the questions, so a model that
--   resembles one of them has few unasked predictions
-- model: the name of the model
-- image_id: the image
-- label: the model's first choice (rank 1)
-- confidence: the model's confidence in its first choice; NULL if the file has none
-- original_label: the image's ILSVRC 2012 label; NULL if the store has no original labels
-- is_rated: raters were asked about the image
-- is_scored: the image has ReaL labels, and the prediction counts as wrong
with labelled as (
    select distinct image_id
    from labels
)

select
    p.model,
    p.image_id,
    p.label,
    p.confidence,
    i.original_label,
    i.is_rated,
    s.image_id is not null as is_scored
from predictions as p
inner join images as i on p.image_id = i.image_id
left join questions as q on p.image_id = q.image_id and p.label = q.label
left join labelled as s on p.image_id = s.image_id
where
    p.rank = 1
    and ((i.is_rated and q.label is null) or (not i.is_rated and p.label <> i.original_label))
