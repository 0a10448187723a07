-- The quality of each rater, measured by the experts, by the other raters and by real.json.
--
-- grain: one row per rater, without experts and without the raters left out in pipeline_rules
-- key: rater_id
-- reads: counted_votes, rater_evidence, golden_truths, labels
-- rule: a maybe is neither yes nor no, and counts as wrong in sensitivity, specificity and
--   real_agreement. majority_agreement compares the rater with the other raters of a question,
--   without the rater's own vote. real_agreement compares with the published labels, to which the
--   rater's own vote contributed
-- source: raters.npz, raters_golden.npz, golden.npz, real.json; sensitivity, specificity and
--   logarithmic loss are as usual, and the two agreements are our definitions
-- rater_id: the rater
-- votes: the number of the rater's answers in the main round
-- no_share: the share of no among the votes; NULL without votes
-- maybe_share: the share of maybe among the votes; NULL without votes
-- yes_share: the share of yes among the votes; NULL without votes
-- majority_votes: the number of votes on questions where the other raters have a majority: one
--   answer is more frequent among them than each of the others. A tie for the first place is no
--   majority
-- majority_agreement: the share of the majority_votes that are the answer of the majority; NULL if
--   there are none
-- real_agreement: the share of the votes that are yes for a label of real.json or no for another
--   label; NULL without votes
-- golden_answers: the number of answers to golden questions; if it is 0, the columns below are NULL
-- sensitivity: the share of yes among the answers to valid golden questions
-- specificity: the share of no among the answers to invalid golden questions
-- log_loss: the mean of ln(1 + exp(-s (prior + log_likelihood_ratio))) over the rater's golden
--   answers, in nats; s is 1 for a valid question and -1 for an invalid one; prior is the log-odds
--   of a valid golden question. Lower is better, and the prior alone has 0.525. It is in-sample:
--   the ratios come from the same answers
with questions_votes as (
    select
        v.image_id,
        v.label,
        max(case when l.label is not null then 'yes' else 'no' end) as real_answer,
        count(case when v.answer = 'no' then 1 end) as no_votes,
        count(case when v.answer = 'maybe' then 1 end) as maybe_votes,
        count(case when v.answer = 'yes' then 1 end) as yes_votes
    from counted_votes as v
    left join labels as l on v.image_id = l.image_id and v.label = l.label
    where v.round = 'main'
    group by v.image_id, v.label
),

-- Each vote with the counts of the other raters' votes on the question.
beside_others as (
    select
        v.rater_id,
        v.answer,
        q.real_answer,
        q.no_votes - case when v.answer = 'no' then 1 else 0 end as no_others,
        q.maybe_votes - case when v.answer = 'maybe' then 1 else 0 end as maybe_others,
        q.yes_votes - case when v.answer = 'yes' then 1 else 0 end as yes_others
    from counted_votes as v
    inner join questions_votes as q on v.image_id = q.image_id and v.label = q.label
    where v.round = 'main'
),

compared as (
    select
        b.rater_id,
        b.answer,
        b.real_answer,
        case
            when b.no_others > b.maybe_others and b.no_others > b.yes_others then 'no'
            when b.maybe_others > b.no_others and b.maybe_others > b.yes_others then 'maybe'
            when b.yes_others > b.no_others and b.yes_others > b.maybe_others then 'yes'
        end as majority_answer
    from beside_others as b
),

counted as (
    select
        c.rater_id,
        count(*) as votes,
        count(case when c.answer = 'no' then 1 end) as no_votes,
        count(case when c.answer = 'maybe' then 1 end) as maybe_votes,
        count(case when c.answer = 'yes' then 1 end) as yes_votes,
        count(c.majority_answer) as majority_votes,
        count(case when c.answer = c.majority_answer then 1 end) as with_majority,
        count(case when c.answer = c.real_answer then 1 end) as with_real
    from compared as c
    group by c.rater_id
),

-- log_odds, and with it every log_loss, is NULL if all golden questions are valid or none is.
golden_odds as (
    select
        ln(nullif(count(case when g.is_valid then 1 end), 0))
        - ln(nullif(count(case when not g.is_valid then 1 end), 0)) as log_odds
    from golden_truths as g
),

golden as (
    select
        e.rater_id,
        sum(e.valid_answers) as valid_answers,
        sum(e.invalid_answers) as invalid_answers,
        sum(case when e.answer = 'yes' then e.valid_answers end) as valid_yes,
        sum(case when e.answer = 'no' then e.invalid_answers end) as invalid_no,
        sum(
            e.valid_answers * ln(1 + exp(-p.log_odds - e.log_likelihood_ratio))
            + e.invalid_answers * ln(1 + exp(p.log_odds + e.log_likelihood_ratio))
        ) as loss
    from rater_evidence as e
    cross join golden_odds as p
    group by e.rater_id
)

select
    g.rater_id,
    coalesce(c.votes, 0) as votes,
    cast(c.no_votes as double) / nullif(c.votes, 0) as no_share,
    cast(c.maybe_votes as double) / nullif(c.votes, 0) as maybe_share,
    cast(c.yes_votes as double) / nullif(c.votes, 0) as yes_share,
    coalesce(c.majority_votes, 0) as majority_votes,
    cast(c.with_majority as double) / nullif(c.majority_votes, 0) as majority_agreement,
    cast(c.with_real as double) / nullif(c.votes, 0) as real_agreement,
    cast(g.valid_answers + g.invalid_answers as bigint) as golden_answers,
    cast(g.valid_yes as double) / nullif(g.valid_answers, 0) as sensitivity,
    cast(g.invalid_no as double) / nullif(g.invalid_answers, 0) as specificity,
    g.loss / nullif(g.valid_answers + g.invalid_answers, 0) as log_loss
from golden as g
left join counted as c on g.rater_id = c.rater_id
