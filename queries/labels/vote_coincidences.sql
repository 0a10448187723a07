-- The coincidences of answers for each question, which Krippendorff's alpha and Fleiss' kappa need.
--
-- grain: one row per question, an (image, label) pair, that has at least two votes
-- key: image_id, label
-- reads: votes
-- rule: for two different answers c and k the coincidences are n(c) n(k) / (m - 1), where m is the
--   question's number of votes and n(c) the number of votes for c. They are the same for k and c.
--   The views agreement and agreement_by_class add them up. A question with fewer than two votes
--   has no pair of votes, and no row
-- source: raters.npz; K. Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, the
--   coincidence matrix of section C
-- image_id: the image asked about
-- label: the class id asked about
-- votes: the number of votes in the main round
-- no_votes: the number of raters who answered no
-- maybe_votes: the number of raters who answered maybe
-- yes_votes: the number of raters who answered yes
-- no_maybe: the coincidences of no and maybe
-- no_yes: the coincidences of no and yes
-- maybe_yes: the coincidences of maybe and yes
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
