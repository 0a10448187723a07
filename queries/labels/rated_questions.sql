-- The questions with the numbers of their votes, their scores, and whether the label was kept.
--
-- grain: one row per question, an (image, label) pair
-- key: image_id, label
-- reads: questions, votes, scores, labels, images
-- rule: the votes are those of the main round. is_real is true exactly if score >= 0.8
-- source: raters.npz, scores.npz, real.json
-- image_id: the image
-- label: the class id asked about
-- no_votes: the number of raters who answered no; NULL if the store has no votes on the question
-- maybe_votes: the number of raters who answered maybe; NULL if the store has no votes on the
--   question
-- yes_votes: the number of raters who answered yes; NULL if the store has no votes on the question
-- score: the published score: the estimated probability that the label is right
-- is_real: the label is one of the image's ReaL labels
-- is_original: the label is the image's ILSVRC 2012 label; NULL if the store has no original labels
with counted as (
    select
        v.image_id,
        v.label,
        count(case when v.answer = 'no' then 1 end) as no_votes,
        count(case when v.answer = 'maybe' then 1 end) as maybe_votes,
        count(case when v.answer = 'yes' then 1 end) as yes_votes
    from votes as v
    where v.round = 'main'
    group by v.image_id, v.label
)

select
    q.image_id,
    q.label,
    c.no_votes,
    c.maybe_votes,
    c.yes_votes,
    s.score,
    l.label is not null as is_real,
    q.label = i.original_label as is_original
from questions as q
inner join images as i on q.image_id = i.image_id
left join scores as s on q.image_id = s.image_id and q.label = s.label
left join counted as c on q.image_id = c.image_id and q.label = c.label
left join labels as l on q.image_id = l.image_id and q.label = l.label
