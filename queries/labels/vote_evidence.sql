-- Each vote of the main round with what it weighs: the raters' shares of the scores.
--
-- grain: one row per vote of the main round that is counted
-- key: image_id, label, rater_id
-- reads: counted_votes, rater_evidence
-- rule: a vote weighs what that rater's answer weighs on the golden questions
-- source: raters.npz, raters_golden.npz, golden.npz
-- image_id: the image asked about
-- label: the class id asked about
-- rater_id: who answered
-- answer: no, maybe or yes
-- log_likelihood_ratio: what the answer adds to the log-odds of the label, in nats
-- is_average: the rater answered no golden question: the weight is the other raters' average
select
    v.image_id,
    v.label,
    v.rater_id,
    v.answer,
    e.log_likelihood_ratio,
    e.is_average
from counted_votes as v
inner join rater_evidence as e on v.rater_id = e.rater_id and v.answer = e.answer
where v.round = 'main'
