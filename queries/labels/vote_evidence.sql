-- The votes of the main round with their weights, which add up to the scores.
--
-- grain: one row per vote of the main round that counts
-- key: image_id, label, rater_id
-- reads: counted_votes, rater_evidence
-- rule: the weight of a vote is the log-likelihood ratio of that rater and that answer in
--   rater_evidence
-- source: raters.npz, raters_golden.npz, golden.npz
-- image_id: the image asked about
-- label: the class id asked about
-- rater_id: the rater
-- answer: no, maybe or yes
-- log_likelihood_ratio: the number that the vote adds to the log-odds of the label, in nats
-- is_average: the rater answered no golden question, and the weight comes from the mean of the
--   others
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
