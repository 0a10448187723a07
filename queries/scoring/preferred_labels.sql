-- Whether the raters' votes support the model's first choice or the original label, if these
-- differ.
--
-- grain: one row per model and image whose first choice is not the original label
-- key: model, image_id
-- reads: predictions, images, recomputed_scores
-- rule: the preferred label is the one with more evidence from the raters' votes. A difference
--   below 1e-9 nats is a tie, because equal votes summed in another order differ in the last digit.
--   The weight of the original label itself, which is part of the scores, is left out
-- source: the question of the paper's Figure 1, with our definition
-- model: the name of the model
-- image_id: the image
-- label: the model's first choice (rank 1)
-- confidence: the model's confidence in its first choice; NULL if the file has none
-- original_label: the image's ILSVRC 2012 label
-- label_evidence: the sum of the log-likelihood ratios of the votes on the first choice, in nats;
--   NULL if raters were not asked about it
-- original_label_evidence: the same sum for the original label; NULL if raters were not asked about
--   it
-- preferred: model, original or tie; NULL unless raters were asked about both labels
with differing as (
    select
        p.model,
        p.image_id,
        p.label,
        p.confidence,
        i.original_label
    from predictions as p
    inner join images as i on p.image_id = i.image_id
    where p.rank = 1 and p.label <> i.original_label
),

-- The scores are joined once, because it would take too long to compute them twice.
compared as (
    select
        d.model,
        d.image_id,
        d.label,
        d.confidence,
        d.original_label,
        max(case when s.label = d.label then s.raters_evidence end) as label_evidence,
        max(case when s.label = d.original_label then s.raters_evidence end)
            as original_label_evidence
    from differing as d
    left join recomputed_scores as s
        on d.image_id = s.image_id and (d.label = s.label or d.original_label = s.label)
    group by d.model, d.image_id, d.label, d.confidence, d.original_label
)

select
    c.model,
    c.image_id,
    c.label,
    c.confidence,
    c.original_label,
    c.label_evidence,
    c.original_label_evidence,
    case
        when abs(c.label_evidence - c.original_label_evidence) < 1e-9 then 'tie'
        when c.label_evidence > c.original_label_evidence then 'model'
        when c.label_evidence < c.original_label_evidence then 'original'
    end as preferred
from compared as c
