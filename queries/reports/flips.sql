-- The images that only one of two models gets right, with both choices and the raters' votes.
--
-- grain: one row per pair of models and image that only one of them gets right
-- key: model_a, model_b, image_id
-- reads: scored_predictions, images, rated_questions
-- rule: right is what the ReaL labels say; an image without them is not judged. The votes on a
--   choice are NULL where it was no question to the raters
-- source: ours
-- model_a: a model
-- model_b: another, whose name is later in the order of the names
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels it has
-- right_model: which of the two models is right
-- label_a: the first choice of model_a
-- confidence_a: its confidence in it; NULL where the file has none
-- no_votes_a: how many raters answered no for label_a
-- maybe_votes_a: how many answered maybe
-- yes_votes_a: how many answered yes
-- score_a: the score of label_a; NULL where none is known
-- label_b: the first choice of model_b
-- confidence_b: its confidence in it; NULL where the file has none
-- no_votes_b: how many raters answered no for label_b
-- maybe_votes_b: how many answered maybe
-- yes_votes_b: how many answered yes
-- score_b: the score of label_b; NULL where none is known
select
    a.model as model_a,
    b.model as model_b,
    a.image_id,
    i.file_name,
    i.original_label,
    a.label_count,
    case when a.is_real_correct then a.model else b.model end as right_model,
    a.label as label_a,
    a.confidence as confidence_a,
    qa.no_votes as no_votes_a,
    qa.maybe_votes as maybe_votes_a,
    qa.yes_votes as yes_votes_a,
    qa.score as score_a,
    b.label as label_b,
    b.confidence as confidence_b,
    qb.no_votes as no_votes_b,
    qb.maybe_votes as maybe_votes_b,
    qb.yes_votes as yes_votes_b,
    qb.score as score_b
from scored_predictions as a
inner join scored_predictions as b on a.image_id = b.image_id and a.model < b.model
inner join images as i on a.image_id = i.image_id
left join rated_questions as qa on a.image_id = qa.image_id and a.label = qa.label
left join rated_questions as qb on b.image_id = qb.image_id and b.label = qb.label
where a.is_real_correct <> b.is_real_correct
