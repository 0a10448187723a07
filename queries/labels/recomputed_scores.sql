-- The score of each question, computed from the votes by a closed formula that reproduces
-- scores.npz.
--
-- grain: one row per question, an (image, label) pair
-- key: image_id, label
-- reads: questions, scores, vote_evidence, golden_truths, original_label_evidence, images, classes,
--   pipeline_rules
-- rule: recomputed_score = 1 / (1 + exp(-(prior_evidence + raters_evidence + original_evidence))).
--   Nothing is fitted or iterated. With the published rules the scores agree with scores.npz to
--   within 1e-12
-- source: raters.npz, raters_golden.npz, golden.npz and the original labels; published scores from
--   scores.npz
-- image_id: the image asked about
-- label: the class id asked about
-- published_score: the score in scores.npz
-- recomputed_score: the score computed from the votes
-- difference: recomputed_score - published_score
-- prior_evidence: the log-odds that a golden question is valid, in nats: ln(248 / 887) as published
-- raters_evidence: the sum of the log-likelihood ratios of the raters' votes (view vote_evidence),
--   in nats
-- original_evidence: the log-likelihood ratio of the original label, in nats. As published it
--   counts on questions about animals, and is 0 on all others
with golden as (
    select
        ln(nullif(count(case when g.is_valid then 1 end), 0))
        - ln(nullif(count(case when not g.is_valid then 1 end), 0)) as prior_evidence
    from golden_truths as g
),

summed as (
    select
        v.image_id,
        v.label,
        sum(v.log_likelihood_ratio) as raters_evidence
    from vote_evidence as v
    group by v.image_id, v.label
),

original_label as (
    select
        c.label,
        e.answer,
        e.log_likelihood_ratio
    from classes as c
    cross join original_label_evidence as e
    cross join pipeline_rules as r
    where r.original_label_for = 'all' or (r.original_label_for = 'animals' and c.is_animal)
),

parts as (
    select
        q.image_id,
        q.label,
        p.prior_evidence,
        coalesce(u.raters_evidence, 0) as raters_evidence,
        case when i.original_label is not null then coalesce(o.log_likelihood_ratio, 0) end
            as original_evidence
    from questions as q
    inner join images as i on q.image_id = i.image_id
    left join summed as u on q.image_id = u.image_id and q.label = u.label
    left join original_label as o
        on
            q.label = o.label
            and o.answer = case when q.label = i.original_label then 'yes' else 'no' end
    cross join golden as p
),

recomputed as (
    select
        p.image_id,
        p.label,
        p.prior_evidence,
        p.raters_evidence,
        p.original_evidence,
        1 / (1 + exp(-(p.prior_evidence + p.raters_evidence + p.original_evidence)))
            as recomputed_score
    from parts as p
)

select
    r.image_id,
    r.label,
    s.score as published_score,
    r.recomputed_score,
    r.recomputed_score - s.score as difference,
    r.prior_evidence,
    r.raters_evidence,
    r.original_evidence
from recomputed as r
left join scores as s on r.image_id = s.image_id and r.label = s.label
