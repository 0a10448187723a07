-- Each question's votes as coincidences: how often its raters gave the same two answers or others.
--
-- grain: one row per question, an (image, label) pair, that has at least two votes
-- key: image_id, label
-- reads: votes
-- rule: of two answers c and k that differ, the coincidences are n(c) n(k) / (m - 1), m being the
--   question's votes and n(c) those for c; the coincidences of k and c are as many; a question with
--   fewer than two votes has no pair to compare and no row. Summed over questions they are all that
--   alpha and kappa need, see agreement
-- source: raters.npz; K. Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, the
--   coincidence matrix of section C
-- image_id: the image asked about
-- label: the class id asked about
-- votes: how many raters answered in the main round
-- no_votes: how many said no
-- maybe_votes: how many said maybe
-- yes_votes: how many said yes
-- no_maybe: the coincidences of no and maybe
-- no_yes: those of no and yes
-- maybe_yes: those of maybe and yes
with counted as (
    select
        v.image_id,
        v.label,
        count(*) as votes,
        count(case when v.answer = 'no' then 1 end) as no_votes,
        count(case when v.answer = 'maybe' then 1 end) as maybe_votes,
        count(case when v.answer = 'yes' then 1 end) as yes_votes
    from votes as v
    where v.round = 'main'
    group by v.image_id, v.label
)

select
    c.image_id,
    c.label,
    c.votes,
    c.no_votes,
    c.maybe_votes,
    c.yes_votes,
    cast(c.no_votes * c.maybe_votes as double) / nullif(c.votes - 1, 0) as no_maybe,
    cast(c.no_votes * c.yes_votes as double) / nullif(c.votes - 1, 0) as no_yes,
    cast(c.maybe_votes * c.yes_votes as double) / nullif(c.votes - 1, 0) as maybe_yes
from counted as c
where c.votes >= 2
