-- The threshold at which the recomputed scores keep as many labels as real.json has, or nearly.
--
-- grain: one row
-- key: none
-- reads: recomputed_scores, images, labels
-- rule: the threshold whose number of labels is nearest to that of real.json; of two that are as
--   near, the higher one. Scores that are equal when rounded to 12 decimals are kept together, so
--   the numbers may differ. Scores of other methods need a threshold of their own: at 0.8 shares of
--   votes keep far fewer labels than probabilities do
-- source: ours: methods are compared where they make as many labels
-- threshold: the lowest score that is kept, rounded to 12 decimals; NULL where no question has a
--   score
-- kept_labels: how many labels it makes, those of images that were not rated included
-- published_labels: how many labels real.json has
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
