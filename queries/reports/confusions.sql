-- What each model predicts instead of a valid label.
--
-- grain: one row per model, valid label and other class that the model predicts
-- key: model, label, predicted_label
-- reads: scored_predictions, labels
-- rule: images whose first choice is wrong. An image with several labels counts once for each of
--   them, and as 1 / label_count in weight, so that the weights of a model add up to its errors
-- source: Section 4 of the paper (ReaL accuracy)
-- model: the prediction set's name
-- label: a valid label of the images
-- predicted_label: the first choice, which is not valid
-- images: how many images there are
-- weight: the sum of 1 / label_count over these images
select
    s.model,
    l.label,
    s.label as predicted_label,
    count(*) as images,
    sum(1e0 / nullif(s.label_count, 0)) as weight
from scored_predictions as s
inner join labels as l on s.image_id = l.image_id
where not s.is_real_correct
group by s.model, l.label, s.label
