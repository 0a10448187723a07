-- The images whose raters agree on every question.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, rated_questions
-- rule: for every question about the image that has votes, all raters gave the same answer. This is
--   the opposite extreme of contested; many images are in neither view
-- source: raters.npz; the definition is ours
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL if the store has no original labels
-- label_count: the number of its ReaL labels
-- first_label: its first ReaL label in the order of real.json; NULL if it has none
-- questions: the number of questions about it that have votes
-- yes_questions: the number of these questions that all raters answered with yes
with agreed as (
    select
        image_id,
        count(*) as questions,
        count(case when no_votes + maybe_votes = 0 then 1 end) as yes_questions
    from rated_questions
    where no_votes is not null
    group by image_id
    having
        count(
            case
                when
                    no_votes + maybe_votes = 0
                    or no_votes + yes_votes = 0
                    or maybe_votes + yes_votes = 0
                    then 1
            end
        ) = count(*)
)

select
    i.image_id,
    i.file_name,
    i.original_label,
    i.label_count,
    i.first_label,
    a.questions,
    a.yes_questions
from image_labels as i
inner join agreed as a on i.image_id = a.image_id
