-- Predictions as given, turned into numbers; what cannot be turned is NULL.
--
-- grain: one row per prediction given
-- reads: given
-- rule: an image is a validation file name, with any folder before it and any extension, or its
--   number from 1: the eight digits decide. A number written as a float (7.0) is that number; one
--   with a fraction is none
-- $model: the name for rows without one
-- model: the prediction set's name
-- image_id: the image's number
-- rank: its place among the model's choices for the image; 1 where the file has no ranks
-- label: the class id
-- confidence: as given; NULL where the file has none, NaN where it is unreadable
with parsed as (
    select
        coalesce(cast(model as varchar), $model) as model,
        case
            -- a whole number is itself; by way of text it would take ten times as long
            when typeof(image) similar to 'U?(TINY|SMALL|BIG)?INT(EGER)?'
                then try_cast(image as integer)
            else
                coalesce(
                    try_cast(
                        regexp_extract(
                            cast(image as varchar),
                            '(?:^|[/\\])(?:ILSVRC2012_val_)?(\d{8})(?:_n\d{8})?(?:\.[A-Za-z]+)?$',
                            1
                        ) as integer
                    ),
                    try_cast(
                        regexp_extract(cast(image as varchar), '^(\d+)(?:\.0+)?$', 1) as integer
                    )
                )
        end as image_id,
        case
            when rank is null then 1
            when typeof(rank) similar to 'U?(TINY|SMALL|BIG)?INT(EGER)?'
                then try_cast(rank as double)
            else coalesce(try_cast(cast(rank as varchar) as double), 0)
        end as rank,
        case
            when label is not null and typeof(label) similar to 'U?(TINY|SMALL|BIG)?INT(EGER)?'
                then try_cast(label as double)
            else coalesce(try_cast(cast(label as varchar) as double), -1)
        end as label,
        case
            when typeof(confidence) = 'DOUBLE' then try_cast(confidence as double)
            when confidence is not null
                then coalesce(
                    try_cast(cast(confidence as varchar) as double), cast('nan' as double)
                )
        end as confidence
    from given
)

select
    model,
    case when image_id between 1 and 50000 then image_id end as image_id,
    case when rank between 1 and 1000 and rank = floor(rank) then cast(rank as smallint) end
        as rank,
    case when label between 0 and 999 and label = floor(label) then cast(label as smallint) end
        as label,
    confidence
from parsed
