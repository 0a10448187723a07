-- Each question the raters were asked, with their votes and what came of them.
--
-- grain: one row per question, an (image, label) pair
-- key: image_id, label
-- reads: questions, votes, scores, labels, images
-- rule: the votes are those of the main round; is_real holds exactly where score >= 0.8
-- source: raters.npz, scores.npz, real.json
-- image_id: the image
-- label: the class id asked about
-- no_votes: how many raters said no; NULL where no vote on the question is known
-- maybe_votes: how many said maybe; NULL likewise
-- yes_votes: how many said yes; NULL likewise
-- score: how likely the label is right, given the votes
-- is_real: the label is one of the image's ReaL labels
-- is_original: the label is the image's ILSVRC 2012 label; NULL where the store has none
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
