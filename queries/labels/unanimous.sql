-- The images on which all raters agree, question by question.
--
-- grain: one row per image
-- key: image_id
-- reads: image_labels, rated_questions
-- rule: each question about the image that has votes got one and the same answer from all its
--   raters; the opposite of contested, with images between the two
-- source: raters.npz; the definition is ours
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- label_count: how many ReaL labels it has
-- first_label: the first of them in real.json's order; NULL where it has none
-- questions: how many questions about it have votes
-- yes_questions: how many of them all raters answered with yes
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
