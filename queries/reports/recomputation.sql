-- Do the votes give the published scores and labels? The number of differences, in one row.
--
-- grain: one row
-- key: none
-- reads: recomputed_scores, relabelling
-- rule: with the published rules on the published files nothing differs: no score by 1e-12 or more,
--   no label. relabelling says more of the labels, and nothing of the scores
-- source: raters.npz, raters_golden.npz, golden.npz and the original labels, against scores.npz and
--   real.json
-- questions: questions that have a published score
-- recomputed_questions: those of them whose score the votes give
-- differing_scores: those whose scores differ by 1e-12 or more
-- largest_difference: the largest absolute difference of two scores
-- published_labels: labels in real.json
-- recomputed_labels: labels that the votes give
-- differing_labels: labels that only one of the two has
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
