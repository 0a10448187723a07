-- The agreement of the raters beyond chance on the questions about each class.
--
-- grain: one row per class asked about
-- key: label
-- reads: vote_coincidences, classes
-- rule: alpha and kappa as in agreement, over the questions about one class
-- source: K. Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; J. L. Fleiss (1971),
--   Psychological Bulletin 76, 378-382
-- label: the class asked about
-- wordnet_id: the WordNet id of the class
-- name: the names of the class
-- questions: the number of questions about the class, one per image, with at least two votes in the
--   main round
-- votes: the number of votes on these questions
-- observed_agreement: the share of agreeing pairs among the pairs of votes on the same question.
--   The weight of a pair is 1 / (m - 1) for a question with m votes
-- nominal_alpha: Krippendorff's alpha with equal distances between all different answers; 1 is
--   perfect agreement, 0 is the agreement of chance; NULL if all votes are the same answer
-- ordinal_alpha: Krippendorff's alpha with maybe between no and yes; NULL if all votes are the same
--   answer
-- fleiss_kappa: Fleiss' kappa; NULL if all votes are the same answer, or if the questions differ in
--   their numbers of votes
with summed as (
    select
        label,
        count(*) as questions,
        cast(sum(votes) as bigint) as votes,
        max(votes) - min(votes) as spread,
        cast(sum(votes) as double) as n,
        cast(sum(no_votes) as double) as n_no,
        cast(sum(maybe_votes) as double) as n_maybe,
        cast(sum(yes_votes) as double) as n_yes,
        sum(no_maybe) as no_maybe,
        sum(no_yes) as no_yes,
        sum(maybe_yes) as maybe_yes
    from vote_coincidences
    group by label
),

-- The observed and the expected disagreement, both without the same constant factor.
compared as (
    select
        label,
        questions,
        votes,
        spread,
        n,
        no_maybe + no_yes + maybe_yes as nominal_observed,
        n_no * n_maybe + n_no * n_yes + n_maybe * n_yes as nominal_expected,
        (
            no_maybe * (n_no + n_maybe) * (n_no + n_maybe)
            + no_yes * (n_no + 2 * n_maybe + n_yes) * (n_no + 2 * n_maybe + n_yes)
            + maybe_yes * (n_maybe + n_yes) * (n_maybe + n_yes)
        ) as ordinal_observed,
        (
            n_no * n_maybe * (n_no + n_maybe) * (n_no + n_maybe)
            + n_no * n_yes * (n_no + 2 * n_maybe + n_yes) * (n_no + 2 * n_maybe + n_yes)
            + n_maybe * n_yes * (n_maybe + n_yes) * (n_maybe + n_yes)
        ) as ordinal_expected
    from summed
)

select
    c.label,
    k.wordnet_id,
    k.name,
    c.questions,
    c.votes,
    1 - 2 * c.nominal_observed / nullif(c.n, 0) as observed_agreement,
    1 - (c.n - 1) * c.nominal_observed / nullif(c.nominal_expected, 0) as nominal_alpha,
    1 - (c.n - 1) * c.ordinal_observed / nullif(c.ordinal_expected, 0) as ordinal_alpha,
    case
        when c.spread = 0 then 1 - c.n * c.nominal_observed / nullif(c.nominal_expected, 0)
    end as fleiss_kappa
from compared as c
left join classes as k on c.label = k.label
