-- The model's first choice or the original label: which of the two the raters' votes speak for.
--
-- grain: one row per model and image whose first choice is another than the original label
-- key: model, image_id
-- reads: predictions, images, recomputed_scores
-- rule: the label with more of the raters' evidence is preferred, and a difference below 1e-9 nats
--   is a tie (equal votes summed up in another order differ in the last digit); what the original
--   label itself weighs in the scores is left out: it would be judge in its own cause
-- source: the question is that of the paper's Figure 1, the definition is ours
-- model: the prediction set's name
-- image_id: the image
-- label: the model's first choice (rank 1)
-- confidence: its confidence in it; NULL where the file has none
-- original_label: the image's ILSVRC 2012 label
-- label_evidence: what the raters' votes say for the first choice, in nats; NULL where they were
--   not asked
-- original_label_evidence: what they say for the original label; NULL where they were not asked
-- preferred: model, original or tie; NULL unless they were asked about both
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

-- The scores are joined once and then told apart: they are too much work to be asked for twice.
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
