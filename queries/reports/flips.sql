-- The images that only one of two models gets right, with both choices and the raters' votes.
--
-- grain: one row per pair of models and image that only one of them gets right
-- key: model_a, model_b, image_id
-- reads: flipped_images, rated_questions
-- rule: as in flipped_images. The votes on a choice are NULL where it was no question to the raters
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
    f.model_a,
    f.model_b,
    f.image_id,
    f.file_name,
    f.original_label,
    f.label_count,
    f.right_model,
    f.label_a,
    f.confidence_a,
    a.no_votes as no_votes_a,
    a.maybe_votes as maybe_votes_a,
    a.yes_votes as yes_votes_a,
    a.score as score_a,
    f.label_b,
    f.confidence_b,
    b.no_votes as no_votes_b,
    b.maybe_votes as maybe_votes_b,
    b.yes_votes as yes_votes_b,
    b.score as score_b
from flipped_images as f
left join rated_questions as a on f.image_id = a.image_id and f.label_a = a.label
left join rated_questions as b on f.image_id = b.image_id and f.label_b = b.label
