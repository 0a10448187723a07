-- How well each model's confidences match its accuracy, by both label sets.
--
-- grain: one row per model and label set that scores an image
-- key: model, label_set
-- reads: calibration, scored_predictions
-- rule: the expected calibration error is the mean over images of the distance between accuracy and
--   mean confidence of their bin (view calibration). The Brier score is the mean squared distance
--   of the first choice's confidence from 1 where it is right, from 0 where it is wrong. Both are
--   NULL where a confidence is missing, or outside 0 to 1
-- source: C. Guo et al. (2017); G. W. Brier (1950), Monthly Weather Review 78, 1-3
-- model: the prediction set's name
-- label_set: real for the ReaL labels, original for the ILSVRC 2012 labels
-- scored_images: predicted images that the label set has labels for
-- unusable_confidences: those whose confidence is missing, or outside 0 to 1
-- accuracy: the share of the scored images whose first choice is right
-- mean_confidence: the mean confidence of the first choices; NULL as the error is
-- expected_calibration_error: as above
-- brier_score: as above
with judged as (
    select
        model,
        'real' as label_set,
        confidence,
        case when is_real_correct then 1e0 else 0e0 end as is_right
    from scored_predictions
    where is_real_correct is not null
    union all
    select
        model,
        'original' as label_set,
        confidence,
        case when is_original_correct then 1e0 else 0e0 end as is_right
    from scored_predictions
    where is_original_correct is not null
),

totals as (
    select
        model,
        label_set,
        count(*) as scored_images,
        count(*) - count(case when confidence between 0 and 1 then 1 end) as unusable_confidences,
        avg(is_right) as accuracy,
        avg(confidence) as mean_confidence,
        -- Logits may be too large to be squared.
        avg(
            case
                when confidence between 0 and 1
                    then (confidence - is_right) * (confidence - is_right)
            end
        ) as brier_score
    from judged
    group by model, label_set
),

errors as (
    select
        model,
        label_set,
        sum(images * abs(accuracy - mean_confidence)) as total_error
    from calibration
    group by model, label_set
)

select
    t.model,
    t.label_set,
    t.scored_images,
    t.unusable_confidences,
    t.accuracy,
    case when t.unusable_confidences = 0 then t.mean_confidence end as mean_confidence,
    e.total_error / nullif(t.scored_images, 0) as expected_calibration_error,
    case when t.unusable_confidences = 0 then t.brier_score end as brier_score
from totals as t
left join errors as e on t.model = e.model and t.label_set = e.label_set
