-- How good each rater is: against the experts, against the other raters, and against real.json.
--
-- grain: one row per rater (no expert, none left out)
-- key: rater_id
-- reads: counted_votes, rater_evidence, golden_truths, labels
-- rule: a 'maybe' is neither yes nor no, and so wrong for sensitivity, specificity and
--   real_agreement; the agreements are with votes of the main round, the rater's own taken out, and
--   with the published labels, which these very votes made, the rater's own among them
-- source: raters.npz, raters_golden.npz, golden.npz, real.json; sensitivity, specificity and
--   logarithmic loss as usual, the agreements are ours
-- rater_id: the rater
-- votes: the rater's answers in the main round
-- no_share: share of the votes that are no; NULL without votes, as the next two
-- maybe_share: share that are maybe
-- yes_share: share that are yes
-- majority_votes: votes on questions where one answer leads among the other raters: more of them
--   gave it than any other; a tie for the lead has no majority
-- majority_agreement: share of the majority_votes that are that answer, of the three; NULL without
--   any
-- real_agreement: share of the votes that are yes on a label of real.json or no on another; NULL
--   without votes
-- golden_answers: the rater's answers to golden questions; the columns below are NULL where 0
-- sensitivity: share of yes among the answers to valid golden questions
-- specificity: share of no among the answers to invalid ones
-- log_loss: how much the truth of a golden question surprises one who knows the prior and this
--   rater's answer alone: the mean of ln(1 + exp(-s (prior + log_likelihood_ratio))) in nats,
--   s = 1 if valid, else -1; in-sample, the ratio was counted on these very answers; the prior
--   alone has 0.525
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

-- With the counts of the other raters on the question, the vote's own taken out.
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

-- NULL, and with it every log_loss, where all golden questions are valid or none is.
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
