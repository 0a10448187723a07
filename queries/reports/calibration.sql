-- How often a model is right at each level of its confidence, in 15 bins of equal width.
--
-- grain: one row per model, label set and bin that holds an image
-- key: model, label_set, bin
-- reads: scored_predictions
-- rule: bin b holds the first choices with a confidence above (b - 1) / 15 and up to b / 15; a
--   confidence of 0 is in bin 1. A model of which a scored image has no confidence, or one outside
--   0 to 1, has no rows: logits are no probabilities
-- source: C. Guo et al. (2017), On Calibration of Modern Neural Networks
-- model: the prediction set's name
-- label_set: real for the ReaL labels, original for the ILSVRC 2012 labels
-- bin: the bin, from 1 to 15
-- confidence_low: its lower end
-- confidence_high: its upper end
-- images: how many first choices it holds
-- mean_confidence: the mean of their confidences
-- accuracy: the share of them that is right
with judged as (
    select
        model,
        'real' as label_set,
        confidence,
        is_real_correct as is_right
    from scored_predictions
    where is_real_correct is not null
    union all
    select
        model,
        'original' as label_set,
        confidence,
        is_original_correct as is_right
    from scored_predictions
    where is_original_correct is not null
),

usable as (
    select
        model,
        label_set
    from judged
    group by model, label_set
    having count(*) = count(case when confidence between 0 and 1 then 1 end)
),

binned as (
    select
        j.model,
        j.label_set,
        j.confidence,
        j.is_right,
        greatest(cast(ceil(j.confidence * 15e0) as integer), 1) as bin
    from judged as j
    inner join usable as u on j.model = u.model and j.label_set = u.label_set
)

select
    model,
    label_set,
    bin,
    (bin - 1) / 15e0 as confidence_low,
    bin / 15e0 as confidence_high,
    count(*) as images,
    avg(confidence) as mean_confidence,
    cast(count(case when is_right then 1 end) as double) / nullif(count(*), 0) as accuracy
from binned
group by model, label_set, bin
