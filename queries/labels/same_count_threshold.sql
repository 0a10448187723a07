-- The threshold at which the recomputed scores keep about as many labels as real.json has.
--
-- grain: one row
-- key: none
-- reads: recomputed_scores, images, labels
-- rule: the threshold whose number of labels is nearest to that of real.json; of two equally near,
--   the higher one. The numbers may differ, because scores that are equal after rounding to 12
--   decimals are kept together. Scores of another method need another threshold than 0.8: shares of
--   votes keep far fewer labels at 0.8 than probabilities do
-- source: our definition: methods are compared at equal numbers of labels
-- threshold: the lowest score that is kept, rounded to 12 decimals; NULL if no question has a score
-- kept_labels: the number of labels at this threshold, with those of the images that were not rated
-- published_labels: the number of labels in real.json
with published as (
    select
        count(*) as published_labels,
        count(case when not i.is_rated then 1 end) as unrated_labels
    from labels as l
    inner join images as i on l.image_id = i.image_id
),

steps as (
    select
        round(s.recomputed_score, 12) as threshold,
        count(*) as questions
    from recomputed_scores as s
    where s.recomputed_score is not null
    group by round(s.recomputed_score, 12)
),

curve as (
    select
        s.threshold,
        cast(
            sum(s.questions) over (
                order by s.threshold desc
                rows between unbounded preceding and current row
            ) as bigint
        ) as questions
    from steps as s
),

placed as (
    select
        c.threshold,
        c.questions + p.unrated_labels as kept_labels,
        row_number() over (
            order by abs(c.questions + p.unrated_labels - p.published_labels), c.threshold desc
        ) as place
    from curve as c
    cross join published as p
)

select
    max(o.threshold) as threshold,
    max(o.kept_labels) as kept_labels,
    max(p.published_labels) as published_labels
from published as p
left join placed as o on o.place = 1
