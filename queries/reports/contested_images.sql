-- The images whose raters contradict each other, with measures and the most contested question.
--
-- grain: one row per image with a contested question
-- key: image_id
-- reads: rated_questions, images
-- rule: a question is contested where at least two raters say no and at least two say yes: one who
--   differs may have slipped, two on either side have not. A question's disagreement is the share
--   of the pairs of its votes that differ; of an image's contested questions the one with the most
--   is shown, then the one whose score is nearest to 0.8, the published threshold, then the
--   lowest class id. The view contested lists the same images without the measures
-- source: raters.npz and scores.npz; the definition is ours
-- image_id: the image
-- file_name: its file name
-- original_label: its ILSVRC 2012 label; NULL where the store has none
-- questions: how many questions about it have votes
-- contested_questions: how many of them are contested
-- split_questions: how many have at least one no and one yes
-- mean_disagreement: the mean of the disagreement of its questions that have at least two votes
-- label: the class id that the most contested question asks about
-- no_votes: how many raters said no to it
-- maybe_votes: how many said maybe
-- yes_votes: how many said yes
-- disagreement: its disagreement, 0.6 or 0.8 where it has five votes
-- score: its score; NULL where none is known
-- is_real: its class is one of the image's ReaL labels
-- closest_label: the class id of the image's question whose score is nearest to 0.8, contested or
--   not; the lowest such class id; NULL without scores
-- closest_score: the score of that question
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
    -- The score may be NULL, and DuckDB's min_by skips rows where it is.
    max(case when o.place = 1 then o.score end) as score,
    min_by(o.is_real, o.place) as is_real,
    min_by(o.label, o.closeness) as closest_label,
    min_by(o.score, o.closeness) as closest_score
from ordered as o
inner join images as i on o.image_id = i.image_id
group by o.image_id, i.file_name, i.original_label
having count(case when o.is_contested then 1 end) > 0
