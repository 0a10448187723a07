-- The images whose raters contradict each other, with measures and the most contested question.
--
-- grain: one row per image with a contested question
-- key: image_id
-- reads: rated_questions, images
-- rule: a question is contested if at least two raters answer no and at least two answer yes: a
--   single different answer may be a slip. The disagreement of a question is the share of the pairs
--   of its votes that differ. The most contested question of an image is the contested one with the
--   largest disagreement, then with the score nearest to 0.8 (the published threshold), then with
--   the lowest class id. The view contested lists the same images without the measures
-- source: raters.npz and scores.npz; our definition
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL if the store has no original labels
-- questions: the number of questions about it that have votes
-- contested_questions: the number of these questions that are contested
-- split_questions: the number of these questions with at least one no and at least one yes
-- mean_disagreement: the mean disagreement of its questions with at least two votes
-- label: the class id of the most contested question
-- no_votes: the number of raters who answered no to that question
-- maybe_votes: the number of raters who answered maybe to it
-- yes_votes: the number of raters who answered yes to it
-- disagreement: its disagreement: 0.6 or 0.8 with five votes
-- score: its score; NULL if it has none
-- is_real: the class of the most contested question is one of the image's ReaL labels
-- closest_label: the class id of the image's question with the score nearest to 0.8, contested or
--   not; the lowest of several; NULL without scores
-- closest_score: the score of that question; NULL without scores
with measured as (
    select
        image_id,
        label,
        no_votes,
        maybe_votes,
        yes_votes,
        score,
        is_real,
        no_votes > 0 and yes_votes > 0 as is_split,
        no_votes >= 2 and yes_votes >= 2 as is_contested,
        abs(score - 8e-1) as distance,
        2e0 * (no_votes * maybe_votes + no_votes * yes_votes + maybe_votes * yes_votes)
        / nullif(
            (no_votes + maybe_votes + yes_votes) * (no_votes + maybe_votes + yes_votes - 1), 0
        ) as disagreement
    from rated_questions
    where no_votes is not null
),

ordered as (
    select
        image_id,
        label,
        no_votes,
        maybe_votes,
        yes_votes,
        score,
        is_real,
        is_split,
        is_contested,
        disagreement,
        case
            when score is not null
                then row_number() over (
                    partition by image_id
                    order by case when score is null then 1 else 0 end, distance, label
                )
        end as closeness,
        row_number() over (
            partition by image_id
            order by
                case when is_contested then 0 else 1 end asc,
                disagreement desc,
                case when score is null then 1 else 0 end asc,
                distance asc,
                label asc
        ) as place
    from measured
)

select
    o.image_id,
    i.file_name,
    i.original_label,
    count(*) as questions,
    count(case when o.is_contested then 1 end) as contested_questions,
    count(case when o.is_split then 1 end) as split_questions,
    avg(o.disagreement) as mean_disagreement,
    min_by(o.label, o.place) as label,
    min_by(o.no_votes, o.place) as no_votes,
    min_by(o.maybe_votes, o.place) as maybe_votes,
    min_by(o.yes_votes, o.place) as yes_votes,
    min_by(o.disagreement, o.place) as disagreement,
    -- The score may be NULL, and DuckDB's min_by skips NULLs.
    max(case when o.place = 1 then o.score end) as score,
    min_by(o.is_real, o.place) as is_real,
    min_by(o.label, o.closeness) as closest_label,
    min_by(o.score, o.closeness) as closest_score
from ordered as o
inner join images as i on o.image_id = i.image_id
group by o.image_id, i.file_name, i.original_label
having count(case when o.is_contested then 1 end) > 0
