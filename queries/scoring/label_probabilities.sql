-- The scores as probabilities: that a first choice is right, and that its image has any label.
--
-- grain: one row per model and predicted image that has scores, or that was not rated
-- key: model, image_id
-- reads: predictions, images, labels, scores
-- rule: a score is taken as the probability that its label is right, and the labels of an image as
--   independent. A first choice that has no score has probability 0. An image that was not rated
--   has its label for sure
-- source: ours, from scores.npz
-- model: the prediction set's name
-- image_id: the image
-- label: the model's first choice
-- probability: the probability that it is right
-- any_probability: the probability that the image has any label: 1 - the product of (1 - score)
with rated as (
    select
        image_id,
        case
            when max(score) >= 1 then 1e0
            else 1e0 - exp(sum(ln(case when score < 1 then 1e0 - score end)))
        end as any_probability
    from scores
    group by image_id
),

known as (
    select
        image_id,
        any_probability
    from rated
    union all
    select distinct
        l.image_id,
        1e0 as any_probability
    from labels as l
    inner join images as i on l.image_id = i.image_id
    where not i.is_rated
),

certain as (
    select
        l.image_id,
        l.label,
        1e0 as score
    from labels as l
    inner join images as i on l.image_id = i.image_id
    where not i.is_rated
    union all
    select
        image_id,
        label,
        score
    from scores
)

select
    p.model,
    p.image_id,
    p.label,
    coalesce(c.score, 0e0) as probability,
    k.any_probability
from predictions as p
inner join known as k on p.image_id = k.image_id
left join certain as c on p.image_id = c.image_id and p.label = c.label
where p.rank = 1
