-- The number of differences between the published scores and labels and those computed from the
-- votes.
--
-- grain: one row
-- key: none
-- reads: recomputed_scores, relabelling
-- rule: with the published rules and files nothing differs: no score by 1e-12 or more, and no
--   label. The view relabelling has more about the labels, and nothing about the scores
-- source: raters.npz, raters_golden.npz, golden.npz and the original labels, compared with
--   scores.npz and real.json
-- questions: the number of questions with a published score
-- recomputed_questions: the number of these questions with a recomputed score
-- differing_scores: the number of these questions whose two scores differ by 1e-12 or more
-- largest_difference: the largest absolute difference between the two scores
-- published_labels: the number of labels in real.json
-- recomputed_labels: the number of labels computed from the votes
-- differing_labels: the number of labels that only one of the two has
with compared as (
    select
        count(s.published_score) as questions,
        count(s.difference) as recomputed_questions,
        count(case when abs(s.difference) >= 1e-12 then 1 end) as differing_scores,
        max(abs(s.difference)) as largest_difference
    from recomputed_scores as s
)

select
    c.questions,
    c.recomputed_questions,
    c.differing_scores,
    c.largest_difference,
    r.published_labels,
    r.recomputed_labels,
    r.added_labels + r.removed_labels as differing_labels
from compared as c
cross join relabelling as r
