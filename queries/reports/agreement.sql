-- The agreement of the raters beyond chance: on all questions, on animals and on all other classes.
--
-- grain: one row for all questions, one for questions about animals, one for all other questions
-- key: is_animal
-- reads: vote_coincidences
-- rule: n(c) is the number of votes for the answer c, n the number of all votes, and o(c, k) the
--   coincidences (view vote_coincidences), each summed over the questions of the row. Alpha is
--   1 - (n - 1) sum o(c, k) d(c, k) / sum n(c) n(k) d(c, k), over the pairs of different answers.
--   For the nominal alpha, d is 1. For the ordinal alpha, d is the square of the distance between
--   the mean ranks of the answers among the n votes, in the order no, maybe, yes. Fleiss' kappa is
--   (observed - expected) / (1 - expected) agreement, where expected is sum (n(c) / n)^2. A
--   question is about an animal if the class asked about is one; the original label does not matter
-- source: K. Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; J. L. Fleiss (1971),
--   Psychological Bulletin 76, 378-382
-- is_animal: true for the questions about animals (class ids below 398), false for all others; NULL
--   for the row over all questions
-- images: the number of images with such a question
-- questions: the number of questions with at least two votes in the main round; others are left out
-- votes: the number of votes on these questions
-- observed_agreement: the share of agreeing pairs among the pairs of votes on the same question.
--   The weight of a pair is 1 / (m - 1) for a question with m votes
-- nominal_alpha: Krippendorff's alpha with equal distances between all different answers; 1 is
--   perfect agreement, 0 is the agreement of chance; NULL if all votes are the same answer
-- ordinal_alpha: Krippendorff's alpha with maybe between no and yes; NULL if all votes are the same
--   answer
-- fleiss_kappa: Fleiss' kappa; NULL if all votes are the same answer, or if the questions differ in
--   their numbers of votes
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

-- The observed and the expected disagreement, both without the same constant factor.
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
