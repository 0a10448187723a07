-- How far the raters agree, beyond chance: on all questions, on those about animals, on all others.
--
-- grain: one row for all questions, one for those about animals, one for all others
-- key: is_animal
-- reads: vote_coincidences
-- rule: with n(c) votes for the answer c, n votes in all and o(c, k) coincidences, each summed over
--   the questions of the row, alpha is
--   1 - (n - 1) sum o(c, k) d(c, k) / sum n(c) n(k) d(c, k), over the pairs of different answers;
--   d is 1 for the nominal alpha, and for the ordinal one the square of the distance between the
--   answers' middle ranks among the n votes, no before maybe before yes. Fleiss' kappa is
--   (observed - expected) / (1 - expected) agreement, sum (n(c) / n)^2 being expected. A
--   question is about an animal if the class asked about is one, whatever the original label
-- source: K. Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; J. L. Fleiss (1971),
--   Psychological Bulletin 76, 378-382
-- is_animal: the questions are those about animals (class ids below 398); false for all others;
--   NULL in the row over all questions
-- images: how many images the questions are about
-- questions: how many questions have at least two votes in the main round; others are left out
-- votes: how many votes those have
-- observed_agreement: share of agreeing pairs among the pairs of votes on the same question; a pair
--   on a question of m votes weighs 1 / (m - 1)
-- nominal_alpha: Krippendorff's alpha, any two different answers being equally far apart; 1 is
--   perfect agreement, 0 that of chance; NULL where all votes are the same answer
-- ordinal_alpha: Krippendorff's alpha, maybe standing between no and yes; NULL likewise
-- fleiss_kappa: Fleiss' kappa; NULL likewise, and unless all questions have as many votes
with placed as (
    select
        label < 398 as is_animal,
        image_id,
        votes,
        no_votes,
        maybe_votes,
        yes_votes,
        no_maybe,
        no_yes,
        maybe_yes
    from vote_coincidences
),

summed as (
    select
        is_animal,
        count(distinct image_id) as images,
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
    from placed
    group by grouping sets ((), (is_animal))
    having count(*) > 0
),

-- What was observed and what chance would give, up to a factor that both share.
compared as (
    select
        is_animal,
        images,
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
    is_animal,
    images,
    questions,
    votes,
    1 - 2 * nominal_observed / nullif(n, 0) as observed_agreement,
    1 - (n - 1) * nominal_observed / nullif(nominal_expected, 0) as nominal_alpha,
    1 - (n - 1) * ordinal_observed / nullif(ordinal_expected, 0) as ordinal_alpha,
    case
        when spread = 0 then 1 - n * nominal_observed / nullif(nominal_expected, 0)
    end as fleiss_kappa
from compared
