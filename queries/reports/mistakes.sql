-- Each wrong first choice of a model, and what the raters' answers say of it.
--
-- grain: one row per model and image whose first choice is wrong by the ReaL labels
-- key: model, image_id
-- reads: scored_predictions, unasked_predictions, rated_questions
-- rule: the category is the first that applies: never asked (view unasked_predictions), original
--   label (the choice is the image's original label, which the raters rejected), rejected (at least
--   3 raters answered no), other
-- source: ours, after Section 5 of the paper
-- model: the prediction set's name
-- image_id: the image
-- label: the model's first choice
-- confidence: its confidence in it; NULL where the file has none
-- original_label: the image's ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels the image has
-- category: never asked, original label, rejected or other
-- no_votes: how many raters answered no to the choice; NULL where it was no question
-- maybe_votes: how many answered maybe
-- yes_votes: how many answered yes
-- score: the score of the choice; NULL where none is known
select
    s.model,
    s.image_id,
    s.label,
    s.confidence,
    s.original_label,
    s.label_count,
    case
        when u.image_id is not null then 'never asked'
        when s.is_original_correct then 'original label'
        when q.no_votes >= 3 then 'rejected'
        else 'other'
    end as category,
    q.no_votes,
    q.maybe_votes,
    q.yes_votes,
    q.score
from scored_predictions as s
left join unasked_predictions as u on s.model = u.model and s.image_id = u.image_id
left join rated_questions as q on s.image_id = q.image_id and s.label = q.label
where not s.is_real_correct
