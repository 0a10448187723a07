-- How far the raters agree, beyond chance, on whether images show a class.
--
-- grain: one row per class asked about
-- key: label
-- reads: vote_coincidences, classes
-- rule: alpha and kappa as in agreement, of the questions about a class
-- source: K. Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; J. L. Fleiss (1971),
--   Psychological Bulletin 76, 378-382
-- label: the class asked about
-- wordnet_id: its WordNet id
-- name: its names
-- questions: how many questions, an image each, have at least two votes in the main round
-- votes: how many votes those have
-- observed_agreement: share of agreeing pairs among the pairs of votes on the same question; a pair
--   on a question of m votes weighs 1 / (m - 1)
-- nominal_alpha: Krippendorff's alpha, any two different answers being equally far apart; 1 is
--   perfect agreement, 0 that of chance; NULL where all votes are the same answer
-- ordinal_alpha: Krippendorff's alpha, maybe standing between no and yes; NULL likewise
-- fleiss_kappa: Fleiss' kappa; NULL likewise, and unless all questions have as many votes
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

-- What was observed and what chance would give, up to a factor that both share.
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
